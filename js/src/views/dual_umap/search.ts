// Search by label, token or index.
import type { Side } from "./data";

export interface Hits {
  /** One byte a point, 1 for a hit; undefined while nothing is searched for. */
  of: [Uint8Array | undefined, Uint8Array | undefined];
  count: [number, number];
}

const NONE: Hits = { of: [undefined, undefined], count: [0, 0] };

/**
 * Points whose label holds every word of the query, or whose index it is.
 * "12" and "#12" are feature 12 of both; "a/12" of the one called a.
 */
export function search(query: string, sides: [Side, Side]): Hits {
  const text = query.trim().toLowerCase();
  if (!text) return NONE;
  const words = text.split(/\s+/);
  const number = /^(?:(.*)\/|#)?(\d+)$/.exec(text);
  const found: Hits = { of: [undefined, undefined], count: [0, 0] };
  for (const side of sides) {
    const hits = new Uint8Array(side.n);
    if (number) {
      const index = Number(number[2]);
      const named = number[1] === undefined || number[1] === side.name.toLowerCase();
      if (named && index < side.n) hits[index] = 1;
    }
    for (let i = 0; i < side.n; i++) {
      const label = side.needle(i);
      if (words.every((word) => label.includes(word))) hits[i] = 1;
    }
    found.of[side.which] = hits;
    found.count[side.which] = hits.reduce((sum, hit) => sum + hit, 0);
  }
  return found;
}

/** The indices of the hits of one side. */
export function hitIndices(hits: Uint8Array | undefined): Uint32Array {
  const out = new Uint32Array(hits?.length ?? 0);
  let n = 0;
  hits?.forEach((hit, i) => {
    if (hit) out[n++] = i;
  });
  return out.slice(0, n);
}
