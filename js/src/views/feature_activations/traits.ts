// Written by `make wire` from volvelle/views/activations/feature_activations.py: change that.
import type { WireArray } from "../../lib/wire/arrays";
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface ActivationFacts {
  model?: string;
  point?: string;
  dictionary?: string;
  n_features?: number;
  l0?: number | null;
  fve?: number | null;
  note?: string;
  editable?: boolean;
  signed?: boolean;
  hand_made?: boolean;
}

export interface ListFacts {
  firing?: number;
  sort?: string;
  query?: string;
  where?: string;
}

export interface FeatureActivationsTraits extends BaseTraits {
  _column_mask: WireArray;
  _column_scale: WireArray;
  _column_values: WireArray;
  _columns: WireArray;
  _facts: ActivationFacts;
  _labels: Record<string, string>;
  _list_bars: WireArray;
  _list_facts: ListFacts;
  _list_features: WireArray;
  _list_stats: WireArray;
  _text_starts: WireArray;
  _token_blob: WireArray;
  _token_flags: WireArray;
  _token_ids: WireArray;
  _token_index: WireArray;
  _token_lengths: WireArray;
  _top_features: WireArray;
  _top_scale: number;
  _top_values: WireArray;
  pinned_features: number[];
  query: string;
  selected_features: number[];
  selected_tokens: number[];
  sort_by: "max" | "mean" | "density" | "index";
  text: string;
  texts: string[];
}

export interface FeatureActivationsRequests extends BaseRequests {
  labels: { features: number[] };
}
