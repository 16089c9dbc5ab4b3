import { describe, expect, it } from "vitest";
import {
  fitted,
  HOME,
  pan,
  panelAt,
  toScreen,
  toWorld,
  zoomAt,
} from "../../src/lib/scatter/camera";
import {
  at,
  bounds,
  DIM,
  FULL,
  inside,
  type Layer,
  makeLayer,
  nearestPoint,
  pointTowards,
} from "../../src/lib/scatter/points";
import { liftOf, pointStyle } from "../../src/lib/scatter/renderer";
import {
  combined,
  inverted,
  packSelection,
  unpackSelection,
} from "../../src/lib/scatter/selection";
import { softRenderer } from "../../src/lib/scatter/soft";

const PANEL = { x: 100, y: 20, width: 400, height: 300 };

function layerOf(places: [number, number][]): Layer {
  const layer = makeLayer(places.length);
  places.forEach(([x, y], i) => {
    layer.xy[2 * i] = Math.round(x * FULL);
    layer.xy[2 * i + 1] = Math.round(y * FULL);
  });
  return layer;
}

describe("the camera", () => {
  it("puts the middle of the world in the middle of the panel, y upwards", () => {
    expect(toScreen(HOME, PANEL, 0.5, 0.5)).toEqual([300, 170]);
    expect(toScreen(HOME, PANEL, 0.5, 1)[1]).toBeLessThan(170);
  });

  it("shows the whole map at home", () => {
    for (const corner of [0, 1]) {
      const [x, y] = toScreen(HOME, PANEL, corner, corner);
      expect(panelAt([PANEL], x, y)).toBe(0);
    }
  });

  it("comes back from the screen to the world", () => {
    const camera = { x: 0.3, y: 0.8, zoom: 7 };
    const [x, y] = toWorld(camera, PANEL, ...toScreen(camera, PANEL, 0.31, 0.79));
    expect([x, y].map((v) => +v.toFixed(9))).toEqual([0.31, 0.79]);
  });

  it("keeps the point under the pointer while it zooms", () => {
    const before = toWorld(HOME, PANEL, 420, 90);
    const camera = zoomAt(HOME, PANEL, 3, 420, 90);
    const after = toWorld(camera, PANEL, 420, 90);
    expect(camera.zoom).toBe(3);
    expect(after[0]).toBeCloseTo(before[0], 9);
    expect(after[1]).toBeCloseTo(before[1], 9);
  });

  it("moves the map with the hand and never loses it", () => {
    const [x] = toScreen(pan(HOME, PANEL, 30, 0), PANEL, 0.5, 0.5);
    expect(x).toBeCloseTo(330, 6);
    expect(pan(HOME, PANEL, 1e6, 1e6).x).toBe(-0.1);
    expect(zoomAt(HOME, PANEL, 1e-9, 0, 0).zoom).toBe(0.5);
  });

  it("fits a stretch of the map", () => {
    const camera = fitted([0.2, 0.2], [0.4, 0.3]);
    expect(camera.x).toBeCloseTo(0.3);
    const [x] = toScreen(camera, PANEL, 0.4, 0.25);
    expect(panelAt([PANEL], x, 170)).toBe(0);
    expect(camera.zoom).toBeCloseTo(4);
  });
});

describe("finding points", () => {
  const layer = layerOf([
    [0.1, 0.1],
    [0.5, 0.5],
    [0.9, 0.9],
    [0.52, 0.5],
  ]);

  it("takes the nearest within reach", () => {
    expect(nearestPoint(layer, 0.515, 0.5, 0.05)).toBe(3);
    expect(nearestPoint(layer, 0.3, 0.3, 0.05)).toBe(-1);
  });

  it("never finds what is not on the map", () => {
    const empty = makeLayer(3);
    expect(nearestPoint(empty, 1, 1, 5)).toBe(-1);
    expect(inside(empty, [-1, -1, 2, -1, 2, 2, -1, 2]).length).toBe(0);
    expect(bounds([[empty, [0, 1, 2]]])).toBeUndefined();
  });

  it("prefers what is drawn above on one spot", () => {
    const twice = layerOf([
      [0.5, 0.5],
      [0.5, 0.5],
    ]);
    twice.state[1] = DIM;
    expect(nearestPoint(twice, 0.5, 0.5, 0.1)).toBe(0);
    twice.state.set([DIM, 0]);
    expect(nearestPoint(twice, 0.5, 0.5, 0.1)).toBe(1);
  });

  it("walks in the direction of a key", () => {
    expect(pointTowards(layer, 1, 1, 0)).toBe(3);
    expect(pointTowards(layer, 1, 0, 1)).toBe(2);
    expect(pointTowards(layer, 2, 0, 1)).toBe(-1);
    expect(pointTowards(layer, 1, -1, 0)).toBe(0);
  });

  it("catches what is inside a lasso, also a hollow one", () => {
    expect([...inside(layer, [0.4, 0.4, 0.6, 0.4, 0.6, 0.6, 0.4, 0.6])]).toEqual([1, 3]);
    const u = [0, 0, 1, 0, 1, 1, 0.8, 1, 0.8, 0.2, 0.2, 0.2, 0.2, 1, 0, 1];
    expect([...inside(layer, u)]).toEqual([0, 2]);
    expect([...inside(layer, [])]).toEqual([]);
  });

  it("finds the corners of some points", () => {
    const found = bounds([[layer, [0, 1]]]);
    expect(found?.[0][0]).toBeCloseTo(0.1, 4);
    expect(found?.[1][1]).toBeCloseTo(0.5, 4);
    expect(at(layer, 2)[0]).toBeCloseTo(0.9, 4);
  });

  it("looks through a million points within a frame", () => {
    const many = makeLayer(1_000_000);
    for (let i = 0; i < many.xy.length; i++) many.xy[i] = (i * 7919) % FULL;
    const times = [0.5, 0.25, 0.2, 0.3, 0.4].map((x) => {
      const start = performance.now();
      nearestPoint(many, x, 0.75, 0.01);
      return performance.now() - start;
    });
    // the shortest, which nothing interrupted: 2 ms where nothing else runs
    expect(Math.min(...times)).toBeLessThan(250);
  });
});

