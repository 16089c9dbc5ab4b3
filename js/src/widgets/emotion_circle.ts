// EmotionCircle in a notebook: the model's traits joined to the drawing.
import type { WireArray } from "../lib/wire/arrays";
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawEmotionCircle } from "../views/emotion_circle";

/** The synced traits of views/circles/emotion_circle.py; a test holds the two together. */
interface EmotionCircleTraits extends BaseTraits {
  angle: number;
  strength: number;
  rim: number;
  snap: boolean;
  selected: string[];
  layer: number;
  text: string;
  texts: string[];
  prompt: string;
  mode: "words" | "text";
  plane: "circle" | "random" | "span";
  max_new_tokens: number;
  temperature: number;
  seed: number;
  placebo: number;
  _names: string[];
  _places: WireArray;
  _facts: Record<string, unknown>;
  _layers: Record<string, unknown>;
  _trail: Record<string, unknown>;
  _expected: Record<string, unknown>;
  _written: Record<string, unknown>;
  _wheel: Record<string, unknown>;
}

interface Context {
  model: Model<EmotionCircleTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  drawEmotionCircle(el, connect(model, stop.signal), stop.signal);
  return () => stop.abort();
}

export default { render };
