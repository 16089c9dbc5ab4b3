// Lists as people type and read them.
import type { Answer } from "./data";

/** Numbers between commas or spaces, with either minus sign; undefined when one is none. */
export function readNumbers(text: string): number[] | undefined {
  const parts = text.replaceAll("−", "-").split(/[\s,;]+/);
  const found = parts.filter(Boolean).map(Number);
  return found.every(Number.isFinite) ? found : undefined;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text; // a backslash that escapes nothing
  }
}

/**
 * Answers between commas, spellings of one between bars. A bare word gets the space that words
 * in a sentence begin with.
 */
export function readAnswers(text: string): Answer[] {
  const found: string[][] = [];
  for (const [, bar, quoted, bare] of text.matchAll(
    /(\|)?\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"|]+))/g,
  )) {
    const said = quoted === undefined ? ` ${bare}` : unquoted(quoted);
    const last = found.at(-1);
    if (!said) continue;
    if (bar && last) last.push(said);
    else found.push([said]);
  }
  const once = new Map(found.map((spelled) => [spelled.join("|"), [...new Set(spelled)]]));
  return [...once.values()].map((spelled) =>
    spelled.length > 1 ? spelled : (spelled[0] as string),
  );
}

const writeText = (text: string): string =>
  /^ [^\s,"|\\]+$/.test(text) ? text.slice(1) : JSON.stringify(text);

/** The line `readAnswers` reads back: bare where it can be. */
export const writeAnswers = (answers: readonly Answer[]): string =>
  answers.map((one) => [one].flat().map(writeText).join("|")).join(", ");
