// Lists as people type and read them.

/** Numbers between commas or spaces, with either minus sign; undefined when one is none. */
export function readNumbers(text: string): number[] | undefined {
  const parts = text.replaceAll("−", "-").split(/[\s,;]+/);
  const found = parts.filter(Boolean).map(Number);
  return found.every(Number.isFinite) ? found : undefined;
}

/** Tokens between commas. A bare word gets the space that words in a sentence begin with. */
export function readTokens(text: string): string[] {
  const found: string[] = [];
  for (const [, quoted, bare] of text.matchAll(/"((?:[^"\\]|\\.)*)"|([^\s,"]+)/g)) {
    if (quoted !== undefined) found.push(JSON.parse(`"${quoted}"`) as string);
    else if (bare) found.push(` ${bare}`);
  }
  return [...new Set(found)];
}

/** The line `readTokens` reads back: bare where it can be. */
export function writeTokens(tokens: string[]): string {
  return tokens
    .map((token) => (/^ [^\s,"\\]+$/.test(token) ? token.slice(1) : JSON.stringify(token)))
    .join(", ");
}
