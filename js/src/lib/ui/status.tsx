// One strip under the title: what the work is doing, its progress, Stop, and failures.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals-core";
import type { Traits } from "../wire/model";
import type { BaseTraits } from "../wire/traits";
import { Ticking } from "./job_line";
import { tracked } from "./tracked";

/** After this long without an answer the kernel is taken to be busy or gone. */
export const PATIENCE_MS = 5000;

/**
 * Whether the last request has gone unanswered for `PATIENCE_MS`, or no kernel can answer.
 * The view keeps what it holds; it only says so.
 */
export function unanswered(
  traits: Traits<BaseTraits>,
  stop: AbortSignal,
  patience = PATIENCE_MS,
): ReadonlySignal<boolean> {
  const answered = traits.signal("_answered");
  const live = traits.signal("_live");
  const late = signal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = effect(() => {
    const waiting = traits.asked.value > answered.value;
    clearTimeout(timer);
    if (!waiting) late.value = false;
    else if (live.value === false) late.value = true;
    else {
      timer = setTimeout(() => {
        late.value = true;
      }, patience);
    }
  });
  stop.addEventListener("abort", () => {
    clearTimeout(timer);
    end();
  });
  return computed(() => late.value);
}

interface StatusProps {
  traits: Traits<BaseTraits>;
  /** From `unanswered`. */
  late: ReadonlySignal<boolean>;
  /** What the work is called: "encoding". */
  verb: string;
  /** Whether the strip holds the Run button of a model on a server; some views have their own. */
  runs?: boolean;
  /** Whether the view shows `Busy` where it likes: work begins under a pointer that is held down. */
  apart?: boolean;
}

/** What runs, how far it is, and Stop; nothing at rest. */
export const Busy = tracked(({ traits, verb }: Pick<StatusProps, "traits" | "verb">) => {
  const status = traits.signal("status").value;
  const progress = traits.signal("progress").value;
  const stage = traits.signal("_stage").value;
  const told = traits.signal("_job_line").value;
  if (status !== "queued" && status !== "running") return null;
  return (
    <div class="vv-note" data-kind="busy">
      <span aria-live="polite">
        {status === "queued" ? "waiting for the model" : stage || verb}
        {progress > 0 ? ` · ${Math.round(progress * 100)} %` : ""}
      </span>
      {told?.wire && (
        <span class="vv-facts" title={told.id}>
          <Ticking seconds={told.seconds ?? 0} on={true} /> · {told.wire}
        </span>
      )}
      <button type="button" onClick={() => traits.request("stop", {})}>
        Stop
      </button>
    </div>
  );
});

/** The strip. Takes no height while there is nothing to say. */
export const Status = tracked(({ traits, late, verb, runs, apart }: StatusProps) => {
  const status = traits.signal("status").value;
  const progress = traits.signal("progress").value;
  const error = traits.signal("error").value;
  const live = traits.signal("_live").value;
  const busy = status === "queued" || status === "running";
  const told = traits.signal("_job_line").value;
  const plan = traits.signal("_plan").value;
  const trace = traits.signal("_traceback").value;
  return (
    <div class="vv-status">
      {busy ? (
        <div
          class="vv-bar"
          role="progressbar"
          aria-label={verb}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={progress > 0 ? Math.round(progress * 100) : undefined}
          data-unknown={progress === 0 ? "" : undefined}
        >
          <i style={progress > 0 ? { width: `${progress * 100}%` } : undefined} />
        </div>
      ) : (
        <div class="vv-bar" />
      )}
      {!apart && <Busy traits={traits} verb={verb} />}
      {!busy && error && (
        <div class="vv-note" data-kind="error" role="alert">
          <span>{error}</span>
          {trace && (
            <details>
              <summary>full traceback</summary>
              <pre>{trace}</pre>
            </details>
          )}
        </div>
      )}
      {!busy && told?.wire && (
        <div class="vv-note" title={told.id}>
          {told.words} · {told.wire}
        </div>
      )}
      {!busy && plan && (
        <div class="vv-note" data-kind="plan">
          <span role="status">{plan}</span>
          {runs && (
            <button type="button" onClick={() => traits.request("run", {})}>
              Run
            </button>
          )}
        </div>
      )}
      {late.value && (
        <div class="vv-note" data-kind="late" role="status">
          {live
            ? "The kernel has not answered: it is busy, or gone. What is shown stays as it was."
            : "This file holds no model, so this cannot be computed here. What is shown stays."}
        </div>
      )}
    </div>
  );
});
