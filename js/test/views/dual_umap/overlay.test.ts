import { describe, expect, it } from "vitest";
import { placeNames } from "../../../src/views/dual_umap/overlay";

describe("names of regions", () => {
  const regions = [
    { x: 0.5, y: 0.5, level: 0, n: 10, text: "large" },
    { x: 0.51, y: 0.5, level: 0, n: 5, text: "covered" },
    { x: 0.2, y: 0.8, level: 1, n: 3, text: "fine" },
  ];
  const rect = { x: 0, y: 0, width: 400, height: 400 };
  const width = (t: string): number => 6 * t.length;

  it("do not cover each other, the larger stays", () => {
    const placed = placeNames(regions, { x: 0.5, y: 0.5, zoom: 1 }, rect, width);
    expect(placed.map((p) => p.text)).toEqual(["large"]);
  });

  it("get finer as one comes nearer", () => {
    const placed = placeNames(regions, { x: 0.2, y: 0.8, zoom: 6 }, rect, width);
    expect(placed.map((p) => p.text)).toEqual(["fine"]);
  });
});
