// FeatureActivations in a notebook: the model's traits joined to the drawing.
import type { WireArray } from "../lib/wire/arrays";
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawFeatureActivations } from "../views/feature_activations";

/** The synced traits of views/activations/feature_activations.py; a test holds the two together. */
interface FeatureActivationsTraits extends BaseTraits {
  text: string;
  texts: string[];
  selected_tokens: number[];
  selected_features: number[];
  pinned_features: number[];
  query: string;
  sort_by: "max" | "mean" | "density" | "index";
  _token_blob: WireArray;
  _token_lengths: WireArray;
  _token_ids: WireArray;
  _token_index: WireArray;
  _token_flags: WireArray;
  _text_starts: WireArray;
  _columns: WireArray;
  _column_mask: WireArray;
  _column_values: WireArray;
  _column_scale: WireArray;
  _top_features: WireArray;
  _top_values: WireArray;
  _top_scale: number;
  _list_features: WireArray;
  _list_stats: WireArray;
  _list_bars: WireArray;
  _list_facts: Record<string, unknown>;
  _labels: Record<string, string>;
  _facts: Record<string, unknown>;
}

interface Context {
  model: Model<FeatureActivationsTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  drawFeatureActivations(el, connect(model, stop.signal), stop.signal);
  return () => stop.abort();
}

export default { render };
