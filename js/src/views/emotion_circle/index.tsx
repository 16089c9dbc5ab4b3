// EmotionCircle: a dial of emotions that reads text and turns the model.
import type { ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import dialSheet from "../../lib/dial/dial.css";
import { DialPanel, Verdict } from "../../lib/dial/panel";
import common from "../../lib/ui/base.css";
import { Busy, Status, unanswered } from "../../lib/ui/status";
import { addStyles } from "../../lib/ui/theme";
import { tracked } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { Layers } from "./layers";
import { Reading } from "./reading";
import { makeState, type State } from "./state";
import sheet from "./style.css";
import type { EmotionCircleRequests, EmotionCircleTraits } from "./traits";
import { Turning } from "./turning";
import { Wheel } from "./wheel";

/** Draw the view into `el` until `stop` aborts. */
export function drawEmotionCircle(
  el: HTMLElement,
  traits: Traits<EmotionCircleTraits, EmotionCircleRequests>,
  stop: AbortSignal,
): void {
  const state = makeState(traits);
  const root = document.createElement("div");
  root.className = "vv vv-emotion_circle";
  // else JupyterLab takes Enter, and arrows up and down, before they come here
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  addStyles(el, common, dialSheet, sheet);
  const late = unanswered(traits, stop);
  render(<View state={state} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

const View = tracked(({ state, late }: { state: State; late: ReadonlySignal<boolean> }) => {
  const { dial, traits } = state;
  const { model, point, source, n, remote } = dial.facts.value;
  const live = traits.signal("_live").value;
  const local = state.local.value;
  const mode = traits.signal("mode").value;
  const busy = state.busy.value;
  return (
    <>
      <div class="vv-head">
        <span class="vv-title">
          {["Circle of emotions", model, point].filter(Boolean).join(" · ")}
        </span>
        <div class="vv-line">
          <span class="vv-facts">{n ? `${n} words · ${source}` : ""}</span>
          {local && <Busy traits={traits} verb="computing" />}
        </div>
      </div>
      {/* in a file nothing runs, and the hand still turns */}
      {live && <Status traits={traits} late={late} verb="computing" apart={local} />}
      <Verdict dial={dial} />
      {!n && (
        <p class="vv-readout">
          {busy ? "looking for the circle in every layer…" : "no circle yet"}
          {!busy && live && remote && (
            <button type="button" onClick={() => traits.request("run", {})}>
              Run
            </button>
          )}
        </p>
      )}
      {n && (
        <div class="vv-body">
          <div class="vv-left">
            <DialPanel
              dial={dial}
              live={local && mode === "words"}
              marks={state.marks.value}
              means={state.means.value}
            />
            <Layers state={state} />
          </div>
          <div class="vv-right">
            {model ? (
              <>
                <Reading state={state} />
                <Turning state={state} />
              </>
            ) : (
              <p class="vv-readout">
                no model here to read texts and to turn: vv.EmotionCircle(model, circle)
              </p>
            )}
          </div>
        </div>
      )}
      {n && <Wheel state={state} />}
    </>
  );
});
