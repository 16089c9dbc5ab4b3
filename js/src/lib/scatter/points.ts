// The points of one layer, and what the pointer or a lasso finds among them.

/** Quantised coordinate of a point that is not on the map. */
export const ABSENT = 65535;
/** The largest quantised coordinate: 65534 is 1.0 in the world. */
export const FULL = 65534;

// Bits of a point's state, shared by both renderers and the shader.
export const MATCHED = 1;
export const SELECTED = 2;
/** Counterpart of something selected in the other dictionary. */
export const COUNTERPART = 4;
export const DIM = 8;
/** Found by a search. */
export const FOUND = 16;

export interface Layer {
  /** Interleaved x, y; both `ABSENT` for a point that is not on the map. */
  xy: Uint16Array;
  /** Interleaved red, green, blue. */
  colour: Uint8Array;
  state: Uint8Array;
  /** Grow by one when the array of that name has changed. */
  version: { xy: number; colour: number; state: number };
}

export function makeLayer(n: number): Layer {
  return {
    xy: new Uint16Array(2 * n).fill(ABSENT),
    colour: new Uint8Array(3 * n),
    state: new Uint8Array(n),
    version: { xy: 0, colour: 0, state: 0 },
  };
}

export function has(layer: Layer, i: number): boolean {
  return layer.xy[2 * i] !== ABSENT;
}

/** World coordinates of a point. */
export function at(layer: Layer, i: number): [number, number] {
  return [(layer.xy[2 * i] ?? 0) / FULL, (layer.xy[2 * i + 1] ?? 0) / FULL];
}

/**
 * The nearest point within `radius` of a world point, -1 for none. A scan of a million points
 * takes 2 ms, less than an index of them costs to build after each frame of a moving layout.
 */
export function nearestPoint(layer: Layer, x: number, y: number, radius: number): number {
  const { xy, state } = layer;
  const px = x * FULL;
  const py = y * FULL;
  let best = -1;
  let least = (radius * FULL) ** 2;
  let lifted = 0;
  for (let i = 0, n = state.length; i < n; i++) {
    const qx = xy[2 * i] as number;
    if (qx === ABSENT) continue;
    const dx = qx - px;
    const dy = (xy[2 * i + 1] as number) - py;
    const distance = dx * dx + dy * dy;
    if (distance > least) continue;
    // of two points on one spot, the one that is drawn above
    const above = ((state[i] as number) & (SELECTED | COUNTERPART)) !== 0 ? 2 : 0;
    const rank = above + (((state[i] as number) & DIM) !== 0 ? 0 : 1);
    if (distance === least && best >= 0 && rank < lifted) continue;
    best = i;
    least = distance;
    lifted = rank;
  }
  return best;
}

/** The nearest point in a direction from another: what an arrow key goes to. */
export function pointTowards(layer: Layer, from: number, dx: number, dy: number): number {
  const [x, y] = at(layer, from);
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < layer.state.length; i++) {
    if (i === from || !has(layer, i)) continue;
    if ((layer.state[i] as number) & DIM) continue;
    const [qx, qy] = at(layer, i);
    const along = (qx - x) * dx + (qy - y) * dy;
    if (along <= 0) continue;
    const across = Math.abs((qx - x) * dy - (qy - y) * dx);
    if (across > along) continue;
    const distance = along * along + 4 * across * across;
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

/** The points inside a polygon of world coordinates x0, y0, x1, y1, ..., ascending. */
export function inside(layer: Layer, polygon: ArrayLike<number>): Uint32Array {
  const corners = polygon.length / 2;
  const xs = new Float64Array(corners);
  const ys = new Float64Array(corners);
  let left = Number.POSITIVE_INFINITY;
  let right = Number.NEGATIVE_INFINITY;
  let low = left;
  let high = right;
  for (let c = 0; c < corners; c++) {
    xs[c] = (polygon[2 * c] as number) * FULL;
    ys[c] = (polygon[2 * c + 1] as number) * FULL;
    left = Math.min(left, xs[c] as number);
    right = Math.max(right, xs[c] as number);
    low = Math.min(low, ys[c] as number);
    high = Math.max(high, ys[c] as number);
  }
  const { xy } = layer;
  const n = xy.length / 2;
  const found = new Uint32Array(n);
  let count = 0;
  for (let i = 0; i < n; i++) {
    const x = xy[2 * i] as number;
    const y = xy[2 * i + 1] as number;
    if (x === ABSENT || x < left || x > right || y < low || y > high) continue;
    let odd = false;
    for (let c = 0, d = corners - 1; c < corners; d = c++) {
      const yc = ys[c] as number;
      const yd = ys[d] as number;
      if (yc > y === yd > y) continue;
      const xc = xs[c] as number;
      if (x < (((xs[d] as number) - xc) * (y - yc)) / (yd - yc) + xc) odd = !odd;
    }
    if (odd) found[count++] = i;
  }
  return found.slice(0, count);
}

/** Low and high corner of some points, undefined when none is on the map. */
export function bounds(
  layers: [Layer, ArrayLike<number>][],
): [[number, number], [number, number]] | undefined {
  let [left, low, right, high] = [2, 2, -1, -1];
  for (const [layer, points] of layers) {
    for (let j = 0; j < points.length; j++) {
      const i = points[j] as number;
      if (!has(layer, i)) continue;
      const [x, y] = at(layer, i);
      left = Math.min(left, x);
      right = Math.max(right, x);
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
  }
  return right < left
    ? undefined
    : [
        [left, low],
        [right, high],
      ];
}
