// The canvases of a map: points below, what follows the pointer above. Plain DOM.
import { effect, signal } from "@preact/signals-core";
import { pan, panelAt, type Rect, toWorld, zoomAt } from "../../lib/scatter/camera";
import { glRenderer } from "../../lib/scatter/gl_points";
import { inside, nearestPoint } from "../../lib/scatter/points";
import {
  liftOf,
  MOST_EVERY,
  pointStyle,
  type Renderer,
  type Scene,
} from "../../lib/scatter/renderer";
import type { How } from "../../lib/scatter/selection";
import { softRenderer } from "../../lib/scatter/soft";
import type { Spot, Which } from "./data";
import { drawOverlay } from "./overlay";
import type { MapState } from "./state";

/** A pointer that moves less than this between down and up has clicked. */
const CLICK_PIXELS = 4;
/** Points nearer than this to the pointer are under it. */
const REACH_PIXELS = 10;
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

  // -- pointer -----------------------------------------------------------------------------

  const where = (event: MouseEvent): [number, number] => {
    const box = overlay.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  function find(x: number, y: number, reach = REACH_PIXELS): Spot | undefined {
    const all = panels();
    const panel = panelAt(all, x, y);
    const rect = all[panel];
    if (!rect) return undefined;
    const camera = state.camera.value;
    const [wx, wy] = toWorld(camera, rect, x, y);
    const [ex] = toWorld(camera, rect, x + reach, y);
    let best: Spot | undefined;
    let least = ex - wx;
    for (const which of shown(panel)) {
      const { layer } = state.sides.value[which];
      const index = nearestPoint(layer, wx, wy, least);
      if (index < 0) continue;
      best = { which, index };
      const dx = (layer.xy[2 * index] as number) / 65534 - wx;
      const dy = (layer.xy[2 * index + 1] as number) / 65534 - wy;
      least = Math.hypot(dx, dy);
    }
    return best;
  }

  interface Drag {
    start: [number, number];
    last: [number, number];
    kind: "pan" | "lasso" | "box" | "pinch";
    how: How;
    panel: number;
    moved: boolean;
  }
  let drag: Drag | undefined;
  const fingers = new Map<number, [number, number]>();
  const how = (event: MouseEvent): How =>
    event.altKey
      ? "subtract"
      : event.shiftKey || event.ctrlKey || event.metaKey
        ? "add"
        : "replace";

  function listen<K extends keyof HTMLElementEventMap>(
    kind: K,
    handler: (event: HTMLElementEventMap[K]) => void,
    options: AddEventListenerOptions = {},
  ): void {
    stage.addEventListener(kind, handler, { ...options, signal: ended.signal });
  }

  listen("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.focus({ preventScroll: true });
    const at = where(event);
    fingers.set(event.pointerId, at);
    stage.setPointerCapture?.(event.pointerId);
    if (fingers.size === 2) {
      drag = { start: at, last: at, kind: "pinch", how: "replace", panel: 0, moved: true };
      path.value = [];
      return;
    }
    const tool = state.tool.value;
    // in the hand tool a drag with shift or alt catches points
    const kind = tool === "pan" && (event.shiftKey || event.altKey) ? "lasso" : tool;
    const panel = panelAt(panels(), ...at);
    drag = { start: at, last: at, kind, how: how(event), panel, moved: false };
    event.preventDefault();
  });
  listen("pointermove", (event) => {
    const at = where(event);
    if (!drag) {
      if (event.pointerType !== "touch") look(find(...at));
      return;
    }
    if (drag.kind === "pinch") {
      pinch(event.pointerId, at);
      return;
    }
    if (Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]) > CLICK_PIXELS) drag.moved = true;
    if (!drag.moved) return;
    look(undefined);
    const rect = panels()[drag.panel];
    if (drag.kind === "pan" && rect) {
      stage.dataset.dragging = "";
      const [dx, dy] = [at[0] - drag.last[0], at[1] - drag.last[1]];
      state.camera.value = pan(state.camera.value, rect, dx, dy);
    } else if (drag.kind === "lasso") {
      path.value = path.value.length ? [...path.value, ...at] : [...drag.start, ...at];
    } else {
      const [x, y] = drag.start;
      path.value = [x, y, at[0], y, at[0], at[1], x, at[1]];
    }
    drag.last = at;
  });
  function pinch(id: number, at: [number, number]): void {
    const before = [...fingers.values()];
    fingers.set(id, at);
    const after = [...fingers.values()];
    const [p, q] = before;
    const [r, s] = after;
    if (!p || !q || !r || !s) return;
    const apart = (u: number[], v: number[]): number =>
      Math.hypot((u[0] as number) - (v[0] as number), (u[1] as number) - (v[1] as number));
    const [x, y] = [(r[0] + s[0]) / 2, (r[1] + s[1]) / 2];
    const rect = panels()[Math.max(panelAt(panels(), x, y), 0)] as Rect;
    const factor = apart(r, s) / Math.max(apart(p, q), 1);
    const [dx, dy] = [x - (p[0] + q[0]) / 2, y - (p[1] + q[1]) / 2];
    state.camera.value = zoomAt(pan(state.camera.value, rect, dx, dy), rect, factor, x, y);
  }
  const release = (event: PointerEvent): void => {
    fingers.delete(event.pointerId);
    delete stage.dataset.dragging;
    const done = drag;
    if (fingers.size === 0) drag = undefined;
    if (!done || done.kind === "pinch" || event.type === "pointercancel") {
      path.value = [];
      return;
    }
    if (!done.moved)
      click(find(...done.start, event.pointerType === "touch" ? 22 : REACH_PIXELS), done.how);
    else if (path.value.length >= 6) caught(done);
    path.value = [];
  };
  listen("pointerup", release);
  listen("pointercancel", release);
  listen("pointerleave", () => !drag && look(undefined));
  listen("dblclick", (event) => {
    if (find(...where(event))) return;
    state.fit();
  });
  listen(
    "wheel",
    (event) => {
      // until the map is in use the wheel belongs to the page
      const active = stage.contains(document.activeElement) || stage.matches(":focus");
      const root = stage.getRootNode() as Document | ShadowRoot;
      const focused = root.activeElement === stage;
      if (!(active || focused || event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const [x, y] = where(event);
      const rect = panels()[Math.max(panelAt(panels(), x, y), 0)] as Rect;
      const notch = event.deltaMode === 1 ? 18 : 1;
      const factor = Math.exp(-Math.max(Math.min(event.deltaY * notch, 120), -120) / 300);
      state.camera.value = zoomAt(state.camera.value, rect, factor, x, y);
      look(undefined);
    },
    { passive: false },
  );

  function look(spot: Spot | undefined): void {
    const now = state.looked.value;
    if (now?.which === spot?.which && now?.index === spot?.index) return;
    state.looked.value = spot;
  }
  function click(spot: Spot | undefined, kind: How): void {
    if (spot) {
      look(spot);
      state.choose(spot, kind);
    } else if (kind === "replace") {
      look(undefined);
      state.clear();
    }
  }
  function caught(done: Drag): void {
    const rect = panels()[done.panel];
    if (!rect) return;
    const polygon = new Float64Array(path.value.length);
    for (let i = 0; i < path.value.length; i += 2) {
      const [x, y] = toWorld(
        state.camera.value,
        rect,
        path.value[i] as number,
        path.value[i + 1] as number,
      );
      polygon[i] = x;
      polygon[i + 1] = y;
    }
    const found: [Uint32Array?, Uint32Array?] = [];
    for (const which of shown(done.panel)) {
      found[which] = inside(state.sides.value[which].layer, polygon);
    }
    state.lasso.value = done.how === "replace" ? polygon : undefined;
    state.select(found, done.how);
  }

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
