// The canvases of a map: points below, what follows the pointer above. Plain DOM.
import { effect, signal } from "@preact/signals-core";
import { pan, type Rect, zoomAt } from "../../lib/scatter/camera";
import { glRenderer } from "../../lib/scatter/gl_points";
import {
  liftOf,
  MOST_EVERY,
  pointStyle,
  type Renderer,
  type Scene,
} from "../../lib/scatter/renderer";
import { softRenderer } from "../../lib/scatter/soft";
import type { Which } from "./data";
import { drawOverlay } from "./overlay";
import { followPointer } from "./pointer";
import type { MapState } from "./state";

const GAP = 1;
/** Without a GPU, more points than these are drawn in two steps: some at once, all at rest. */
const MANY_POINTS = 200_000;
const QUICK_POINTS = 60_000;
const REST_MS = 250;

export interface Drawing {
  panels(): Rect[];
  /** Which sides a panel shows. */
  shown(panel: number): Which[];
  size(): { width: number; height: number };
  /** The picture as it is, for export. */
  canvases: { points: HTMLCanvasElement; overlay: HTMLCanvasElement };
  scene(every?: number): Scene;
  renderer(): Renderer["kind"];
  zoom(factor: number): void;
  pan(dx: number, dy: number): void;
  remove(): void;
}

export function makeMap(stage: HTMLElement, state: MapState, stop: AbortSignal): Drawing {
  const points = document.createElement("canvas");
  const overlay = document.createElement("canvas");
  points.className = "vv-points";
  overlay.className = "vv-overlay";
  stage.append(points, overlay);
  stage.tabIndex = 0;
  const below = points.getContext("2d");
  const above = overlay.getContext("2d");
  const size = signal({ width: 0, height: 0, ratio: 1 });
  const path = signal<number[]>([]);
  const again = signal(0);
  // made when all points are there: some are drawn before a context is
  let made: Renderer | undefined;
  const renderer = (): Renderer => {
    made ??= glRenderer(() => again.value++) ?? softRenderer();
    return made;
  };
  const fallback = softRenderer();
  const ended = new AbortController();
  stop.addEventListener("abort", () => remove());

  const watcher = new ResizeObserver(() => measure());
  watcher.observe(stage);
  function measure(): void {
    const width = stage.clientWidth;
    const height = stage.clientHeight;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const now = size.value;
    if (now.width === width && now.height === height && now.ratio === ratio) return;
    for (const canvas of [points, overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    size.value = { width, height, ratio };
  }
  measure();

  function panels(): Rect[] {
    const { width, height } = size.value;
    if (!state.split.value) return [{ x: 0, y: 0, width, height }];
    const half = (width - GAP) / 2;
    return [0, half + GAP].map((x) => ({ x, y: 0, width: half, height }));
  }
  const shown = (panel: number): Which[] =>
    state.split.value ? [panel as Which] : state.layers.value[1].state.length ? [0, 1] : [0];

  function lifted(): number {
    const selected = state.selected[0].value.length + state.selected[1].value.length;
    const { count } = state.hits.value;
    return Math.max(selected, count[0] + count[1]);
  }
  function scene(every = 1): Scene {
    const layers = state.layers.value;
    const all = panels();
    const [first] = all;
    const dark = state.dark.value;
    const n = Math.max(
      ...all.map((_, i) =>
        shown(i).reduce((sum: number, which) => sum + layers[which].state.length / every, 0),
      ),
      1,
    );
    return {
      every,
      camera: state.camera.value,
      panels: all.map((rect, i) => ({
        rect,
        layers: shown(i).map((which) => layers[which]),
      })),
      style: {
        lift: liftOf(lifted()),
        ...pointStyle(n, first ? first.width * first.height : 1, state.camera.value.zoom),
        ink: dark ? [255, 255, 255] : [17, 17, 17],
        accent: dark ? [240, 228, 66] : [204, 0, 102],
        dim: dark ? [110, 116, 125] : [160, 165, 172],
      },
    };
  }

  // -- drawing: at most once a frame of the screen ---------------------------------------

  let due = 0;
  let rest: ReturnType<typeof setTimeout> | undefined;
  let whole = false;
  const dirty = { points: false, overlay: false };
  function plan(what: keyof typeof dirty): void {
    dirty[what] = true;
    if (!due) due = requestAnimationFrame(draw);
  }
  function draw(): void {
    due = 0;
    if (ended.signal.aborted || !below || !above || size.value.width === 0) return;
    const { ratio } = size.value;
    if (dirty.points) {
      clearTimeout(rest);
      const total = state.sides.value[0].n + state.sides.value[1].n;
      const every = Math.min(Math.ceil(total / QUICK_POINTS), MOST_EVERY);
      const quick = total > MANY_POINTS && !whole && renderer().slow;
      const now = scene(quick ? every : 1);
      const some = total === 0;
      if (some || !renderer().draw(now, below, ratio)) fallback.draw(now, below, ratio);
      stage.dataset.renderer = some ? fallback.kind : renderer().kind;
      stage.dataset.every = some ? "" : String(now.every);
      whole = false;
      if (quick) {
        // once nothing has moved for a while, all of them
        rest = setTimeout(() => {
          whole = true;
          plan("points");
        }, REST_MS);
      }
    }
    drawOverlay(above, ratio, state, { panels: panels(), shown, path: path.value, scene: scene() });
    dirty.points = dirty.overlay = false;
  }
  const drawings = [
    effect(() => {
      void [state.painted.value, state.camera.value, size.value, again.value];
      void [state.split.value, state.dark.value, state.layers.value];
      plan("points");
    }),
    effect(() => {
      void [state.looked.value, path.value, state.regions.value, state.matches.value];
      void [state.selected[0].value, state.selected[1].value];
      void state.traits.signal("selected_features").value;
      plan("overlay");
    }),
  ];

  followPointer(stage, state, { panels, shown, path }, ended.signal);

  function middle(): [Rect, number, number] {
    const rect = panels()[0] as Rect;
    return [rect, rect.x + rect.width / 2, rect.y + rect.height / 2];
  }
  function remove(): void {
    ended.abort();
    watcher.disconnect();
    cancelAnimationFrame(due);
    clearTimeout(rest);
    for (const end of drawings) end();
    made?.dispose();
    points.remove();
    overlay.remove();
    made = fallback;
  }

  return {
    panels,
    shown,
    size: () => size.value,
    canvases: { points, overlay },
    scene,
    renderer: () => renderer().kind,
    zoom(factor) {
      const [rect, x, y] = middle();
      state.camera.value = zoomAt(state.camera.value, rect, factor, x, y);
    },
    pan(dx, dy) {
      state.camera.value = pan(state.camera.value, middle()[0], dx, dy);
    },
    remove,
  };
}
