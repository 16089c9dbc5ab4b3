// What arrives of a steering run, in the form the drawing reads.

import { changedFrom } from "../../lib/ui/diff";
import { decode, type Numbers } from "../../lib/wire/arrays";
import type { RunWire, SteerSize, StreamWire } from "./traits";

/** A text, or several spellings that count together. */
export type Answer = string | string[];

export type Band = readonly [low: number, middle: number, high: number];

export interface Column {
  strength: number;
  strings: string[];
  logprobs: Numbers | number[];
  /** Of the same text under the unsteered model; absent while it is written. */
  base?: Numbers;
  steered?: Numbers | number[];
  ratios?: Numbers;
  changed: boolean[];
  /** Probability of a watched token before position `step` was written. */
  watched(step: number, token: number): number | undefined;
  /** The placebos' 5, 50 and 95 % quantiles there. */
  band(kind: string, step: number, token: number): Band | undefined;
  effective: Record<string, number | null>[];
  p?: Record<string, number[]>;
  perplexity?: number | null;
  repetition?: number | null;
  ratio?: number | null;
  ended?: boolean;
}

/** A run as it is drawn, finished or not. */
export interface Shown {
  serial: number;
  finished: boolean;
  watch: string[];
  once: readonly boolean[];
  sizes: readonly SteerSize[];
  columns: Column[];
  prompt: { strings: string[]; turns: readonly string[]; steered: ArrayLike<number> };
  placebos: Record<string, number>;
  settings: Record<string, number>;
  run?: RunWire;
}

export function readRun(run: RunWire): Shown {
  const base = run.columns[0]?.strings ?? [];
  const n = run.watch.length;
  const columns = run.columns.map((wire): Column => {
    const watched = decode(wire.watched);
    const bands = Object.fromEntries(
      Object.entries(wire.bands).map(([kind, band]) => [kind, decode(band)]),
    );
    return {
      ...wire,
      logprobs: decode(wire.logprobs),
      base: decode(wire.base_logprobs),
      steered: decode(wire.steered),
      ratios: decode(wire.ratios),
      changed: changedFrom(base, wire.strings),
      watched: (step, token) => watched[(run.once?.[token] ? 0 : step) * n + token],
      band(kind, step, token) {
        const at = ((run.once?.[token] ? 0 : step) * n + token) * 3;
        const held = bands[kind]?.subarray(at, at + 3);
        return held?.length === 3 ? (Array.from(held) as unknown as Band) : undefined;
      },
    };
  });
  const { serial, watch, once = [], cards: sizes, placebos, settings } = run;
  const { prompt_strings: strings, prompt_turns: turns = [] } = run;
  const prompt = { strings, turns, steered: decode(run.prompt_steered) };
  const said = { serial, watch, once, sizes, placebos, settings };
  return { ...said, finished: true, columns, prompt, run };
}

export function readStream(stream: Partial<StreamWire>): Shown | undefined {
  if (!stream.columns?.length) return undefined;
  const base = stream.columns[0]?.strings ?? [];
  const columns = stream.columns.map((wire): Column => {
    const so_far = base.slice(0, wire.strings.length);
    return {
      strength: wire.strength,
      strings: wire.strings,
      logprobs: wire.logprobs,
      steered: wire.steered,
      changed: changedFrom(so_far, wire.strings),
      watched: (_, token) => wire.watched[token],
      band(kind, _, token) {
        const held = wire.bands[kind]?.[token];
        return held?.every((q) => q !== null) ? (held as unknown as Band) : undefined;
      },
      effective: [],
    };
  });
  const { serial = 0, watch = [], once = [], sizes = [], placebos = {}, settings = {} } = stream;
  const { prompt_strings: strings = [], prompt_turns: turns = [], prompt_steered = [] } = stream;
  const prompt = { strings, turns, steered: prompt_steered };
  const said = { serial, watch, once, sizes, placebos, settings };
  return { ...said, finished: false, columns, prompt };
}

/** JSON with sorted keys: equal texts for equal controls. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item && typeof item === "object" && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
