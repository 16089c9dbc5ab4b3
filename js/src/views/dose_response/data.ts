// What arrives of a dose-response experiment (views/steering/dose_response.py).
import type { DoseFacts } from "./traits";

export type Question = "asked" | "control" | "reversed";
export type Measure = "p" | "entropy" | "mass";
export type Line = (number | null)[];

const UNITS: Record<string, string> = {
  norm: "multiples of the median |h|",
  raw: "multiples of v",
  max_act: "multiples of the largest activation",
};

/** What the horizontal axis counts. */
export function axisName(facts: DoseFacts): string {
  return `strength (${UNITS[facts.unit ?? ""] ?? "multiples of each steer's own"})`;
}

export function number(value: number | null | undefined): number | undefined {
  return value ?? undefined;
}
