import { describe, expect, it } from "vitest";
import { angleOf, arc, at, away, handAt, nearest, turn, wrap } from "../../src/lib/dial/geometry";
import { placeNames, spread } from "../../src/lib/dial/labels";
import { seen } from "../../src/lib/dial/trail";

const LINE = 15;

/** Angles that Russell gives to 25 words, and a width of each word. */
const RUSSELL = [
  7.8, 24.9, 48.6, 69.8, 92.8, 96.5, 99, 116, 123, 138, 141, 188.7, 207.5, 209.2, 210, 242, 267.7,
  271.9, 316.2, 318, 319, 323, 328.6, 349, 353.2,
].map((angle, i) => ({ angle, width: 30 + ((i * 17) % 44) }));

function boxes(names: { angle: number; width: number }[], radius: number, reach?: number) {
  return placeNames(names, radius, LINE, reach).flatMap((p, i) =>
    p.shown
      ? {
          left: p.left,
          right: p.left + (names[i]?.width ?? 0),
          top: p.middle - LINE / 2,
          bottom: p.middle + LINE / 2,
        }
      : [],
  );
}

function overlaps(all: ReturnType<typeof boxes>): number {
  let n = 0;
  all.forEach((a, i) => {
    for (const b of all.slice(0, i)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1e-6 && tall > 1e-6) n++;
    }
  });
  return n;
}

/** Repeatable noise in [0, 1). */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

describe("names around a dial", () => {
  it("never overlap and none is left out: 25 words, from 130 pixels of radius", () => {
    for (const radius of [130, 150, 180, 240]) {
      const all = boxes(RUSSELL, radius, radius + 40);
      expect(all).toHaveLength(25);
      expect(overlaps(all)).toBe(0);
    }
  });

  it("never overlap wherever they are", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const draw = noise(seed);
      const middle = draw() * 360;
      const width = 20 + draw() * 340;
      const names = Array.from({ length: 25 }, () => ({
        angle: wrap(middle + (draw() - 0.5) * width),
        width: 20 + draw() * 60,
      }));
      const all = boxes(names, 150, 195);
      expect(all.length).toBe(25);
      expect(overlaps(all)).toBe(0);
    }
  });

  it("stay off the ring", () => {
    for (const { left, right, top, bottom } of boxes(RUSSELL, 150)) {
      const x = left > 0 ? left : -right;
      const y = top < 0 && bottom > 0 ? 0 : Math.min(Math.abs(top), Math.abs(bottom));
      expect(Math.hypot(x, y)).toBeGreaterThan(149.9);
    }
  });

  it("stand at their angle where there is room", () => {
    const [right, left] = placeNames(
      [
        { angle: 20, width: 40 },
        { angle: 200, width: 40 },
      ],
      100,
      LINE,
    );
    expect(right?.middle).toBeCloseTo(at(20, 100).y);
    expect(right?.side).toBe(1);
    expect(left?.middle).toBeCloseTo(at(200, 100).y);
    expect(left?.side).toBe(-1);
    expect((left?.left ?? 0) + 40).toBeLessThan(-90);
  });

  it("keep the order of their angles, so that leaders do not cross", () => {
    const placed = placeNames(RUSSELL, 150, LINE);
    const right = RUSSELL.map(({ angle }, i) => ({ y: at(angle, 1).y, p: placed[i] }))
      .filter(({ p }) => p?.side === 1)
      .sort((a, b) => a.y - b.y)
      .map(({ p }) => p?.middle ?? 0);
    expect(right).toEqual([...right].sort((a, b) => a - b));
  });

  it("are left out where there is no line for them, and say so", () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ angle: i * 3.6, width: 30 }));
    const placed = placeNames(many, 90, LINE);
    const shown = placed.filter((p) => p.shown).length;
    expect(shown).toBeGreaterThan(20);
    expect(shown).toBeLessThan(100);
    expect(overlaps(boxes(many, 90))).toBe(0);
  });
});

describe("spread", () => {
  it("leaves alone what is far enough apart", () => {
    expect(spread([-50, 0, 50], 10, 100)).toEqual([-50, 0, 50]);
  });
  it("parts equals around their mean", () => {
    expect(spread([0, 0, 0], 10, 100)).toEqual([-10, 0, 10]);
  });
  it("stays within its ends", () => {
    expect(spread([99, 100], 10, 100)).toEqual([90, 100]);
    expect(spread([-400, -300], 10, 100)).toEqual([-100, -90]);
  });
});

describe("angles", () => {
  it("grow anticlockwise on a screen whose y grows downwards", () => {
    expect(at(90, 10).y).toBeCloseTo(-10);
    expect(angleOf({ x: 0, y: -3 })).toBeCloseTo(90);
    expect(angleOf({ x: -1, y: 0 })).toBeCloseTo(180);
  });
  it("wrap, and differ by the short way", () => {
    expect(wrap(-10)).toBe(350);
    expect(away(350, 10)).toBe(20);
    expect(away(10, 350)).toBe(-20);
    expect(nearest(355, [20, 340, 3])).toBe(3);
    expect(nearest(355, [])).toBe(355);
  });
  it("make arcs the long way round where they must", () => {
    expect(arc(0, 270, 10)).toContain(" 0 1 0 ");
    expect(arc(0, 90, 10)).toContain(" 0 0 0 ");
  });
});

describe("the hand", () => {
  const hand = { angle: 358, strength: 0.15 };
  it("turns by 5 degrees with arrows, by 30 with shift and Page keys", () => {
    expect(turn("ArrowRight", false, hand, 0.3)?.angle).toBe(3);
    expect(turn("ArrowDown", false, hand, 0.3)?.angle).toBe(353);
    expect(turn("ArrowLeft", true, hand, 0.3)?.angle).toBe(328);
    expect(turn("PageUp", false, hand, 0.3)?.angle).toBe(28);
    expect(turn("PageDown", false, hand, 0.3)?.angle).toBe(328);
    expect(turn("Home", false, hand, 0.3)?.angle).toBe(0);
    expect(turn("a", false, hand, 0.3)).toBeUndefined();
  });
  it("grows and shrinks with plus and minus, within its range", () => {
    expect(turn("+", false, hand, 0.3)?.strength).toBeCloseTo(0.16);
    expect(turn("-", false, { angle: 0, strength: 0.005 }, 0.3)?.strength).toBe(0);
    expect(turn("+", false, { angle: 0, strength: 0.3 }, 0.3)?.strength).toBe(0.3);
  });
  it("ends where the pointer is, or at the rim", () => {
    expect(handAt({ x: 0, y: -50 }, 100, 0.3)).toEqual({ angle: 90, strength: 0.15 });
    expect(handAt({ x: -500, y: 0 }, 100, 0.3)).toEqual({ angle: 180, strength: 0.3 });
  });
});

describe("a token", () => {
  it("beyond the ring is drawn on it, and known to be far", () => {
    expect(seen({ x: 0, y: 2 }, 100)).toEqual({ x: 0, y: -100, far: true });
    expect(seen({ x: 0.5, y: 0 }, 100)).toMatchObject({ x: 50, far: false });
  });
});
