// Points without WebGL: discs blended into the pixels of the view's own canvas.
import { scaleOf } from "./camera";
import { ABSENT, COUNTERPART, DIM, FOUND, FULL, type Layer, MATCHED, SELECTED } from "./points";
import type { Renderer, Scene } from "./renderer";

export function softRenderer(): Renderer {
  return {
    kind: "canvas",
    slow: true,
    draw(scene, target, ratio) {
      const { width, height } = target.canvas;
      if (width === 0 || height === 0) return true;
      const image = new ImageData(width, height);
      for (const { rect, layers } of scene.panels) {
        for (const turn of [0, 1, 2]) {
          for (const layer of layers) paint(image, scene, rect, layer, turn, ratio);
        }
      }
      target.putImageData(image, 0, 0);
      return true;
    },
    dispose() {},
  };
}

interface Stamp {
  /** Offsets from the middle and how much of each pixel is covered. */
  dx: Int16Array;
  dy: Int16Array;
  cover: Float32Array;
  /** 1 where the outline of a selected point is. */
  rim: Float32Array;
}

const stamps = new Map<string, Stamp>();

/** A disc, or a ring, as pixels; the same shape as in gl_shaders.ts. */
function stamp(width: number, ring: boolean, rimmed: boolean): Stamp {
  const key = `${width.toFixed(1)} ${ring} ${rimmed}`;
  const held = stamps.get(key);
  if (held) return held;
  const edge = width / 2;
  const reach = Math.ceil(edge + 0.5);
  const cells: number[][] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const r = Math.hypot(x, y);
      let cover = 1 - step(edge - 0.7, edge + 0.3, r);
      const hole = edge * 0.62 - (rimmed ? 1.5 : 0);
      if (ring && width > 4.5) cover *= 1 - 0.94 * (1 - step(hole - 0.6, hole + 0.6, r));
      else if (ring) cover *= 0.62;
      if (cover > 0.01) cells.push([x, y, cover, rimmed ? step(edge - 2.4, edge - 1.6, r) : 0]);
    }
  }
  const column = (i: number): number[] => cells.map((cell) => cell[i] as number);
  const made = {
    dx: Int16Array.from(column(0)),
    dy: Int16Array.from(column(1)),
    cover: Float32Array.from(column(2)),
    rim: Float32Array.from(column(3)),
  };
  stamps.set(key, made);
  return made;
}

function step(low: number, high: number, x: number): number {
  const t = Math.min(Math.max((x - low) / (high - low), 0), 1);
  return t * t * (3 - 2 * t);
}

function paint(
  image: ImageData,
  scene: Scene,
  rect: Scene["panels"][number]["rect"],
  layer: Layer,
  turn: number,
  ratio: number,
): void {
  const { data, width } = image;
  const { style, camera } = scene;
  const scale = scaleOf(camera, rect) * ratio;
  const left = Math.max(Math.round(rect.x * ratio), 0);
  const top = Math.max(Math.round(rect.y * ratio), 0);
  const right = Math.min(left + Math.round(rect.width * ratio), width);
  const bottom = Math.min(top + Math.round(rect.height * ratio), image.height);
  const middleX = (rect.x + rect.width / 2) * ratio;
  const middleY = (rect.y + rect.height / 2) * ratio;
  const size = style.size * ratio;
  for (let i = 0, n = layer.state.length; i < n; i += scene.every ?? 1) {
    const state = layer.state[i] as number;
    const lifted = (state & (SELECTED | COUNTERPART)) !== 0;
    const dimmed = (state & DIM) !== 0 && !lifted;
    if ((lifted ? 2 : dimmed ? 0 : 1) !== turn || layer.xy[2 * i] === ABSENT) continue;
    const x = Math.round(middleX + ((layer.xy[2 * i] as number) / FULL - camera.x) * scale);
    const y = Math.round(middleY - ((layer.xy[2 * i + 1] as number) / FULL - camera.y) * scale);
    if (x < left || x >= right || y < top || y >= bottom) continue;
    const found = (state & FOUND) !== 0 && !lifted;
    const { lift } = style;
    const rimmed = lifted && lift > ((state & SELECTED) !== 0 ? 0.8 : 0.3);
    let wide = size;
    if (lifted) wide = size * (1 + 0.35 * lift) + 3 * lift * ratio;
    else if (found) wide = size * (1 + 0.5 * lift) + 2 * lift * ratio;
    const drawn = stamp(wide, (state & MATCHED) === 0, rimmed);
    const rim = (state & SELECTED) !== 0 ? style.ink : style.accent;
    const alpha = dimmed ? style.alpha * 0.35 : lifted || found ? 1 : style.alpha;
    for (let p = 0; p < drawn.dx.length; p++) {
      const px = x + (drawn.dx[p] as number);
      const py = y + (drawn.dy[p] as number);
      if (px < left || px >= right || py < top || py >= bottom) continue;
      const over = alpha * (drawn.cover[p] as number);
      const edge = drawn.rim[p] as number;
      const q = 4 * (py * width + px);
      const under = (data[q + 3] as number) / 255;
      const total = over + under * (1 - over);
      for (let c = 0; c < 3; c++) {
        const own = dimmed ? (style.dim[c] as number) : (layer.colour[3 * i + c] as number);
        const tint = own + ((rim[c] as number) - own) * edge;
        data[q + c] = (tint * over + (data[q + c] as number) * under * (1 - over)) / total;
      }
      data[q + 3] = total * 255;
    }
  }
}
