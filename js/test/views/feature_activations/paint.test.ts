import { describe, expect, it } from "vitest";
import { contrast, luminance } from "../../../src/lib/ui/colour";
import { type Column, peakOf } from "../../../src/views/feature_activations/data";
import {
  BARE,
  manyFeatures,
  oneFeature,
  ramp,
  tint,
} from "../../../src/views/feature_activations/paint";

const chips = [0, 1, 2].map((start) => ({ start, end: start + 1, text: "x", flags: 0 }));
const column = (values: number[]): Column => ({
  values: Float32Array.from(values),
  peak: Math.max(...values.map(Math.abs)),
  signed: values.some((v) => v < 0),
  exact: true,
});

describe("paint", () => {
  it("goes away from the page as values grow, on light and on dark", () => {
    const steps = [0.2, 0.5, 0.8, 1];
    const light = steps.map((t) => luminance(tint(t, false, false)));
    const dark = steps.map((t) => luminance(tint(t, false, true)));
    expect(light).toEqual([...light].sort((a, b) => b - a));
    expect(dark).toEqual([...dark].sort((a, b) => a - b));
  });

  it("tells signs apart and makes equal sizes equally strong", () => {
    for (const dark of [false, true]) {
      expect(tint(-1, true, dark)[2]).toBeGreaterThan(tint(-1, true, dark)[0]);
      expect(tint(1, true, dark)[0]).toBeGreaterThan(tint(1, true, dark)[2]);
      expect(contrast(tint(-1, true, dark), tint(1, true, dark))).toBeLessThan(2.5);
    }
  });

  it("leaves a token bare where a feature does not fire", () => {
    expect(oneFeature(chips, column([0, 1, 0]), false, false).map((l) => l === BARE)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("gives several features a lane each, hatched where negative", () => {
    const looks = manyFeatures(chips, [column([1, 0, 2]), column([0, 0, -1])], [0, 1]);
    expect(looks[0]?.background.match(/linear-gradient/g)).toHaveLength(1);
    expect(looks[1]).toBe(BARE);
    expect(looks[2]?.background.match(/repeating-linear-gradient/g)).toHaveLength(1);
    expect(looks[2]?.background).toContain("calc(100% - 4px)");
    expect(looks[2]?.background).toContain("calc(100% - 0px)");
  });

  it("shows a glyph of several tokens by the largest of them", () => {
    expect(peakOf(Float32Array.from([1, -5, 3]), 0, 3)).toBe(-5);
  });

  it("draws the legend with the same colours", () => {
    expect(ramp(false, false)).toContain("linear-gradient(90deg, rgb(");
  });
});
