// DualUMAP: two dictionaries on one map, their matches followed from one to the other.

import { render } from "preact";
import base from "../../lib/ui/base.css";
import { Status, unanswered } from "../../lib/ui/status";
import { addStyles, darkness } from "../../lib/ui/theme";
import { tracked, useEffect, useRef } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { type Drawing, makeMap } from "./canvases";
import { Card } from "./card";
import { keys } from "./keys";
import { LegendRow } from "./legend";
import { SelectionList } from "./list";
import { Numbers } from "./numbers";
import { type MapState, makeState } from "./state";
import sheet from "./style.css";
import { Title, Toolbar } from "./toolbar";
import type { DualUMAPRequests, DualUMAPTraits } from "./traits";

/** Draw the view into `el` until `stop` aborts; returns what takes frames of a running layout. */
export function drawDualUMAP(
  el: HTMLElement,
  traits: Traits<DualUMAPTraits, DualUMAPRequests>,
  stop: AbortSignal,
): (xy: [DataView, DataView]) => void {
  const root = document.createElement("div");
  root.className = "vv vv-dual_umap";
  el.append(root);
  addStyles(el, base, sheet);
  const dark = darkness(el, stop);
  const state = makeState(traits, dark, stop);
  const late = unanswered(traits, stop);
  render(<View state={state} late={late} stop={stop} />, root);
  stop.addEventListener("abort", () => render(null, root));
  return state.frame;
}

interface ViewProps {
  state: MapState;
  late: ReturnType<typeof unanswered>;
  stop: AbortSignal;
}

const View = tracked(({ state, late, stop }: ViewProps) => {
  const body = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const map = useRef<Drawing>();
  useEffect(() => {
    if (!stage.current) return undefined;
    map.current = makeMap(stage.current, state, stop);
    return () => map.current?.remove();
  }, []);
  const { traits } = state;
  const drawn = state.traits.signal("_drawn").value;
  const count = state.layers.value.reduce((n, layer) => n + layer.state.length, 0);
  const status = state.traits.signal("status").value;
  const busy = status === "queued" || status === "running";
  return (
    <div
      role="group"
      aria-label="map of features"
      class="vv-map-root"
      onKeyDown={(event) => keys(event, state, map.current)}
    >
      <div class="vv-head">
        <Title state={state} />
        <span class="vv-grow" />
        <Toolbar state={state} map={() => map.current} />
      </div>
      <Status traits={traits} late={late} verb="laying out" runs />
      <Numbers state={state} />
      <div class="vv-map-body" ref={body}>
        <div class="vv-map-left">
          <div
            class="vv-stage"
            ref={stage}
            role="application"
            aria-label="map of features; arrows go from point to point, Enter selects, plus and minus zoom, slash searches, Escape clears"
          />
          {count === 0 && (
            <p class="vv-map-empty">{busy ? "finding principal axes…" : "nothing laid out yet"}</p>
          )}
          {drawn && (
            <p class="vv-drawn" role="status">
              {drawn}
              {drawn.startsWith("principal") && ": a first picture, the layout follows"}
            </p>
          )}
          <Card state={state} frame={() => stage.current} />
        </div>
        <SelectionList state={state} />
      </div>
      <LegendRow state={state} />
    </div>
  );
});
