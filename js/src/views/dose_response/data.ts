// What arrives of a dose-response experiment (views/steering/dose_response.py).
import type { BaseTraits } from "../../lib/wire/model";

export type Question = "asked" | "control" | "reversed";
export type Measure = "p" | "entropy" | "mass";
export type Line = (number | null)[];

export interface Selected {
  concept?: string;
  strength?: number;
}

export interface DoseText {
  question: Question;
  strength: number;
  text: string;
  /** Probability of each answer. */
  answers: Line;
  prompt: number;
}

export interface Curve {
  concept: string;
  /** Whose placebos stand for this concept. */
  owner: string;
  p: Partial<Record<Question, Line>>;
  entropy: Partial<Record<Question, Line>>;
  mass: Partial<Record<Question, Line>>;
  /** Low end, middle and high end that placebos' whole curves stay between. */
  bands: Partial<Record<Measure | "control", Record<string, Line[]>>>;
  n: Record<string, number>;
  /** Which share of placebos stays inside the band at every strength, by kind. */
  coverage: Record<string, number>;
  formulas: string[];
  texts: DoseText[];
}

export interface DoseFacts {
  model: string;
  points: string[];
  answers: string[];
  spellings: string[][];
  strengths: number[];
  own: number;
  unit: string;
  questions: Partial<Record<Question, string[]>>;
  placebo: number;
  seed: number;
  summary: string;
}

export interface DoseTraits extends BaseTraits {
  concepts: string[];
  selected: Selected;
  _curves: Curve[];
  _facts: Partial<DoseFacts>;
}

const UNITS: Record<string, string> = {
  norm: "multiples of the median |h|",
  raw: "multiples of v",
  max_act: "multiples of the largest activation",
};

/** What the horizontal axis counts. */
export function axisName(facts: Partial<DoseFacts>): string {
  return `strength (${UNITS[facts.unit ?? ""] ?? "multiples of each steer's own"})`;
}

export function number(value: number | null | undefined): number | undefined {
  return value ?? undefined;
}
