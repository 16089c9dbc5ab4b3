import { signal } from "@preact/signals-core";
import { h, render } from "preact";
import { describe, expect, it } from "vitest";
import { linear, path, ticks } from "../../src/lib/ui/axis";
import {
  category,
  contrast,
  css,
  diverging,
  inkOn,
  luminance,
  sequential,
} from "../../src/lib/ui/colour";
import { changedFrom } from "../../src/lib/ui/diff";
import { move } from "../../src/lib/ui/keyboard";
import { percent, short, tidy } from "../../src/lib/ui/numbers";
import { place } from "../../src/lib/ui/place";
import { select } from "../../src/lib/ui/selection";
import { csv } from "../../src/lib/ui/table";
import { tracked, useEffect, useLayoutEffect, useRef, useSignal } from "../../src/lib/ui/tracked";
import { settled } from "../fake";

describe("colour", () => {
  it("gets lighter all the way up cividis", () => {
    const steps = Array.from({ length: 21 }, (_, i) => luminance(sequential(i / 20)));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it("is blue below zero, red above and light between", () => {
    const [low, mid, high] = [diverging(-1), diverging(0), diverging(1)];
    expect(low[2]).toBeGreaterThan(low[0]);
    expect(high[0]).toBeGreaterThan(high[2]);
    expect(luminance(mid)).toBeGreaterThan(0.9);
  });

  it("stays in range for values outside it", () => {
    expect(sequential(7)).toEqual(sequential(1));
    expect(diverging(Number.NaN)).toEqual(diverging(-1));
  });

  it("has eight categories that differ", () => {
    const all = Array.from({ length: 8 }, (_, i) => css(category(i)));
    expect(new Set(all).size).toBe(8);
    expect(category(8)).toEqual(category(0));
  });

  it("chooses an ink that can be read on every step of both scales", () => {
    for (let i = 0; i <= 40; i++) {
      for (const paper of [sequential(i / 40), diverging(i / 20 - 1)]) {
        expect(contrast(paper, inkOn(paper))).toBeGreaterThan(4.5);
      }
    }
  });
});

describe("selection", () => {
  const none = { items: [], anchor: -1 };
  const plain = { shift: false, add: false };
  it("takes one, a range, and more", () => {
    const one = select(none, 3, plain);
    expect(one.items).toEqual([3]);
    expect(select(one, 5, { shift: true, add: false }).items).toEqual([3, 4, 5]);
    expect(select(one, 1, { shift: true, add: false }).items).toEqual([1, 2, 3]);
    expect(select(one, 7, { shift: false, add: true }).items).toEqual([3, 7]);
  });

  it("keeps the anchor while a range grows and shrinks", () => {
    let now = select(none, 4, plain);
    for (const to of [5, 6, 5]) now = select(now, to, { shift: true, add: false });
    expect(now).toEqual({ items: [4, 5], anchor: 4 });
  });

  it("lets go of the only one, and of one among several with ctrl", () => {
    expect(select({ items: [3], anchor: 3 }, 3, plain).items).toEqual([]);
    expect(select({ items: [3, 4], anchor: 3 }, 4, { shift: false, add: true }).items).toEqual([3]);
  });
});

describe("small things", () => {
  it("moves within a list and stops at its ends", () => {
    expect(move("ArrowDown", -1, 3)).toBe(0);
    expect(move("ArrowDown", 2, 3)).toBe(2);
    expect(move("End", 0, 3)).toBe(2);
    expect(move("x", 0, 3)).toBeUndefined();
    expect(move("ArrowDown", 0, 0)).toBeUndefined();
  });

  it("writes numbers as people read them", () => {
    expect([0, 1.2345, -39.17, 1234, 0.00001].map(short)).toEqual([
      "0",
      "1.23",
      "−39.2",
      "1234",
      "1.0e-5",
    ]);
    expect(percent(0.0312)).toBe("3.1 %");
    expect([tidy(0.25), tidy(-1), tidy(120), tidy(0)]).toEqual(["0.25", "−1", "120", "0"]);
  });

  it("quotes what would break a table", () => {
    expect(csv(["a"], [['say "x", y'], [1]])).toBe('a\r\n"say ""x"", y"\r\n1\r\n');
  });

  it("keeps a card inside its frame", () => {
    const frame = { left: 0, top: 0, right: 300, bottom: 200 };
    const card = { width: 100, height: 80 };
    const right = { left: 280, right: 290, top: 10, bottom: 20 };
    expect(place(right, card, frame)).toEqual({ left: 194, top: 26 });
    const low = { left: 10, right: 20, top: 180, bottom: 190 };
    expect(place(low, card, frame).top).toBe(94);
  });

  it("puts a card beside what it explains where there is no room above or below", () => {
    const frame = { left: 0, top: 0, right: 300, bottom: 100 };
    const card = { width: 100, height: 80 };
    const target = { left: 20, right: 40, top: 40, bottom: 50 };
    expect(place(target, card, frame)).toEqual({ left: 46, top: 14 });
    const right = { left: 260, right: 280, top: 40, bottom: 50 };
    expect(place(right, card, frame)).toEqual({ left: 154, top: 14 });
  });
});

describe("changed tokens", () => {
  it("are those outside the longest common subsequence", () => {
    const words = (text: string): string[] => text.split(" ");
    expect(changedFrom(words("a b c d"), words("a x c d"))).toEqual([false, true, false, false]);
    expect(changedFrom(words("a b c"), words("z a b c"))).toEqual([true, false, false, false]);
    expect(changedFrom([], ["a"])).toEqual([true]);
    expect(changedFrom(["a"], [])).toEqual([]);
  });
});

describe("axes", () => {
  it("have round ticks and a gap where a number is missing", () => {
    expect(ticks(0, 1, 4)).toEqual([0, 0.5, 1]);
    expect(ticks(-0.6, 0.6, 6)).toEqual([-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]);
    expect(linear([0, 2], [10, 30])(1)).toBe(20);
    expect(path([[0, 0], undefined, [1, 1], [2, 2]])).toBe("M0.0 0.0M1.0 1.0L2.0 2.0");
  });
});

describe("what a component keeps", () => {
  it("runs effects when what they depend on changes, undoes them, and follows signals", async () => {
    const said: string[] = [];
    const shownName = signal("a");
    const Inner = tracked(({ name }: { name: string }) => {
      const drawn = useRef(0);
      const own = useSignal("own");
      drawn.current += 1;
      useLayoutEffect(() => {
        said.push(`layout ${name}`);
      }, [name]);
      useEffect(() => {
        said.push(`on ${name}`);
        return () => said.push(`off ${name}`);
      }, [name]);
      return h(
        "p",
        { onClick: () => (own.value = "new") },
        `${name} ${own.value} ${drawn.current}`,
      );
    });
    const Outer = tracked(() => h(Inner, { name: shownName.value }));
    const root = document.createElement("div");
    render(h(Outer, {}), root);
    expect(said).toEqual(["layout a"]);
    await settled();
    expect(said).toEqual(["layout a", "on a"]);
    root.querySelector("p")?.click();
    await settled();
    expect(root.textContent).toBe("a new 2");
    expect(said).toEqual(["layout a", "on a"]);
    shownName.value = "b";
    await settled();
    expect(said).toEqual(["layout a", "on a", "layout b", "off a", "on b"]);
    render(null, root);
    expect(said.at(-1)).toBe("off b");
  });
});
