// Earlier runs: look at one beside the present, or go back to it.

import { tidy } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import { canonical } from "./data";
import { Output } from "./output";
import type { State } from "./state";
import type { RunWire } from "./traits";

/** "joy 0.3, sad −0.1": what was turned. */
export function labelOf(run: RunWire): string {
  const cards = run.cards.filter((card) => card.strength !== 0);
  const said = cards.map((card) => `${card.name} ${tidy(card.strength)}`);
  return said.join(", ") || "unsteered";
}

/** What two runs were run with differently, in words. */
export function differences(a: RunWire, b: RunWire): string {
  const names = Object.keys(a.controls) as (keyof typeof a.controls)[];
  const differ = names.filter(
    (name) => canonical(a.controls[name]) !== canonical(b.controls[name]),
  );
  return differ.map((name) => String(name).replaceAll("_", " ")).join(", ");
}

export const History = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const runs = traits.signal("_runs").value;
  const present = traits.signal("_shown").value;
  const compare = traits.signal("compare").value;
  if (runs.length < 2) return null;
  return (
    <div class="vv-history" role="group" aria-label="history of runs">
      <span class="vv-facts">history</span>
      {runs.map((run) => (
        <span class="vv-past" key={run.serial} aria-current={run.serial === present || undefined}>
          <button
            type="button"
            aria-pressed={run.serial === compare}
            disabled={run.serial === present}
            title={run.summary}
            onClick={() => traits.set("compare", run.serial === compare ? 0 : run.serial)}
          >
            <b>{run.serial}</b> {labelOf(run)}
          </button>
          {state.live && run.serial !== present && (
            <button
              type="button"
              class="vv-plain"
              title="set the controls to this run, and show it"
              aria-label={`restore run ${run.serial}`}
              onClick={() => traits.request("restore", { number: run.serial })}
            >
              ↺
            </button>
          )}
        </span>
      ))}
    </div>
  );
});

export const Compared = tracked(({ state }: { state: State }) => {
  const other = state.compared.value;
  const shown = state.shown.value;
  if (!other?.run) return null;
  const differ = shown?.run ? differences(shown.run, other.run) : "";
  return (
    <div class="vv-compared">
      <p class="vv-caption">
        <b>Run {other.serial}</b> {labelOf(other.run)}
        <span class="vv-facts">
          {differ ? `differs in ${differ}` : "run with the same controls"}
        </span>
      </p>
      <Output state={state} shown={other} busy={false} />
    </div>
  );
});
