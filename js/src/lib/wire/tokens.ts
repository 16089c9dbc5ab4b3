// Tokens as a reader sees them: glyphs in place of byte pieces, and signs for what has no ink.
import { decode, type WireArray } from "./arrays";

/** How tokens arrive (views/activations/wire.py, TokenTable). */
export interface TokenWire {
  _token_blob: WireArray;
  _token_lengths: WireArray;
  _token_ids: WireArray;
  _token_index: WireArray;
  _token_flags: WireArray;
  _text_starts: WireArray;
}

// bits of a token's flags
export const WINDOW = 1;
export const LEFT_OUT = 2;
export const PIECE = 4;
export const SPECIAL = 8;
export const OUTLIER = 16;

/** One glyph on screen: usually one token, several where a character is split over tokens. */
export interface Chip {
  /** First token. */
  start: number;
  /** One past the last token. */
  end: number;
  text: string;
  /** The union of its tokens' flags. */
  flags: number;
}

export interface Tokens {
  /** How many tokens, not chips. */
  n: number;
  id(token: number): number;
  text(token: number): string;
  chips: Chip[];
  /** The chip of each token. */
  chipOf: Uint32Array;
  /** First chip of each text, and one past the last of all. */
  rows: number[];
}

export function readTokens(wire: TokenWire): Tokens {
  const blob = decode(wire._token_blob) as Uint8Array;
  const lengths = decode(wire._token_lengths);
  const ids = decode(wire._token_ids);
  const index = decode(wire._token_index);
  const flags = decode(wire._token_flags);
  const decoder = new TextDecoder();
  const strings: string[] = [];
  let at = 0;
  for (const length of lengths) {
    strings.push(decoder.decode(blob.subarray(at, at + length)));
    at += length;
  }
  const n = index.length;
  const text = (token: number): string => strings[index[token] ?? 0] ?? "";
  const chips: Chip[] = [];
  const chipOf = new Uint32Array(n);
  for (let token = 0; token < n; token++) {
    const flag = flags[token] ?? 0;
    const last = chips.at(-1);
    if (flag & PIECE && last) {
      last.end = token + 1;
      last.text += text(token);
      last.flags |= flag;
    } else {
      chips.push({ start: token, end: token + 1, text: text(token), flags: flag });
    }
    chipOf[token] = chips.length - 1;
  }
  const starts = [...decode(wire._text_starts)];
  const rows = [...starts.map((token) => chipOf[token] ?? chips.length), chips.length];
  return { n, id: (token) => ids[index[token] ?? 0] ?? 0, text, chips, chipOf, rows };
}

export type SegmentKind = "text" | "space" | "newline" | "tab" | "unseen";

/** A stretch of a token that is drawn alike. `sign` stands for what has no ink of its own. */
export interface Segment {
  kind: SegmentKind;
  text: string;
  sign: string;
}

// Spaces, line ends, and characters without ink: controls, soft hyphen, zero-width and
// direction marks, byte-order mark. The joiner U+200D is left: it holds emoji together.
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
  /( +)|(\r\n|\n|\r)|(\t)|([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00a0\u00ad\u180e\u2000-\u200c\u200e\u200f\u2028-\u202f\u205f-\u2064\u2066-\u2069\u3000\ufeff\ufff9-\ufffb])/g;

export function segments(text: string): Segment[] {
  const parts: Segment[] = [];
  let at = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > at) parts.push(plain(text.slice(at, match.index)));
    const [whole, spaces, newline, tab] = match;
    if (spaces) parts.push({ kind: "space", text: whole, sign: "·".repeat(whole.length) });
    else if (newline)
      parts.push({ kind: "newline", text: whole, sign: whole === "\r" ? "␍" : "↵" });
    else if (tab) parts.push({ kind: "tab", text: whole, sign: "⇥" });
    else parts.push({ kind: "unseen", text: whole, sign: codePoint(whole) });
    at = match.index + whole.length;
  }
  if (at < text.length) parts.push(plain(text.slice(at)));
  return parts;
}

function plain(text: string): Segment {
  return { kind: "text", text, sign: text };
}

function codePoint(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return `U+${hex.padStart(4, "0")}`;
}

/** One line that shows everything: "·happy", "↵↵". */
export function visible(text: string): string {
  return segments(text)
    .map((segment) => segment.sign)
    .join("");
}

/** What a screen reader should say for a token. */
export function spoken(text: string): string {
  if (text === "") return "empty";
  const names = { space: "space", newline: "new line", tab: "tab", unseen: "" };
  const words = segments(text).map((s) => (s.kind === "text" ? s.text : names[s.kind] || s.sign));
  return words.length === 2 && words[0] === "space" ? String(words[1]) : words.join(" ");
}
