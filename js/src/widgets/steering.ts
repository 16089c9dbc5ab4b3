// Steering in a notebook: the model's traits joined to the drawing.
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawSteering } from "../views/steering";
import type { SteeringTraits as Drawn } from "../views/steering/data";

/** The synced traits of views/steering/steering.py; a test holds the two together. */
interface SteeringTraits extends BaseTraits {
  strengths: Record<string, unknown>;
  units: Record<string, unknown>;
  method: "add" | "orthogonal" | "projection_cap" | "ablate" | "clamp" | "swap";
  methods: Record<string, unknown>;
  points: Record<string, unknown>;
  settings: Record<string, unknown>;
  muted: string[];
  where: Record<string, unknown>;
  prompt: string;
  messages: Record<string, unknown>[];
  chat: boolean;
  multiples: number[];
  watch: unknown[];
  placebo: number;
  seed: number;
  temperature: number;
  max_new_tokens: number;
  live: boolean;
  query: string;
  compare: number;
  _rows: Record<string, unknown>[];
  _norms: Record<string, unknown>;
  _found: Record<string, unknown>[];
  _stream: Record<string, unknown>;
  _runs: Record<string, unknown>[];
  _shown: number;
  _facts: Record<string, unknown>;
}

interface Context {
  model: Model<SteeringTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  // the drawing knows what its records hold; Python checks them where they are set
  const traits = connect(model as unknown as Model<Drawn>, stop.signal);
  drawSteering(el, traits, stop.signal);
  return () => stop.abort();
}

export default { render };
