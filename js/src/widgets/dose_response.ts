// DoseResponse in a notebook: the model's traits joined to the drawing.
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawDoseResponse } from "../views/dose_response";
import type { DoseTraits } from "../views/dose_response/data";

/** The synced traits of views/steering/dose_response.py; a test holds the two together. */
interface DoseResponseTraits extends BaseTraits {
  concepts: string[];
  selected: Record<string, unknown>;
  _curves: Record<string, unknown>[];
  _facts: Record<string, unknown>;
}

interface Context {
  model: Model<DoseResponseTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  // the drawing knows what its records hold; Python checks them where they are set
  const traits = connect(model as unknown as Model<DoseTraits>, stop.signal);
  drawDoseResponse(el, traits, stop.signal);
  return () => stop.abort();
}

export default { render };
