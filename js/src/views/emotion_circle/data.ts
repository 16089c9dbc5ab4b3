// What EmotionCircle draws beside its dial, read from its traits.

import { type Hand, wrap } from "../../lib/dial/geometry";
import type { TokenMark } from "../../lib/dial/trail";
import { axis, decode, type WireArray } from "../../lib/wire/arrays";
import type { LayersWire, TrailWire, WheelWire, WrittenText } from "./traits";

/** What a turn around the wheel gave, once there was one. */
export type Turned = Required<WheelWire>;
/** Text under the hand, once there is any. */
export type Written = WrittenText & Required<Pick<WrittenText, "base" | "steered" | "at">>;

export interface Token {
  index: number;
  text: number;
  string: string;
  /** In units of the ring, y upwards; undefined where left out. */
  mark: TokenMark | undefined;
}

export function readTokens({ strings = [], xy, starts }: TrailWire): Token[] {
  const values = decode(xy);
  const firsts = [...decode(starts)];
  return strings.map((string, index) => {
    const text = firsts.filter((first) => first <= index).length - 1;
    const [x, y] = [values[2 * index] ?? Number.NaN, values[2 * index + 1] ?? Number.NaN];
    const mark = Number.isNaN(x) ? undefined : { token: index, text, string, x, y };
    return { index, text, string, mark };
  });
}

export function readPoints(wire: WireArray | undefined): { x: number; y: number }[] {
  const values = decode(wire);
  return Array.from({ length: axis(wire, 0) }, (_, i) => ({
    x: values[2 * i] ?? Number.NaN,
    y: values[2 * i + 1] ?? Number.NaN,
  }));
}

export interface Layer {
  point: string;
  /** Block; -1 for the embedding. */
  layer: number;
  score: number;
  /** What the best of all points stays below in 95 % of shuffles. */
  limit: number;
  axes: [number, number];
  /** Against the best of all points in every shuffle. */
  p: number;
}

export function readLayers({ points = [], scores }: LayersWire): Layer[] {
  const values = decode(scores);
  return points.map((point, i) => {
    const [score = 0, limit = 0, first = 0, second = 0, p = 1] = values.slice(5 * i, 5 * i + 5);
    const layer = point === "embed" ? -1 : Number(point.split(".")[1]);
    return { point, layer, score, limit, axes: [first, second], p };
  });
}

/** A word's chances as the next token. */
export interface Chance {
  word: string;
  /** Probability, unsteered and steered. */
  base: number;
  now: number;
}

export function byChance(words: string[], base: ArrayLike<number>, now: ArrayLike<number>) {
  return words
    .map(
      (word, i): Chance => ({
        word,
        base: Math.exp(base[i] ?? Number.NEGATIVE_INFINITY),
        now: Math.exp(now[i] ?? base[i] ?? Number.NEGATIVE_INFINITY),
      }),
    )
    .sort((a, b) => b.now - a.now);
}

/** A word's response around the wheel. */
export interface Response {
  word: string;
  /** Mean change of the log-probability per angle, nats. */
  curve: number[];
  reference: number | undefined;
  heldOut: boolean;
  peak: number;
  amplitude: number;
  r2: number;
  /** What 95 % of the placebo planes' amplitudes stay below. */
  limit: number;
  /** Unsteered log-probability. */
  base: number;
}

export function readResponses({ words = [], curves, fits, base }: WheelWire): Response[] {
  const [all, fit, bases] = [decode(curves), decode(fits), decode(base)];
  const n = axis(curves, 1);
  return words.map((word, i) => {
    const [reference = Number.NaN, heldOut = 0, peak = 0, amplitude = 0, r2 = 0, limit = 0] =
      fit.slice(6 * i, 6 * i + 6);
    return {
      word,
      curve: [...all.slice(i * n, (i + 1) * n)],
      reference: Number.isNaN(reference) ? undefined : reference,
      heldOut: heldOut > 0,
      peak,
      amplitude,
      r2,
      limit,
      base: bases[i] ?? Number.NEGATIVE_INFINITY,
    };
  });
}

/** A curve between its angles, straight from one to the next. */
export function between(angles: number[], curve: number[], degrees: number): number {
  const n = angles.length;
  const order = [...angles.keys()].sort((a, b) => wrap(angles[a] ?? 0) - wrap(angles[b] ?? 0));
  for (let k = 0; k < n; k++) {
    const [i, j] = [order[k] as number, order[(k + 1) % n] as number];
    const from = wrap(angles[i] ?? 0);
    const width = wrap((angles[j] ?? 0) - from) || 360;
    const into = wrap(degrees - from);
    if (into < width || n === 1) {
      const share = into / width;
      return (curve[i] ?? 0) * (1 - share) + (curve[j] ?? 0) * share;
    }
  }
  return 0;
}

/** What the wheel says of a hand that nobody computed: offline, or while dragging. */
export function fromWheel(
  responses: Response[],
  facts: Turned | undefined,
  names: string[],
  hand: Hand,
): Chance[] {
  if (!facts?.angles?.length) return [];
  return responses
    .filter(({ word }) => names.includes(word))
    .map(({ word, curve, base }) => ({
      word,
      base: Math.exp(base),
      now: Math.exp(base + between(facts.angles, curve, hand.angle)),
    }))
    .sort((a, b) => b.now - a.now);
}
