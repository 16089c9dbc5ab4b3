// CircularManifold in a notebook: the model's traits joined to the drawing.
import type { WireArray } from "../lib/wire/arrays";
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawCircularManifold } from "../views/circular_manifold";

/** The synced traits of views/circles/circular_manifold.py; a test holds the two together. */
interface CircularManifoldTraits extends BaseTraits {
  angle: number;
  strength: number;
  rim: number;
  snap: boolean;
  selected: string[];
  _names: string[];
  _places: WireArray;
  _facts: Record<string, unknown>;
}

interface Context {
  model: Model<CircularManifoldTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  drawCircularManifold(el, connect(model, stop.signal), stop.signal);
  return () => stop.abort();
}

export default { render };