describe("selections", () => {
  const u = (...values: number[]): Uint32Array => Uint32Array.from(values);

  it("add and subtract stay sorted", () => {
    expect([...combined(u(1, 4, 9), u(0, 4, 12), "add")]).toEqual([0, 1, 4, 9, 12]);
    expect([...combined(u(1, 4, 9), u(0, 4, 12), "subtract")]).toEqual([1, 9]);
    expect([...combined(u(1, 4, 9), u(3), "replace")]).toEqual([3]);
    expect([...combined(u(), u(2, 3), "add")]).toEqual([2, 3]);
  });

  it("invert only what is on the map", () => {
    expect([...inverted(u(1, 3), 6, (i) => i !== 5)]).toEqual([0, 2, 4]);
  });

  it.each([
    [[]],
    [[0]],
    [[3, 900]],
    [Array.from({ length: 500 }, (_, i) => 2 * i)],
  ])("come back as they went", (indices) => {
    expect([...unpackSelection(packSelection(u(...(indices as number[]))))]).toEqual(indices);
  });

  it("take one bit a point where that is less", () => {
    const half = Uint32Array.from({ length: 650_000 }, (_, i) => Math.floor(i * 1.53));
    const wire = packSelection(half);
    expect(wire.dtype).toBe("bits");
    expect((wire.data as DataView).byteLength).toBeLessThan(126_000);
    expect(packSelection(u(5, 900_000)).dtype).toBe("<u4");
  });
});

describe("the look of points", () => {
  it("is smaller and fainter the more there are, larger the nearer one is", () => {
    const few = pointStyle(50, 160_000, 1);
    const many = pointStyle(50_000, 160_000, 1);
    const near = pointStyle(50_000, 160_000, 30);
    expect(few.size).toBeGreaterThan(many.size);
    expect(few.alpha).toBeGreaterThan(many.alpha);
    expect(near.size).toBeGreaterThan(many.size);
    expect(liftOf(3)).toBeGreaterThan(liftOf(3000));
  });
});

describe("a million points without a GPU", () => {
  const panel = { x: 0, y: 0, width: 60, height: 60 };
  const layer = makeLayer(1000);
  for (let i = 0; i < 1000; i++) {
    layer.xy[2 * i] = Math.round(((i % 40) / 40) * 65534);
    layer.xy[2 * i + 1] = Math.round((i / 1000) * 65534);
  }
  const style = { size: 2, alpha: 1, lift: 1, ink: [0, 0, 0], accent: [0, 0, 0], dim: [0, 0, 0] };

  function inked(every: number): number {
    let seen = 0;
    const target = {
      canvas: { width: 60, height: 60 },
      putImageData: ({ data }: ImageData) => {
        for (let i = 3; i < data.length; i += 4) seen += (data[i] as number) > 0 ? 1 : 0;
      },
    };
    const scene = { camera: HOME, panels: [{ rect: panel, layers: [layer] }], style, every };
    softRenderer().draw(scene as never, target as never, 1);
    return seen;
  }

  it("some are drawn first, all over the map", () => {
    globalThis.ImageData ??= class {
      data: Uint8ClampedArray;
      constructor(width: number, height: number) {
        this.data = new Uint8ClampedArray(4 * width * height);
      }
    } as never;
    expect(inked(7)).toBeGreaterThan(100);
    expect(inked(7)).toBeLessThan(inked(1));
  });
});
