import { describe, expect, it } from "vitest";
import { between } from "../../../src/views/emotion_circle/data";

describe("what the hand reads of a curve", () => {
  it("is straight between two angles, across zero too", () => {
    expect(between([0, 90, 180, 270], [0, 1, 0, -1], 45)).toBeCloseTo(0.5);
    expect(between([0, 90, 180, 270], [4, 1, 0, 2], 315)).toBeCloseTo(3);
    expect(between([270, 180, 90, 0], [2, 0, 1, 4], 315)).toBeCloseTo(3);
  });
});
