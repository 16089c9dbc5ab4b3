// CircularManifold: any circle as a dial with a hand.
import type { ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import sheet from "../../lib/dial/dial.css";
import { DialPanel, Verdict } from "../../lib/dial/panel";
import { type DialState, makeDial } from "../../lib/dial/state";
import base from "../../lib/ui/base.css";
import { Status, unanswered } from "../../lib/ui/status";
import { addStyles } from "../../lib/ui/theme";
import { tracked } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import type { CircularManifoldTraits } from "./traits";

/** Draw the view into `el` until `stop` aborts. */
export function drawCircularManifold(
  el: HTMLElement,
  traits: Traits<CircularManifoldTraits>,
  stop: AbortSignal,
): void {
  const root = document.createElement("div");
  root.className = "vv vv-circular_manifold";
  // else JupyterLab takes Enter, and arrows up and down, before they come here
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  addStyles(el, base, sheet);
  const late = unanswered(traits, stop);
  render(<View dial={makeDial(traits)} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

const View = tracked(({ dial, late }: { dial: DialState; late: ReadonlySignal<boolean> }) => {
  const { source, point, n } = dial.facts.value;
  const live = dial.traits.signal("_live").value;
  return (
    <>
      <div class="vv-head">
        <span class="vv-title">{source || "Circle"}</span>
        <span class="vv-facts">{[point, n && `${n} names`].filter(Boolean).join(" · ")}</span>
      </div>
      {/* turning asks Python for nothing that could stay out */}
      {live && <Status traits={dial.traits} late={late} verb="fitting" />}
      <Verdict dial={dial} />
      {n ? <DialPanel dial={dial} live={true} /> : <p class="vv-readout">no circle yet</p>}
    </>
  );
});
