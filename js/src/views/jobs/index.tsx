// Jobs: what waits, runs and has run for a model, small enough to sit above another view.
import type { ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import base from "../../lib/ui/base.css";
import { Status, unanswered } from "../../lib/ui/status";
import { addStyles } from "../../lib/ui/theme";
import { tracked } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { counted, going } from "./data";
import { Row } from "./row";
import sheet from "./style.css";
import type { JobsRequests, JobsTraits } from "./traits";

const MORE = 10;

/** Draw the view into `el` until `stop` aborts. */
export function drawJobs(
  el: HTMLElement,
  traits: Traits<JobsTraits, JobsRequests>,
  stop: AbortSignal,
): void {
  const root = document.createElement("div");
  root.className = "vv vv-jobs";
  // else JupyterLab takes Enter before a button does
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  addStyles(el, base, sheet);
  const late = unanswered(traits, stop);
  render(<View traits={traits} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

interface ViewProps {
  traits: Traits<JobsTraits, JobsRequests>;
  late: ReadonlySignal<boolean>;
}

const View = tracked(({ traits, late }: ViewProps) => {
  const { model, host, ended = 0 } = traits.signal("_facts").value;
  const entries = traits.signal("_entries").value;
  const opened = traits.signal("opened").value;
  const live = traits.signal("_live").value;
  const on = entries.filter(going);
  const first = on[0];
  const hidden = ended - (entries.length - on.length);
  const open = (number: number, is: boolean): void => {
    if (is === opened.includes(number)) return;
    const others = opened.filter((other) => other !== number);
    traits.set("opened", is ? [...others, number] : others);
  };
  return (
    <>
      <div class="vv-head">
        <span class="vv-title">{model ? `Jobs · ${model}` : "Jobs"}</span>
        {model && <span class="vv-facts">{host || "in this kernel"}</span>}
        <span class="vv-grow" />
        {entries.length > 0 && <span class="vv-facts">{counted(entries, ended)}</span>}
        {live && on.length > 1 && (
          <button type="button" onClick={() => traits.request("stop", {})}>
            Stop all
          </button>
        )}
      </div>
      <Status traits={traits} late={late} verb="listing" />
      {/* a change of state is said, the seconds are not */}
      <div class="vv-hidden" aria-live="polite">
        {first ? `${first.name}: ${first.words}` : ""}
      </div>
      {entries.length === 0 && (
        <p class="vv-empty">
          {model
            ? `Nothing has run on ${model} yet. ${
                host
                  ? "Nothing is sent before a cell, or a view's Run, asks for it."
                  : "What cells and views ask of it is listed here."
              }`
            : "No model: vv.Jobs(model) lists what runs for one."}
        </p>
      )}
      {entries.length > 0 && (
        <ul class="vv-list" aria-label={`jobs of ${model}`}>
          {entries.map((entry) => (
            <Row
              key={entry.number}
              entry={entry}
              live={live}
              open={opened.includes(entry.number)}
              setOpen={(is) => open(entry.number, is)}
              cancel={() => traits.request("cancel", { number: entry.number })}
              again={() => traits.request("again", { number: entry.number })}
            />
          ))}
        </ul>
      )}
      {hidden > 0 && live && (
        <div class="vv-more">
          <button
            type="button"
            onClick={() => traits.set("shown", Math.min(50, traits.signal("shown").value + MORE))}
          >
            {Math.min(hidden, MORE)} earlier
          </button>
        </div>
      )}
    </>
  );
});
