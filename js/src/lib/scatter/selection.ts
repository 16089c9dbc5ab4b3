// Selections of many points: sorted indices, and their wire form (views/kit/selections.py).
import { decode, encode, type Numbers, type WireArray } from "../wire/arrays";

export type How = "replace" | "add" | "subtract";

/** A selection after some points were caught. All are sorted. */
export function combined(before: Uint32Array, caught: Uint32Array, how: How): Uint32Array {
  if (how === "replace") return caught;
  const out = new Uint32Array(before.length + (how === "add" ? caught.length : 0));
  let n = 0;
  let j = 0;
  for (const i of before) {
    while (j < caught.length && (caught[j] as number) < i) {
      if (how === "add") out[n++] = caught[j] as number;
      j++;
    }
    const both = j < caught.length && caught[j] === i;
    if (both) j++;
    if (how === "add" || !both) out[n++] = i;
  }
  if (how === "add") for (; j < caught.length; j++) out[n++] = caught[j] as number;
  return out.slice(0, n);
}

/** All points of 0...n-1 that are allowed and not selected. */
export function inverted(before: Uint32Array, n: number, allowed: (i: number) => boolean) {
  const out = new Uint32Array(n);
  let count = 0;
  let j = 0;
  for (let i = 0; i < n; i++) {
    if (before[j] === i) j++;
    else if (allowed(i)) out[count++] = i;
  }
  return out.slice(0, count);
}

/** Wire form: four bytes an index, or one bit a point where that is less. */
export function packSelection(indices: Uint32Array): WireArray {
  const n = indices.length ? (indices[indices.length - 1] as number) + 1 : 0;
  if (indices.length * 4 <= Math.ceil(n / 8)) return encode(indices);
  const bits = new Uint8Array(Math.ceil(n / 8));
  for (const i of indices) bits[i >> 3] = (bits[i >> 3] as number) | (128 >> (i & 7));
  return { dtype: "bits", shape: [n], data: new DataView(bits.buffer) };
}

export function unpackSelection(wire: WireArray | null | undefined): Uint32Array {
  if (wire?.dtype !== "bits") return Uint32Array.from(decode(wire) as Numbers);
  const bits = decode({ ...wire, dtype: "|u1" });
  const out = new Uint32Array(wire.shape[0] ?? 0);
  let n = 0;
  for (let i = 0; i < out.length; i++) {
    if (((bits[i >> 3] as number) >> (7 - (i & 7))) & 1) out[n++] = i;
  }
  return out.slice(0, n);
}
