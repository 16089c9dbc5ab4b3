// From activations to the look of a chip: one feature as a scale, several as coloured lanes.
import { category, css, diverging, inkOn, mix, type RGB, sequential } from "../../lib/ui/colour";
import type { Chip } from "../../lib/wire/tokens";
import { type Column, peakOf } from "./data";

const PAPER: { light: RGB; dark: RGB } = { light: [255, 255, 255], dark: [22, 25, 29] };

/** The look of one chip. Empty strings: as the style sheet has it. */
export interface Look {
  background: string;
  color: string;
}

export const BARE: Look = { background: "", color: "" };

/**
 * The colour of `t` in 0...1 (-1...1 where signed): cividis and blue-white-red, always going
 * away from the page, so that what fires most stands out most on light and on dark.
 */
export function tint(t: number, signed: boolean, dark: boolean): RGB {
  const paper = dark ? PAPER.dark : PAPER.light;
  const size = Math.min(Math.abs(t), 1);
  if (signed) {
    if (!dark) return diverging(t);
    return mix(paper, diverging(t < 0 ? -0.62 : 0.62), size);
  }
  // small values fade into the page rather than jump off it
  const full = sequential(dark ? 0.08 + 0.92 * size : 0.97 - 0.97 * size);
  return mix(paper, full, Math.min(1, 0.25 + size * 3));
}

/** The look of each chip for one feature. */
export function oneFeature(chips: Chip[], column: Column, signed: boolean, dark: boolean): Look[] {
  return chips.map(({ start, end }) => {
    const value = peakOf(column.values, start, end);
    if (value === 0) return BARE;
    const colour = tint(value / column.peak, signed, dark);
    return { background: css(colour), color: css(inkOn(colour)) };
  });
}

export const LANE = 4; // pixels: bar 3, gap 1

/** The look of each chip for several features: under the text a lane each, in their order. */
export function manyFeatures(chips: Chip[], columns: Column[], colours: number[]): Look[] {
  const n = columns.length;
  return chips.map(({ start, end }) => {
    const layers: string[] = [];
    columns.forEach((column, lane) => {
      const value = peakOf(column.values, start, end);
      if (value === 0) return;
      const strength = Math.min(Math.abs(value) / column.peak, 1);
      const colour = css(category(colours[lane] ?? lane), 0.25 + 0.75 * strength);
      // negative is hatched: sign is not told by colour alone
      const image =
        value < 0
          ? `repeating-linear-gradient(90deg, ${colour} 0 2px, transparent 2px 4px)`
          : `linear-gradient(${colour}, ${colour})`;
      const bottom = (n - 1 - lane) * LANE;
      layers.push(`${image} 0 calc(100% - ${bottom}px) / 100% ${LANE - 1}px no-repeat`);
    });
    return layers.length ? { background: layers.join(", "), color: "" } : BARE;
  });
}

/** A legend's gradient, as CSS. */
export function ramp(signed: boolean, dark: boolean, steps = 24): string {
  const stops = Array.from({ length: steps + 1 }, (_, i) => {
    const t = signed ? (2 * i) / steps - 1 : i / steps;
    return css(tint(t, signed, dark));
  });
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
