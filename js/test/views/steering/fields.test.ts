import { describe, expect, it } from "vitest";
import { readAnswers, readNumbers, writeAnswers } from "../../../src/views/steering/fields";

describe("what people type", () => {
  it("is read as numbers and tokens, and written back", () => {
    expect(readNumbers("−1, 0.5 2")).toEqual([-1, 0.5, 2]);
    expect(readNumbers("one")).toBeUndefined();
    expect(readAnswers('happy, "sad", " a, b"')).toEqual([" happy", "sad", " a, b"]);
    expect(readAnswers(writeAnswers([" x", "y", "\n"]))).toEqual([" x", "y", "\n"]);
    const mixed = [" x", [" yes", "Yes", " of course"], "a|b"];
    expect(readAnswers('yes|"Yes" | yes, " a mess"')).toEqual([[" yes", "Yes"], " a mess"]);
    expect(readAnswers(writeAnswers(mixed))).toEqual(mixed);
    expect(readAnswers('"\\q"')).toEqual(["\\q"]);
    expect(readAnswers("")).toEqual([]);
  });
});
