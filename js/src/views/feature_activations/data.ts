// What the view draws, read from its traits.
import { axis, bit, decode } from "../../lib/wire/arrays";
import type { FeatureActivationsTraits } from "./traits";

export type SortBy = FeatureActivationsTraits["sort_by"];

export type ColumnWire = Pick<
  FeatureActivationsTraits,
  "_columns" | "_column_mask" | "_column_values" | "_column_scale"
>;
export type StrongestWire = Pick<
  FeatureActivationsTraits,
  "_top_features" | "_top_values" | "_top_scale"
>;
export type ListWire = Pick<
  FeatureActivationsTraits,
  "_list_features" | "_list_stats" | "_list_bars" | "_list_facts" | "_labels"
>;

/** One feature over all tokens. */
export interface Column {
  values: Float32Array;
  /** Largest magnitude. */
  peak: number;
  signed: boolean;
  /** Whether every value is known, or only those among a token's strongest. */
  exact: boolean;
}

/** Unpack `Columns` of views/activations/wire.py into one dense array per feature. */
export function readColumns(wire: ColumnWire, nTokens: number): Map<number, Column> {
  const features = decode(wire._columns);
  const mask = decode(wire._column_mask) as Uint8Array;
  const packed = decode(wire._column_values);
  const scales = decode(wire._column_scale);
  const width = axis(wire._column_mask, 1);
  const columns = new Map<number, Column>();
  let at = 0;
  features.forEach((feature: number, row: number) => {
    const bits = mask.subarray(row * width, (row + 1) * width);
    const values = new Float32Array(nTokens);
    const scale = scales[row] ?? 1;
    let signed = false;
    for (let token = 0; token < nTokens; token++) {
      if (!bit(bits, token)) continue;
      const value = (packed[at++] ?? 0) * scale;
      values[token] = value;
      signed ||= value < 0;
    }
    columns.set(feature, { values, peak: scale, signed, exact: true });
  });
  return columns;
}

export interface Fired {
  feature: number;
  value: number;
}

export interface Place {
  token: number;
  value: number;
}

/** Each token's strongest features. */
export interface Strongest {
  /** How many per token are held. */
  k: number;
  of(token: number): Fired[];
  /** The tokens where a feature is among the strongest. */
  at(feature: number): Place[];
}

export function readStrongest(wire: StrongestWire): Strongest {
  const features = decode(wire._top_features);
  const values = decode(wire._top_values);
  const k = axis(wire._top_features, 1);
  const scale = wire._top_scale;
  let places: Map<number, Place[]> | undefined;

  function index(): NonNullable<typeof places> {
    const found: NonNullable<typeof places> = new Map();
    features.forEach((feature: number, i: number) => {
      const value = (values[i] ?? 0) * scale;
      if (value === 0) return;
      if (!found.has(feature)) found.set(feature, []);
      found.get(feature)?.push({ token: Math.floor(i / k), value });
    });
    return found;
  }

  return {
    k,
    at(feature) {
      places ??= index();
      return places.get(feature) ?? [];
    },
    of(token) {
      const fired: Fired[] = [];
      for (let i = token * k; i < (token + 1) * k; i++) {
        const value = (values[i] ?? 0) * scale;
        if (value !== 0) fired.push({ feature: features[i] ?? 0, value });
      }
      return fired;
    },
  };
}

/** A feature's column from each token's strongest: all that is held when no kernel answers. */
export function partialColumn(strongest: Strongest, feature: number, nTokens: number): Column {
  const values = new Float32Array(nTokens);
  let peak = 0;
  let signed = false;
  for (const { token, value } of strongest.at(feature)) {
    values[token] = value;
    peak = Math.max(peak, Math.abs(value));
    signed ||= value < 0;
  }
  return { values, peak: peak || 1, signed, exact: false };
}

/** The value of largest magnitude among a chip's tokens. */
export function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0;
  for (let token = start; token < end; token++) {
    const value = values[token] ?? 0;
    if (Math.abs(value) > Math.abs(peak)) peak = value;
  }
  return peak;
}
