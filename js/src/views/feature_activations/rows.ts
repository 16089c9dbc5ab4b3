// The rows of the feature list: Python's where they are current, else from what is held here.
import { axis, decode } from "../../lib/wire/arrays";
import type { Column, ListWire, Place, SortBy, Strongest } from "./data";

export const N_BINS = 48;
const MOST_ROWS = 100; // as many as Python lists

export interface Row {
  feature: number;
  label: string;
  /** Value of largest magnitude in scope, with its sign. */
  max: number;
  mean: number;
  density: number;
  /** Where in the text it fires, 0...255 per bin. */
  bar: Uint8Array;
  pinned: boolean;
}

export interface ListState {
  sortBy: SortBy;
  query: string;
  /** Selected tokens; the whole text when empty. */
  tokens: number[];
  pinned: number[];
}

export interface Listed {
  rows: Row[];
  /** Features that fire in scope and match, listed or not; undefined when only Python knows. */
  firing: number | undefined;
  /** False while made from each token's strongest only. */
  exact: boolean;
}

/** Which tokens a list is for; equal to `_where` of views/activations/feature_activations.py. */
export function whereOf(tokens: number[]): string {
  const first = tokens[0];
  if (first === undefined) return "";
  return `${tokens.length}:${first}:${tokens.at(-1)}:${tokens.reduce((a, b) => a + b, 0)}`;
}

function fold(query: string): string {
  return query.trim().toLowerCase();
}

/** Whether a feature's number begins with the query, or its label contains it. */
export function matches(query: string, feature: number, label: string): boolean {
  const wanted = fold(query);
  if (!wanted) return true;
  return String(feature).startsWith(wanted) || label.toLowerCase().includes(wanted);
}

/** Pinned rows first, in the order they were pinned; the rest by the chosen measure. */
export function arrange(rows: Row[], state: ListState): Row[] {
  const size = (row: Row): number => {
    if (state.sortBy === "index") return -row.feature;
    return Math.abs(row[state.sortBy]);
  };
  const order = new Map(state.pinned.map((feature, i) => [feature, i]));
  const pinned = rows
    .filter((row) => order.has(row.feature))
    .sort((a, b) => (order.get(a.feature) ?? 0) - (order.get(b.feature) ?? 0));
  const rest = rows
    .filter((row) => !order.has(row.feature) && matches(state.query, row.feature, row.label))
    .sort((a, b) => size(b) - size(a) || a.feature - b.feature);
  return [...pinned, ...rest];
}

/** The rows as Python listed them. */
export function sentRows(wire: ListWire): Row[] {
  const features = decode(wire._list_features);
  const stats = decode(wire._list_stats);
  const bars = decode(wire._list_bars) as Uint8Array;
  const n = axis(wire._list_features, 0);
  return Array.from({ length: n }, (_, i) => {
    const feature = features[i] ?? 0;
    return {
      feature,
      label: wire._labels[feature] ?? "",
      max: stats[3 * i] ?? 0,
      mean: stats[3 * i + 1] ?? 0,
      density: stats[3 * i + 2] ?? 0,
      bar: bars.subarray(i * N_BINS, (i + 1) * N_BINS),
      pinned: false,
    };
  });
}

/** Rows over `tokens` from held columns, and from each token's strongest for the others. */
export function localRows(
  sent: Row[],
  columns: Map<number, Column>,
  strongest: Strongest,
  labels: Record<string, string>,
  tokens: number[],
  nTokens: number,
): Row[] {
  function places(feature: number): Place[] {
    const held = columns.get(feature)?.values;
    if (!held) return strongest.at(feature);
    return Array.from(held, (value, token) => ({ token, value }));
  }
  const known = new Map(sent.map((row) => [row.feature, row]));
  const sums = new Map<number, { max: number; total: number; count: number }>();
  const add = (feature: number, value: number): void => {
    const sum = sums.get(feature) ?? { max: 0, total: 0, count: 0 };
    if (Math.abs(value) > Math.abs(sum.max)) sum.max = value;
    sum.total += value;
    sum.count += value === 0 ? 0 : 1;
    sums.set(feature, sum);
  };
  for (const token of tokens) {
    for (const [feature, column] of columns) add(feature, column.values[token] ?? 0);
    for (const { feature, value } of strongest.of(token)) {
      if (!columns.has(feature)) add(feature, value);
    }
  }
  const n = Math.max(tokens.length, 1);
  return [...sums]
    .filter(([feature, sum]) => sum.count > 0 || known.has(feature))
    .sort(([, a], [, b]) => Math.abs(b.max) - Math.abs(a.max))
    .filter(([feature], i) => i < MOST_ROWS || known.has(feature))
    .map(([feature, sum]) => ({
      feature,
      label: labels[feature] ?? "",
      max: sum.max,
      mean: sum.total / n,
      density: sum.count / n,
      bar: known.get(feature)?.bar ?? barOf(places(feature), nTokens),
      pinned: false,
    }));
}

function barOf(places: Place[], nTokens: number): Uint8Array {
  const bar = new Uint8Array(N_BINS);
  const peak = places.reduce((most, { value }) => Math.max(most, Math.abs(value)), 0) || 1;
  for (const { token, value } of places) {
    const bin = Math.floor((token * N_BINS) / Math.max(nTokens, 1));
    bar[bin] = Math.max(bar[bin] ?? 0, Math.ceil((255 * Math.abs(value)) / peak));
  }
  return bar;
}

/** The list to show now. */
export function list(
  wire: ListWire,
  state: ListState,
  columns: Map<number, Column>,
  strongest: Strongest,
  nTokens: number,
): Listed {
  const sent = sentRows(wire);
  const facts = wire._list_facts;
  // another sort or filter of the same tokens: what is listed is true, though not all of it
  const sameTokens = (facts.where ?? "") === whereOf(state.tokens);
  const current =
    sameTokens && facts.sort === state.sortBy && (facts.query ?? "") === state.query.trim();
  const rows = sameTokens
    ? sent
    : localRows(
        sent,
        columns,
        strongest,
        wire._labels,
        state.tokens.length ? state.tokens : Array.from({ length: nTokens }, (_, i) => i),
        nTokens,
      );
  const pinned = new Set(state.pinned);
  for (const row of rows) row.pinned = pinned.has(row.feature);
  return {
    rows: arrange(rows, state),
    firing: current ? facts.firing : undefined,
    exact: sameTokens,
  };
}
