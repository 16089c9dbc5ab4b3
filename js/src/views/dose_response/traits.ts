// Written by `make wire` from volvelle/views/steering/dose_response.py: change that.
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface DoseText {
  question: "asked" | "control" | "reversed";
  strength: number;
  text: string;
  answers: (number | null)[];
  prompt: number;
}

export interface DoseCurve {
  concept: string;
  owner: string;
  p: Record<string, (number | null)[]>;
  entropy: Record<string, (number | null)[]>;
  mass: Record<string, (number | null)[]>;
  bands: Record<string, Record<string, (number | null)[][]>>;
  n: Record<string, number>;
  coverage: Record<string, number>;
  formulas: string[];
  texts: DoseText[];
}

export interface DoseFacts {
  model?: string;
  points?: string[];
  answers?: string[];
  spellings?: string[][];
  strengths?: number[];
  own?: number;
  unit?: string;
  questions?: Record<string, string[]>;
  placebo?: number;
  seed?: number;
  summary?: string;
}

export interface DosePoint {
  concept?: string;
  strength?: number;
}

export interface DoseResponseTraits extends BaseTraits {
  _curves: DoseCurve[];
  _facts: DoseFacts;
  concepts: string[];
  selected: DosePoint;
}

export type DoseResponseRequests = BaseRequests;
