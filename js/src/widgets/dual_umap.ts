// DualUMAP in a notebook: the model's traits and frames joined to the drawing.
import { connect, type Model } from "../lib/wire/model";
import { drawDualUMAP } from "../views/dual_umap";
import type { DualUMAPRequests, DualUMAPTraits } from "../views/dual_umap/traits";

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
  const traits = connect<DualUMAPTraits, DualUMAPRequests>(
    model as Model<DualUMAPTraits>,
    stop.signal,
  );
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
