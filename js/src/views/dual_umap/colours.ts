// What the colour of a point says.

import { category, diverging, type RGB, sequential } from "../../lib/ui/colour";
import { short } from "../../lib/ui/numbers";
import type { Numbers } from "../../lib/wire/arrays";
import type { ColorBy, Matches, Side } from "./data";
import type { MapFacts } from "./traits";

export interface Legend {
  title: string;
  /** A scale from low to high, or named colours. */
  scale?: { stops: RGB[]; low: string; high: string };
  keys?: { colour: RGB; text: string }[];
  note?: string;
}

export const UNKNOWN: RGB = [136, 136, 136];
export const SIDE_COLOURS: [RGB, RGB] = [category(0), category(1)];
const SIDE_COLOURS_DARK: [RGB, RGB] = [category(4), category(1)];

export const sideColours = (dark: boolean): [RGB, RGB] => (dark ? SIDE_COLOURS_DARK : SIDE_COLOURS);

interface Painting {
  colour(index: number): RGB;
}

/** cividis without the end that the page's ground would swallow. */
function ramp(dark: boolean): (t: number) => RGB {
  return dark ? (t) => sequential(0.22 + 0.78 * t) : (t) => sequential(0.92 * t);
}

const TABLE = 64;

function scaled(values: Numbers, low: number, high: number, colour: (t: number) => RGB): Painting {
  const table = Array.from({ length: TABLE }, (_, i) => colour(i / (TABLE - 1)));
  const span = high - low || 1;
  return {
    colour(i) {
      const value = values[i] as number;
      if (!Number.isFinite(value)) return UNKNOWN;
      const t = Math.min(Math.max((value - low) / span, 0), 1);
      return table[Math.round(t * (TABLE - 1))] as RGB;
    },
  };
}

/** Low and high of what is finite, the outermost percent left out. */
export function extent(all: Numbers[]): [number, number] {
  const finite: number[] = [];
  for (const values of all) {
    const stride = Math.max(1, Math.floor(values.length / 20000));
    for (let i = 0; i < values.length; i += stride) {
      if (Number.isFinite(values[i])) finite.push(values[i] as number);
    }
  }
  if (!finite.length) return [0, 1];
  finite.sort((x, y) => x - y);
  const at = (share: number): number => finite[Math.round(share * (finite.length - 1))] as number;
  return [at(0.01), at(0.99)];
}

interface Inputs {
  by: ColorBy;
  sides: [Side, Side];
  matches: Matches;
  values: [Numbers, Numbers];
  valuesName: string;
  facts: MapFacts;
  clusterNames: string[];
  dark: boolean;
}

/** Fill the layers' colours; returns the legend. */
export function paintColours(inputs: Inputs): Legend {
  const { legend, paintings } = choose(inputs);
  for (const side of inputs.sides) {
    const painting = paintings[side.which];
    const { colour } = side.layer;
    for (let i = 0; i < side.n; i++) {
      const [r, g, b] = painting.colour(i);
      colour[3 * i] = r;
      colour[3 * i + 1] = g;
      colour[3 * i + 2] = b;
    }
    side.layer.version.colour += 1;
  }
  return legend;
}

function choose(inputs: Inputs): { legend: Legend; paintings: [Painting, Painting] } {
  const { by, sides, matches, values, dark, facts } = inputs;
  const both = (make: (side: Side) => Painting): [Painting, Painting] => [
    make(sides[0]),
    make(sides[1]),
  ];
  const colour = ramp(dark);
  const stops = Array.from({ length: 9 }, (_, i) => colour(i / 8));
  if (by === "match") {
    const scores = sides.map((side) =>
      Float32Array.from(matches.score[side.which], (score, i) =>
        (matches.of[side.which][i] ?? -1) >= 0 ? score : Number.NaN,
      ),
    );
    const [low, high] = extent(scores);
    const unit = facts.match === "activation" ? "correlation" : "cosine";
    return {
      legend: {
        title: `match: ${unit}`,
        scale: { stops, low: short(low), high: short(high) },
        keys: [{ colour: UNKNOWN, text: "no match" }],
      },
      paintings: both((side) => scaled(scores[side.which] as Float32Array, low, high, colour)),
    };
  }
  if (by === "density") {
    const [low, high] = extent(sides.map((side) => side.density));
    return {
      legend: {
        title: "density: share of tokens it fires on",
        scale: { stops, low: short(10 ** low), high: short(10 ** high) },
        keys: [{ colour: UNKNOWN, text: "unknown" }],
      },
      paintings: both((side) => scaled(side.density, low, high, colour)),
    };
  }
  if (by === "values") {
    const [low, high] = extent(values);
    const signed = low < 0 && high > 0;
    const most = Math.max(-low, high);
    const shade = signed ? (t: number): RGB => diverging(2 * t - 1) : colour;
    const ends: [number, number] = signed ? [-most, most] : [low, high];
    return {
      legend: {
        title: inputs.valuesName || "values",
        scale: {
          stops: Array.from({ length: 9 }, (_, i) => shade(i / 8)),
          low: short(ends[0]),
          high: short(ends[1]),
        },
        keys: [{ colour: UNKNOWN, text: "no value" }],
      },
      paintings: both((side) => scaled(values[side.which], ends[0], ends[1], shade)),
    };
  }
  if (by === "cluster") {
    const keys = inputs.clusterNames.map((text, i) => ({ colour: category(i), text }));
    return {
      legend: { title: "cluster (by cosine, not by place)", keys },
      paintings: both((side) => ({
        colour: (i) =>
          (side.cluster[i] ?? 255) === 255 ? UNKNOWN : category(side.cluster[i] ?? 0),
      })),
    };
  }
  const own = sideColours(dark);
  const keys = sides.flatMap((side) =>
    side.n ? [{ colour: own[side.which], text: side.name }] : [],
  );
  return {
    legend: { title: "dictionary", keys },
    paintings: both((side) => ({ colour: () => own[side.which] })),
  };
}
