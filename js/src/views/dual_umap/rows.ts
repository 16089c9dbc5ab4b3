// The rows of the selection list: what is selected, its matches, and what is there instead.
import { inside } from "../../lib/scatter_points";
import { neighboursOf, type Spot, type Which } from "./data";
import type { MapState } from "./state";

export type Row = { head: string; note?: string } | Spot;

export const isHead = (row: Row): row is { head: string; note?: string } => "head" in row;

/** Rows in order; empty while nothing is selected and nothing is searched for. */
export function selectionRows(state: MapState): Row[] {
  const sides = state.sides.value;
  const rows: Row[] = [];
  const selected = [state.selected[0].value, state.selected[1].value] as const;
  if (selected[0].length + selected[1].length === 0) return hitRows(state);
  for (const which of [0, 1] as const) {
    const own = selected[which];
    if (!own.length) continue;
    rows.push({ head: `selected in ${sides[which].name}`, note: `${own.length}` });
    for (const index of own) rows.push({ which, index });
  }
  for (const which of [0, 1] as const) {
    if (!selected[which].length || !sides[(1 - which) as Which].n) continue;
    const other = (1 - which) as Which;
    const taken = new Set(selected[other]);
    const matched = counterparts(state, which).filter((index) => !taken.has(index));
    const known = new Set([...taken, ...matched]);
    if (matched.length) {
      rows.push({ head: `their matches in ${sides[other].name}`, note: `${matched.length}` });
      for (const index of matched) rows.push({ which: other, index });
    }
    const instead = insteadOf(state, which).filter((index) => !known.has(index));
    if (instead.length) {
      rows.push({
        head: `in ${sides[other].name} instead`,
        note: `${instead.length}, no match among these`,
      });
      for (const index of instead) rows.push({ which: other, index });
    }
  }
  return rows;
}

/** Points a search found, while nothing is selected. */
function hitRows(state: MapState): Row[] {
  const hits = state.hits.value;
  const rows: Row[] = [];
  for (const side of state.sides.value) {
    const found = hits.of[side.which];
    const count = hits.count[side.which];
    if (!found || !count) continue;
    rows.push({ head: `found in ${side.name}`, note: `${count}` });
    found.forEach((hit, index) => {
      if (hit) rows.push({ which: side.which, index });
    });
  }
  return rows;
}

/** Matches of what is selected in one dictionary, in the order of the selection. */
export function counterparts(state: MapState, which: Which): number[] {
  const of = state.matches.value.of[which];
  const found: number[] = [];
  for (const index of state.selected[which].value) {
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
export function insteadOf(state: MapState, which: Which): number[] {
  const other = state.sides.value[(1 - which) as Which];
  const mine = state.sides.value[which];
  const polygon = state.lasso.value;
  const matched = new Set(counterparts(state, which));
  if (polygon) return [...inside(other.layer, polygon)].filter((index) => !matched.has(index));
  const found = new Set<number>();
  for (const index of state.selected[which].value) {
    for (const near of neighboursOf(mine, index)[1]) {
      if (!matched.has(near.index)) found.add(near.index);
    }
    if (found.size >= MOST_INSTEAD) break;
  }
  return [...found];
}
