// Written by `make wire` from volvelle/views/steering/steering.py: change that.
import type { WireArray } from "../../lib/wire/arrays";
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface MethodFacts {
  formula: string;
  neutral: string;
}

export interface SteeringFacts {
  model?: string;
  n_layers?: number;
  remote?: boolean;
  template?: boolean;
  dictionary?: string;
  methods?: Record<string, MethodFacts>;
  own?: Record<string, string[]>;
  targets?: string[];
}

export interface FoundFeature {
  feature: number;
  label: string;
}

export interface RowWire {
  name: string;
  points: string[];
  movable: boolean;
  methods: string[];
  units: Record<string, string[]>;
  label: string;
  feature: number;
  raw: number;
  max_act: number;
}

export interface ColumnWire {
  strength: number;
  strings: string[];
  logprobs: WireArray;
  base_logprobs: WireArray;
  steered: WireArray;
  ratios: WireArray;
  watched: WireArray;
  bands: Record<string, WireArray>;
  perplexity: number | null;
  repetition: number | null;
  ratio: number | null;
  ended: boolean;
  effective: Record<string, number | null>[];
  p: Record<string, number[]>;
}

export interface CardWire {
  strength: number;
  unit: string;
  method: string;
  name: string;
  formula: string;
  neutral: string;
  points: string[];
}

export interface RunWire {
  serial: number;
  controls: Record<string, unknown>;
  model: string;
  prompt_strings: string[];
  prompt_turns: string[];
  prompt_steered: WireArray;
  prompt_ratio: WireArray;
  watch: string[];
  spellings: string[][];
  once: boolean[];
  columns: ColumnWire[];
  placebos: Record<string, number>;
  words: Record<string, number>;
  cards: CardWire[];
  norms: Record<string, number>;
  settings: Record<string, number>;
  summary: string;
}

export interface StreamColumn {
  strength: number;
  strings: string[];
  logprobs: number[];
  steered: number[];
  watched: number[];
  bands: Record<string, (number | null)[][]>;
}

export interface SteerSize {
  strength: number;
  unit: string;
  method: string;
}

export interface StreamWire {
  watch?: string[];
  once?: boolean[];
  columns?: StreamColumn[];
  prompt_strings?: string[];
  prompt_turns?: string[];
  prompt_steered?: number[];
  placebos?: Record<string, number>;
  serial?: number;
  sizes?: SteerSize[];
  settings?: Record<string, number>;
}

export interface ChatMessage {
  role: string;
  content: string;
}

export interface MethodSettings {
  c?: number | null;
  min?: number | null;
  max?: number | null;
  factor?: number | null;
  target?: number | string | null;
}

export interface WherePlaces {
  prompt: string;
  generated: string;
  special: boolean;
  first: boolean;
  turns: string;
  when: string;
  above: number;
}

export interface SteeringTraits extends BaseTraits {
  _facts: SteeringFacts;
  _found: FoundFeature[];
  _norms: Record<string, number>;
  _rows: RowWire[];
  _runs: RunWire[];
  _shown: number;
  _stream: StreamWire;
  chat: boolean;
  compare: number;
  live: boolean;
  max_new_tokens: number;
  messages: ChatMessage[];
  method: "add" | "orthogonal" | "projection_cap" | "ablate" | "clamp" | "swap";
  methods: Record<string, string>;
  multiples: number[];
  muted: string[];
  placebo: number;
  points: Record<string, string>;
  prompt: string;
  query: string;
  seed: number;
  settings: Record<string, MethodSettings>;
  strengths: Record<string, number>;
  temperature: number;
  units: Record<string, string>;
  watch: (string | string[])[];
  where: WherePlaces;
}

export interface SteeringRequests extends BaseRequests {
  add: { feature: number };
  remove: { name: string };
  restore: { number: number };
}
