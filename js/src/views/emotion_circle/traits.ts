// Written by `make wire` from volvelle/views/circles/emotion_circle.py: change that.
import type { WireArray } from "../../lib/wire/arrays";
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface HandAt {
  angle: number;
  strength: number;
  plane: string;
  prompt: string;
  layer: number;
  seed: number;
}

export interface ExpectedWire {
  words?: string[];
  base?: WireArray;
  now?: WireArray;
  at?: HandAt;
}

export interface CircleFacts {
  model?: string;
  remote?: boolean;
  point?: string;
  layer?: number;
  source?: string;
  axes?: string[];
  verdict?: string;
  found?: boolean;
  scored?: boolean;
  method?: string;
  orientation?: string;
  n?: number;
  n_null?: number;
  seed?: number;
  ring?: number;
}

export interface LayersWire {
  points?: string[];
  scores?: WireArray;
}

export interface TrailWire {
  strings?: string[];
  xy?: WireArray;
  starts?: WireArray;
  means?: WireArray;
}

export interface WheelText {
  angle: number | null;
  text: string;
  valence: number | null;
}

export interface WheelWire {
  words?: string[];
  curves?: WireArray;
  fits?: WireArray;
  base?: WireArray;
  angles?: number[];
  strength?: number;
  says?: string;
  n_prompts?: number;
  prompts?: string[];
  placebos?: Record<string, number>;
  left_out?: string[];
  texts?: WheelText[];
  text_prompt?: string;
}

export interface WrittenText {
  base?: string[];
  steered?: string[];
  at?: HandAt;
  done?: boolean;
  ratio?: number;
  perplexity?: (number | null)[];
}

export interface EmotionCircleTraits extends BaseTraits {
  _expected: ExpectedWire;
  _facts: CircleFacts;
  _layers: LayersWire;
  _names: string[];
  _places: WireArray;
  _trail: TrailWire;
  _wheel: WheelWire;
  _written: WrittenText;
  angle: number;
  layer: number;
  max_new_tokens: number;
  mode: "words" | "text";
  placebo: number;
  plane: "circle" | "random" | "span";
  prompt: string;
  rim: number;
  seed: number;
  selected: string[];
  snap: boolean;
  strength: number;
  temperature: number;
  text: string;
  texts: string[];
}

export interface EmotionCircleRequests extends BaseRequests {
  around: Record<string, never>;
}
