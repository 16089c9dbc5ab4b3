// Keys of a map while it has the focus.
import { pointTowards } from "../../lib/scatter/points";
import type { Drawing } from "./canvases";
import type { Spot } from "./data";
import type { MapState } from "./state";

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};
const STEP_PIXELS = 60;

export function keys(event: KeyboardEvent, state: MapState, map: Drawing | undefined): void {
  const target = event.target as HTMLElement;
  if (target.matches("input, select, textarea")) return;
  const root = event.currentTarget as HTMLElement;
  if (event.key === "/") {
    root.querySelector<HTMLInputElement>(".vv-query")?.focus();
    done(event);
    return;
  }
  if (event.key === "Escape") {
    retreat(state);
    done(event);
    return;
  }
  if (!map || !target.matches(".vv-stage") || event.ctrlKey || event.metaKey) return;
  const arrow = ARROWS[event.key];
  if (arrow) {
    if (event.shiftKey) map.pan(-arrow[0] * STEP_PIXELS, arrow[1] * STEP_PIXELS);
    else walk(state, arrow);
  } else if (event.key === "+" || event.key === "=") map.zoom(1.4);
  else if (event.key === "-") map.zoom(1 / 1.4);
  else if (event.key === "0") state.fit();
  else if ((event.key === "Enter" || event.key === " ") && state.looked.value) {
    state.choose(
      state.looked.value,
      event.shiftKey ? "add" : event.altKey ? "subtract" : "replace",
    );
  } else if (event.key === "Tab" || event.key.length > 1) return;
  else if (event.key === "m" && state.looked.value) {
    // over to the match in the other dictionary
    state.looked.value = state.match(state.looked.value) ?? state.looked.value;
  } else return;
  done(event);
}

/** JupyterLab has commands on single keys and arrows; what the map took is not theirs. */
function done(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopPropagation();
}

/** Escape takes back one thing at a time: the point looked at, the selection, the search. */
function retreat(state: MapState): void {
  if (state.looked.value) state.looked.value = undefined;
  else if (state.selected.some((each) => each.value.length)) state.clear();
  else if (state.traits.signal("query").value) state.traits.set("query", "");
}

/** To the nearest point in a direction; the first step goes to the middle of the picture. */
function walk(state: MapState, [dx, dy]: [number, number]): void {
  const from = state.looked.value;
  const start: Spot = from ?? { which: 0, index: first(state) };
  if (!from) {
    state.looked.value = start;
    return;
  }
  const next = pointTowards(state.sides.value[start.which].layer, start.index, dx, dy);
  if (next >= 0) state.looked.value = { which: start.which, index: next };
}

/** The selected or the central point: where walking begins. */
function first(state: MapState): number {
  const selected = state.selected[0].value[0];
  if (selected !== undefined) return selected;
  const { layer } = state.sides.value[0];
  const { x, y } = state.camera.value;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < layer.state.length; i++) {
    const px = (layer.xy[2 * i] as number) / 65534;
    const py = (layer.xy[2 * i + 1] as number) / 65534;
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (px <= 1 && distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}
