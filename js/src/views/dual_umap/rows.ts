// The rows of the selection list: what is selected, its matches, and what is there instead.
// Sections hold indices, not rows: a selection may be of a million points.
import type { ReadonlySignal } from "@preact/signals-core";
import { inside } from "../../lib/scatter/points";
import { type Matches, neighboursOf, type Side, type Spot, type Which } from "./data";
import { type Hits, hitIndices } from "./search";

/** What rows are made of: signals, so that a list follows only those that its rows come from. */
export interface RowSources {
  sides: ReadonlySignal<[Side, Side]>;
  matches: ReadonlySignal<Matches>;
  selected: [ReadonlySignal<Uint32Array>, ReadonlySignal<Uint32Array>];
  hits: ReadonlySignal<Hits>;
  lasso: ReadonlySignal<Float64Array | undefined>;
}

export interface Section {
  head: string;
  note: string;
  which: Which;
  indices: ArrayLike<number>;
}

export type Row = { head: string; note: string } | Spot;

export const isHead = (row: Row): row is { head: string; note: string } => "head" in row;

/** How many rows the sections take, each with its head. */
export function rowCount(sections: Section[]): number {
  return sections.reduce((sum, { indices }) => sum + 1 + indices.length, 0);
}

export function rowAt(sections: Section[], at: number): Row | undefined {
  let left = at;
  for (const section of sections) {
    if (left === 0) return { head: section.head, note: section.note };
    if (left <= section.indices.length) {
      return { which: section.which, index: section.indices[left - 1] as number };
    }
    left -= 1 + section.indices.length;
  }
  return undefined;
}

/** Sections in order; none while nothing is selected and nothing is searched for. */
export function selectionRows(map: RowSources): Section[] {
  const sides = map.sides.value;
  const selected = [map.selected[0].value, map.selected[1].value] as const;
  if (selected[0].length + selected[1].length === 0) return hitRows(map);
  const sections: Section[] = [];
  const add = (which: Which, head: string, indices: ArrayLike<number>, more = ""): void => {
    if (!indices.length) return;
    const note = `${indices.length.toLocaleString("en-US")}${more}`;
    sections.push({ head: `${head} ${sides[which].name}`.trim(), note, which, indices });
  };
  for (const which of [0, 1] as const) add(which, "selected in", selected[which]);
  for (const which of [0, 1] as const) {
    const other = (1 - which) as Which;
    if (!selected[which].length || !sides[other].n) continue;
    const known = new Uint8Array(sides[other].n);
    for (const index of selected[other]) known[index] = 1;
    const matched = counterparts(map, which);
    add(other, "their matches in", fresh(matched, known));
    const instead = fresh(insteadOf(map, which, sides[other], matched), known);
    if (instead.length) {
      const note = `${instead.length.toLocaleString("en-US")}, no match among these`;
      const head = `in ${sides[other].name} instead`;
      sections.push({ head, note, which: other, indices: instead });
    }
  }
  return sections;
}

/** The indices that are not known yet; they are from then on. */
function fresh(indices: ArrayLike<number>, known: Uint8Array): number[] {
  const found: number[] = [];
  for (let j = 0; j < indices.length; j++) {
    const index = indices[j] as number;
    if (known[index]) continue;
    known[index] = 1;
    found.push(index);
  }
  return found;
}

/** Points a search found, while nothing is selected. */
function hitRows(map: RowSources): Section[] {
  const hits = map.hits.value;
  return map.sides.value.flatMap(({ which, name }) => {
    const indices = hitIndices(hits.of[which]);
    const note = indices.length.toLocaleString("en-US");
    return indices.length ? [{ head: `found in ${name}`, note, which, indices }] : [];
  });
}

/** Matches of what is selected in one dictionary, in the order of the selection. */
function counterparts(map: RowSources, which: Which): number[] {
  const of = map.matches.value.of[which];
  const found: number[] = [];
  for (const index of map.selected[which].value) {
    const match = of[index] ?? -1;
    if (match >= 0) found.push(match);
  }
  return found;
}

/** As many neighbours in the original space are listed where there is no lasso. */
const MOST_INSTEAD = 200;

/**
 * What the other dictionary has here: points inside the same lasso, or the nearest ones in the
 * original space; without those that match something selected.
 */
function insteadOf(map: RowSources, which: Which, other: Side, matched: number[]): number[] {
  const taken = new Uint8Array(other.n);
  for (const index of matched) taken[index] = 1;
  const polygon = map.lasso.value;
  if (polygon) return fresh(inside(other.layer, polygon), taken);
  const found: number[] = [];
  for (const index of map.selected[which].value) {
    const near = neighboursOf(map.sides.value[which], index)[1].map((each) => each.index);
    found.push(...fresh(near, taken));
    if (found.length >= MOST_INSTEAD) break;
  }
  return found;
}
