// Activations as Python would send them, from plain lists.
import { makeModel } from "../../../src/export/shim";
import { encode, type WireArray } from "../../../src/lib/wire/arrays";
import type { FeatureActivationsTraits } from "../../../src/views/feature_activations/traits";
import { atRest } from "../../fake";

export interface Made {
  tokens: string[];
  /** One row per feature, one value per token. */
  values: Record<number, number[]>;
  labels?: Record<number, string>;
  flags?: number[];
  starts?: number[];
  traits?: Partial<FeatureActivationsTraits>;
}

/** numpy.packbits */
function pack(row: number[]): number[] {
  const bytes = new Array(Math.ceil(row.length / 8)).fill(0);
  row.forEach((value, i) => {
    if (value !== 0) bytes[i >> 3] |= 128 >> (i & 7);
  });
  return bytes;
}

const f4 = (values: number[], shape?: number[]): WireArray =>
  encode(Float32Array.from(values), shape);
const u4 = (values: number[], shape?: number[]): WireArray =>
  encode(Uint32Array.from(values), shape);
const u1 = (values: number[], shape?: number[]): WireArray =>
  encode(Uint8Array.from(values), shape);

/** The traits as Python would send them. Half floats are sent as float32: both decode. */
export function traitsOf({ tokens, values, labels = {}, flags, starts, traits }: Made) {
  const features = Object.keys(values).map(Number);
  const rows = features.map((feature) => values[feature] ?? []);
  const bytes = tokens.map((token) => new TextEncoder().encode(token));
  const scale = rows.map((row) => Math.max(...row.map(Math.abs)) || 1);
  const top = tokens.map((_, token) =>
    features
      .map((feature, i) => ({ feature, value: rows[i]?.[token] ?? 0 }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, 2),
  );
  const peak = Math.max(1, ...scale);
  const stats = rows.map((row) => {
    const max = row.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    return [max, mean, row.filter((v) => v !== 0).length / row.length];
  });
  const n = features.length;
  const state: FeatureActivationsTraits = {
    ...atRest(),
    text: tokens.join(""),
    texts: [],
    selected_tokens: [],
    selected_features: features.slice(0, 1),
    pinned_features: [],
    query: "",
    sort_by: "max",
    _token_blob: u1(bytes.flatMap((each) => [...each])),
    _token_lengths: u4(bytes.map((each) => each.length)),
    _token_ids: u4(tokens.map((_, i) => 100 + i)),
    _token_index: u4(tokens.map((_, i) => i)),
    _token_flags: u1(flags ?? tokens.map(() => 0)),
    _text_starts: u4(starts ?? [0]),
    _columns: u4(features),
    _column_mask: u1(rows.flatMap(pack), [n, Math.ceil(tokens.length / 8)]),
    _column_values: f4(
      rows.flatMap((row, i) => row.filter((v) => v !== 0).map((v) => v / (scale[i] ?? 1))),
    ),
    _column_scale: f4(scale),
    _top_features: u4(
      top.flatMap((each) => each.map((t) => t.feature)),
      [tokens.length, Math.min(2, n)],
    ),
    _top_values: f4(
      top.flatMap((each) => each.map((t) => t.value / peak)),
      [tokens.length, Math.min(2, n)],
    ),
    _top_scale: peak,
    _list_features: u4(features),
    _list_stats: f4(stats.flat(), [n, 3]),
    _list_bars: u1(new Array(n * 48).fill(9), [n, 48]),
    _list_facts: { firing: n, sort: "max", query: "", where: "" },
    _labels: labels,
    _facts: {
      model: "fake",
      point: "resid_post.1",
      dictionary: "toy",
      editable: true,
      l0: 2,
      fve: 0.8,
    },
    ...traits,
  };
  return state;
}

export function modelOf(made: Made) {
  return makeModel(traitsOf(made) as unknown as Record<string, unknown>);
}
