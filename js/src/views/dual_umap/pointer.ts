// The pointer over a map: looking, clicking, moving the map, the lasso and the box.
import type { Signal } from "@preact/signals-core";
import { pan, panelAt, type Rect, toWorld, zoomAt } from "../../lib/scatter/camera";
import { inside, nearestPoint, at as placeOf } from "../../lib/scatter/points";
import type { How } from "../../lib/scatter/selection";
import type { Spot, Which } from "./data";
import type { MapState } from "./state";

/** A pointer that moves less than this between down and up has clicked. */
const CLICK_PIXELS = 4;
/** Points nearer than this to the pointer are under it. */
const REACH_PIXELS = 10;

/** What the pointer needs of the drawing. */
export interface Ground {
  panels(): Rect[];
  /** Which sides a panel shows. */
  shown(panel: number): Which[];
  /** Corners of the lasso or box on its way, in pixels: x, y, x, y ... */
  path: Signal<number[]>;
}

interface Drag {
  start: [number, number];
  last: [number, number];
  kind: "pan" | "lasso" | "box" | "pinch";
  how: How;
  panel: number;
  moved: boolean;
}

const how = (event: MouseEvent): How =>
  event.altKey ? "subtract" : event.shiftKey || event.ctrlKey || event.metaKey ? "add" : "replace";

/** Follow the pointer over `stage` until `stop` aborts. */
export function followPointer(
  stage: HTMLElement,
  state: MapState,
  { panels, shown, path }: Ground,
  stop: AbortSignal,
): void {
  const where = (event: MouseEvent): [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  /** The panel there, or the first. */
  function under(x: number, y: number): Rect {
    const all = panels();
    return all[Math.max(panelAt(all, x, y), 0)] as Rect;
  }
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
      const [px, py] = placeOf(layer, index);
      least = Math.hypot(px - wx, py - wy);
    }
    return best;
  }

  let drag: Drag | undefined;
  const fingers = new Map<number, [number, number]>();

  function listen<K extends keyof HTMLElementEventMap>(
    kind: K,
    handler: (event: HTMLElementEventMap[K]) => void,
    options: AddEventListenerOptions = {},
  ): void {
    stage.addEventListener(kind, handler, { ...options, signal: stop });
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
    const rect = under(x, y);
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
      const rect = under(x, y);
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
}
