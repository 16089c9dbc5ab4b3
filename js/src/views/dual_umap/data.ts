// What arrives from Python, read once: two dictionaries, their matches, the numbers beside them.

import { type Layer, makeLayer } from "../../lib/scatter/points";
import { axis, decode, type Numbers, type WireArray } from "../../lib/wire/arrays";
import type { DualUMAPTraits, MapFacts } from "./traits";

export type ColorBy = DualUMAPTraits["color_by"];
export type Which = 0 | 1;
export const NAMES = ["a", "b"] as const;

/** A point of one of the two dictionaries. */
export interface Spot {
  which: Which;
  index: number;
}

/** Neighbours sent per point and kind: `near` holds three own ones, then three of the other. */
export const NEAR = 3;

export interface Side {
  which: Which;
  name: string;
  n: number;
  layer: Layer;
  label(index: number): string;
  /** Label and promoted tokens in lower case, for the search. */
  needle(index: number): string;
  promoted(index: number): string;
  /** log10 of the share of tokens it fires on; NaN unknown. */
  density: Numbers;
  cluster: Numbers;
  /** Index + 1, 0 for none; (n, 2 * NEAR). Empty on a map too large to send them ahead. */
  near: Numbers;
  nearScore: Numbers;
}

/** Strings that came as one block of lines. */
export function lines(wire: WireArray): string[] {
  const bytes = decode(wire) as Uint8Array;
  return bytes.length ? new TextDecoder().decode(bytes).split("\n") : [];
}

/** One dictionary; the layer is taken over where its size stays, so that pictures stay. */
export function readSide(
  which: Which,
  traits: Pick<DualUMAPTraits, keyof DualUMAPTraits>,
  facts: MapFacts,
  before?: Side,
): Side {
  const key = NAMES[which];
  const n = axis(traits[`_xy_${key}`], 0);
  const name = facts[`name_${key}`] || key;
  const labels = lines(traits[`_labels_${key}`]);
  const promoted = lines(traits[`_promoted_${key}`]);
  let needles: string[] | undefined;
  return {
    which,
    name,
    n,
    layer: before?.n === n ? before.layer : makeLayer(n),
    label: (i) => labels[i] || `${name}/${i}`,
    needle(i) {
      needles ??= Array.from({ length: Math.max(labels.length, promoted.length) }, (_, j) =>
        `${labels[j] || `${name}/${j}`}\n${promoted[j] ?? ""}`.toLowerCase(),
      );
      return needles[i] ?? `${name}/${i}`.toLowerCase();
    },
    promoted: (i) => promoted[i] ?? "",
    density: decode(traits[`_density_${key}`]),
    cluster: decode(traits[`_cluster_${key}`]),
    near: decode(traits[`_near_${key}`]),
    nearScore: decode(traits[`_near_score_${key}`]),
  };
}

export interface Matches {
  /** Matched feature of the other dictionary, -1 without. */
  of: [Int32Array, Int32Array];
  score: [Float32Array, Float32Array];
  n: number;
}

export function readMatches(pairs: WireArray, scores: WireArray, n: [number, number]): Matches {
  const both = decode(pairs);
  const strength = decode(scores);
  const of: Matches["of"] = [new Int32Array(n[0]).fill(-1), new Int32Array(n[1]).fill(-1)];
  const score: Matches["score"] = [new Float32Array(n[0]), new Float32Array(n[1])];
  for (let j = 0; 2 * j < both.length; j++) {
    const a = both[2 * j] as number;
    const b = both[2 * j + 1] as number;
    of[0][a] = b;
    of[1][b] = a;
    score[0][a] = strength[j] as number;
    score[1][b] = strength[j] as number;
  }
  return { of, score, n: both.length / 2 };
}

export interface Neighbour extends Spot {
  score: number;
}

/** Nearest features of a point: its own dictionary's, then the other's. */
export function neighboursOf(side: Side, index: number): [Neighbour[], Neighbour[]] {
  const found: [Neighbour[], Neighbour[]] = [[], []];
  for (let j = 0; j < 2 * NEAR; j++) {
    const held = side.near[2 * NEAR * index + j] ?? 0;
    if (!held) continue;
    const other = j >= NEAR;
    found[other ? 1 : 0].push({
      which: (other ? 1 - side.which : side.which) as Which,
      index: held - 1,
      score: side.nearScore[2 * NEAR * index + j] ?? Number.NaN,
    });
  }
  return found;
}
