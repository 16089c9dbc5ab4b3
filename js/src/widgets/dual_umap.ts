// DualUMAP in a notebook: the model's traits and frames joined to the drawing.
import type { WireArray } from "../lib/wire/arrays";
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawDualUMAP } from "../views/dual_umap";

/** The synced traits of views/maps/dual_umap.py; a test holds the two together. */
interface DualUMAPTraits extends BaseTraits {
  selected_a: WireArray;
  selected_b: WireArray;
  selected_features: number[];
  features_of: "a" | "b";
  color_by: "dictionary" | "match" | "density" | "cluster" | "values";
  panels: "two" | "one";
  query: string;
  values_a: WireArray;
  values_b: WireArray;
  values_name: string;
  _xy_a: WireArray;
  _xy_b: WireArray;
  _some_a: WireArray;
  _some_b: WireArray;
  _labels_a: WireArray;
  _labels_b: WireArray;
  _promoted_a: WireArray;
  _promoted_b: WireArray;
  _density_a: WireArray;
  _density_b: WireArray;
  _cluster_a: WireArray;
  _cluster_b: WireArray;
  _near_a: WireArray;
  _near_b: WireArray;
  _near_score_a: WireArray;
  _near_score_b: WireArray;
  _pairs: WireArray;
  _pair_scores: WireArray;
  _regions: Record<string, unknown>[];
  _facts: Record<string, unknown>;
  _drawn: string;
  _looked: Record<string, unknown>;
  _seen: number;
}

/** What Python sends while a layout runs: places only, newest wins. */
interface Frame {
  kind: "frame";
  serial: number;
  label: string;
}

interface Host extends Omit<Model<DualUMAPTraits>, "on" | "off"> {
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
}

interface Context {
  model: Host;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  const traits = connect(model as Model<DualUMAPTraits>, stop.signal);
  const show = drawDualUMAP(el, traits, stop.signal);
  const onMessage = (message: Frame, buffers: DataView[]): void => {
    const [a, b] = buffers;
    if (message.kind !== "frame" || !a || !b) return;
    show([a, b]);
    // answered once it is on screen: Python then sends the newest frame it has
    requestAnimationFrame(() => {
      if (!stop.signal.aborted) traits.set("_seen", message.serial);
    });
  };
  model.on("msg:custom", onMessage as never);
  stop.signal.addEventListener("abort", () => model.off("msg:custom", onMessage as never));
  return () => stop.abort();
}

export default { render };
