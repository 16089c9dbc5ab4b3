// Written by `make wire` from volvelle/views/maps/dual_umap.py: change that.
import type { WireArray } from "../../lib/wire/arrays";
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface MapFacts {
  model?: string;
  name_a?: string;
  name_b?: string;
  point_a?: string;
  point_b?: string;
  n_a?: number;
  n_b?: number;
  alive_a?: number;
  alive_b?: number;
  left_out?: string;
  mode?: string;
  match?: string;
  unit?: string;
  n_rows?: number;
  n_matched?: number;
  n_compared?: number;
  n_expected?: number;
  n_of_one_family?: number;
  matched_share?: number;
  threshold?: number;
  null_median?: number;
  twins?: number;
  twins_low?: number;
  twins_high?: number;
  trustworthiness?: number;
  recall?: number;
  disparity?: number;
  seed?: number;
  n_neighbors?: number;
  n_epochs?: number;
  search?: string;
  asks?: string;
  stability?: number;
  n_seeds?: number;
}

export interface NearLabels {
  own: string[];
  other: string[];
}

export interface LookedAt {
  which?: "a" | "b";
  index?: number;
  label?: string;
  own?: number[];
  own_cosine?: (number | null)[];
  other?: number[];
  other_score?: (number | null)[];
  labels?: NearLabels;
  promoted?: string;
}

export interface MapRegion {
  x: number;
  y: number;
  level: number;
  n: number;
  text: string;
}

export interface DualUMAPTraits extends BaseTraits {
  _cluster_a: WireArray;
  _cluster_b: WireArray;
  _density_a: WireArray;
  _density_b: WireArray;
  _drawn: string;
  _facts: MapFacts;
  _labels_a: WireArray;
  _labels_b: WireArray;
  _looked: LookedAt;
  _near_a: WireArray;
  _near_b: WireArray;
  _near_score_a: WireArray;
  _near_score_b: WireArray;
  _pair_scores: WireArray;
  _pairs: WireArray;
  _promoted_a: WireArray;
  _promoted_b: WireArray;
  _regions: MapRegion[];
  _seen: number;
  _some_a: WireArray;
  _some_b: WireArray;
  _xy_a: WireArray;
  _xy_b: WireArray;
  color_by: "dictionary" | "match" | "density" | "cluster" | "values";
  features_of: "a" | "b";
  panels: "two" | "one";
  query: string;
  selected_a: WireArray;
  selected_b: WireArray;
  selected_features: number[];
  values_a: WireArray;
  values_b: WireArray;
  values_name: string;
}

export interface DualUMAPRequests extends BaseRequests {
  look: { which: "a" | "b"; index: number };
}
