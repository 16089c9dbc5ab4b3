import { afterEach, describe, expect, it } from "vitest";
import { makeModel } from "../../src/export/shim";
import { encode } from "../../src/lib/wire/arrays";
import widget from "../../src/widgets/circular_manifold";
import { atRest, settled } from "../fake";

const NAMES = ["Monday", "Tuesday", '<img src=x onerror="alert(1)">'];

let end: (() => void) | undefined;

async function shown() {
  const model = makeModel({
    ...atRest(),
    angle: 40,
    strength: 0.15,
    rim: 0.3,
    snap: false,
    selected: [],
    _names: NAMES,
    _places: encode(
      Float32Array.from(
        [
          [10, 0.8, Number.NaN, 5, 6],
          [140, 0.7, Number.NaN, 14, 14],
          [260, 0.6, Number.NaN, 3, 3],
        ].flat(),
      ),
      [3, 5],
    ),
    _facts: {
      point: "resid_post.1",
      source: "fake, days",
      verdict: "circular correlation 0.79; 95 % of shuffles below 0.12",
      found: true,
      scored: true,
      n: 3,
      ring: 20,
    },
  });
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  return { el, all: (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)] };
}

afterEach(() => {
  end?.();
  document.body.replaceChildren();
});

describe("CircularManifold", () => {
  it("has the dial and its null, and no model's controls", async () => {
    const { el, all } = await shown();
    expect(all(".vv-place text").map((each) => each.textContent)).toEqual(NAMES);
    expect(el.querySelector(".vv-verdict")?.textContent).toContain("0.79");
    expect(el.querySelector("textarea, img")).toBeNull();
  });
});
