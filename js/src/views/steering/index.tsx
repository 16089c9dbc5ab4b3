// Steering: controls that turn directions, and the texts the model writes beside one another.

import type { ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import base from "../../lib/ui/base.css";
import slider from "../../lib/ui/slider.css";
import { Status, unanswered } from "../../lib/ui/status";
import { addStyles } from "../../lib/ui/theme";
import { tracked, useRef } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { stepOf } from "./bars";
import { Card } from "./card";
import type { Shown } from "./data";
import { Compared, History } from "./history";
import { Output } from "./output";
import { Rows } from "./rows";
import { Search } from "./search";
import { Prompt, Settings } from "./settings";
import { makeState, type State } from "./state";
import sheet from "./style.css";
import { OWN, Text } from "./tokens";
import type { SteeringRequests, SteeringTraits } from "./traits";

/** Draw the view into `el` until `stop` aborts. */
export function drawSteering(
  el: HTMLElement,
  traits: Traits<SteeringTraits, SteeringRequests>,
  stop: AbortSignal,
): void {
  const state = makeState(traits);
  const root = document.createElement("div");
  root.className = "vv vv-steering";
  el.append(root);
  addStyles(el, base, slider, sheet);
  const late = unanswered(traits, stop);
  render(<View state={state} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

interface ViewProps {
  state: State;
  late: ReadonlySignal<boolean>;
}

/** Enter writes what was typed: the notebook may keep the key's own effect from the field. */
function commit(event: KeyboardEvent): void {
  const field = event.target;
  if (event.key !== "Enter" || !(field instanceof HTMLInputElement)) return;
  if (field.type !== "text" && field.type !== "number") return;
  event.preventDefault();
  event.stopPropagation();
  field.blur(); // fires the change, once
  field.focus();
}

const View = tracked(({ state, late }: ViewProps) => {
  const { traits } = state;
  const body = useRef<HTMLDivElement>(null);
  const facts = traits.signal("_facts").value;
  const live = traits.signal("live").value;
  const points = [...new Set(traits.signal("_rows").value.flatMap((row) => row.points))];
  const where = points.length > 3 ? `${points.length} points` : points.join(", ");
  const title = [facts.model, where, facts.dictionary].filter(Boolean).join(" · ");
  return (
    <>
      <div class="vv-head">
        <span class="vv-title">{title || "Steering"}</span>
        <span class="vv-grow" />
        {state.live && !facts.remote && (
          <label title="run when a control is let go">
            <input type="checkbox" checked={live} onChange={() => traits.set("live", !live)} /> live
          </label>
        )}
        {state.live && (
          <button type="button" class="vv-run" onClick={state.run}>
            Run
          </button>
        )}
      </div>
      <Status traits={traits} late={late} verb="writing" />
      <fieldset class="vv-controls" disabled={!state.live} onKeyDown={commit}>
        <Rows state={state} />
        <Search state={state} />
        <Prompt state={state} />
        <Settings state={state} />
      </fieldset>
      <div class="vv-body" ref={body}>
        <Result state={state} />
        <Card state={state} frame={() => body.current} />
      </div>
    </>
  );
});

const Result = tracked(({ state }: { state: State }) => {
  const shown = state.shown.value;
  const busy = state.busy.value;
  if (!shown) {
    return (
      <p class="vv-empty">
        {busy ? "the model is about to write…" : "Press Run to let the model write."}
      </p>
    );
  }
  const stale = state.stale.value;
  return (
    <>
      {shown.prompt.strings.length > 0 && <PromptTokens state={state} shown={shown} />}
      <Caption state={state} shown={shown} />
      {!busy && !shown.finished && (
        <p class="vv-caption" role="status">
          Stopped before the end: what was written so far, without the numbers that need the whole.
        </p>
      )}
      {!busy && stale.length > 0 && (
        <p class="vv-caption" role="status">
          Changed since this run: {stale.join(", ").replaceAll("_", " ")}.
        </p>
      )}
      <Output state={state} shown={shown} busy={busy} />
      {shown.run && <p class="vv-summary">{shown.run.summary}</p>}
      <History state={state} />
      <Compared state={state} />
    </>
  );
});

const PromptTokens = tracked(({ state, shown }: { state: State; shown: Shown }) => {
  const { folded } = state;
  const { strings, turns, steered } = shown.prompt;
  const n = turns.filter((whose) => whose in OWN).length;
  return (
    <div class="vv-given">
      <span class="vv-facts">prompt</span>
      <Text
        state={state}
        serial={shown.serial}
        column={-1}
        label="prompt"
        strings={strings}
        steered={steered}
        changed={undefined}
        turns={turns}
        folded={folded.value}
      />
      {n > 0 && (
        <button
          type="button"
          class="vv-plain"
          aria-expanded={!folded.value}
          title="what the model reads around the messages: marks, roles, a system prompt nobody gave"
          onClick={() => {
            folded.value = !folded.value;
          }}
        >
          {folded.value ? `show the template, ${n} tokens` : "hide the template"}
        </button>
      )}
    </div>
  );
});

/** What the marks and bars mean, at which step, and what n is. */
const Caption = tracked(({ state, shown }: { state: State; shown: Shown }) => {
  const step = stepOf(state, shown);
  const at = step === 0 ? "right after the prompt" : `before token ${step}`;
  const { settings, columns, finished } = shown;
  // right after the prompt more are measured than write texts
  const { random = 0, shuffled = 0 } = (step === 0 && shown.run?.words) || shown.placebos;
  const placebos = [
    { kind: "random", n: random, name: `${random} random directions of the same size` },
    { kind: "shuffled", n: shuffled, name: `${shuffled} other features` },
  ].filter(({ n }) => n);
  return (
    <p class="vv-legend">
      <span class="vv-tok" data-steered="">
        steered here
      </span>
      <span class="vv-tok" data-changed="">
        not in the unsteered text
      </span>
      {Object.entries(OWN).map(
        ([own, name]) =>
          shown.prompt.turns.includes(own) && (
            <span class="vv-tok" data-own={own} key={own}>
              {name}
            </span>
          ),
      )}
      {shown.watch.length > 0 && (
        <span>
          bars: P {at}
          {placebos.map(({ kind, name }) => (
            <span key={kind}>
              {" "}
              · <s class="vv-key" data-kind={kind} /> {name}
            </span>
          ))}
          {placebos.length > 0 && " (5…95 %, and the median)"}
        </span>
      )}
      {finished && placebos.length === 0 && columns.length > 1 && <span>no placebo was run</span>}
      <span>
        {settings.temperature ? `temperature ${settings.temperature}` : "greedy"} · seed{" "}
        {settings.seed} · n = 1 text per column
      </span>
    </p>
  );
});
