// One job: a line, and what it went through when it is opened.
import { Sign, Ticking } from "../../lib/ui/job_line";
import { duration } from "../../lib/ui/numbers";
import { tracked, useSignal } from "../../lib/ui/tracked";
import { going } from "./data";
import type { JobEntry, JobStage } from "./traits";

const COPIED_MS = 1500;

interface RowProps {
  entry: JobEntry;
  /** Whether a kernel can act. */
  live: boolean;
  open: boolean;
  setOpen(open: boolean): void;
  cancel(): void;
  again(): void;
}

export const Row = tracked(({ entry, live, open, setOpen, cancel, again }: RowProps) => {
  const on = going(entry);
  return (
    <li class="vv-job" data-state={entry.state}>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <Sign state={entry.state} />
          <span class="vv-name">
            {entry.name} <span class="vv-facts">#{entry.number}</span>
          </span>
          <span class="vv-words">{entry.words}</span>
          <Times entry={entry} on={on && live} />
          {entry.wire && <span class="vv-facts vv-wire">{entry.wire}</span>}
        </summary>
        <Details entry={entry} />
      </details>
      <div class="vv-actions">
        {on && live && (
          <button type="button" onClick={cancel} title={stopMeans(entry)}>
            Stop<span class="vv-hidden"> {label(entry)}</span>
          </button>
        )}
        {entry.again && live && (
          <button type="button" onClick={again} title="with the present settings of its view">
            Run again<span class="vv-hidden"> {label(entry)}</span>
          </button>
        )}
        {entry.id && <CopyId entry={entry} show={() => setOpen(true)} />}
      </div>
      {on && (
        <div
          class="vv-bar"
          role="progressbar"
          aria-label={label(entry)}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={entry.progress > 0 ? Math.round(entry.progress * 100) : undefined}
          data-unknown={entry.progress === 0 && entry.state !== "waiting" ? "" : undefined}
        >
          <i style={entry.progress > 0 ? { width: `${entry.progress * 100}%` } : undefined} />
        </div>
      )}
      {entry.error && <p class="vv-said">{entry.error}</p>}
    </li>
  );
});

function label({ name, number }: JobEntry): string {
  return `${name}, job ${number}`;
}

function stopMeans({ state, host }: JobEntry): string {
  if (state === "waiting") return "drop it before it begins";
  if (!host) return "stop it at its next block or token";
  return `stop waiting for it: ${host} has no way to cancel, it may run to its end there`;
}

const Times = tracked(({ entry, on }: { entry: JobEntry; on: boolean }) => {
  const waits = entry.state === "waiting";
  const usual = `median of ${entry.of} finished before`;
  return (
    <span class="vv-times">
      <Ticking seconds={waits ? entry.waited : entry.seconds} on={on} />
      {entry.of > 0 && on && (
        <span class="vv-facts" title={usual}>
          {" "}
          typically {duration(entry.typical)}
        </span>
      )}
    </span>
  );
});

const Details = tracked(({ entry }: { entry: JobEntry }) => (
  <dl class="vv-details">
    <dt>waited here</dt>
    <dd>{duration(entry.waited)}</dd>
    {entry.ids.length > 0 && (
      <>
        <dt>{entry.ids.length > 1 ? "requests" : "request"}</dt>
        <dd class="vv-id">{entry.ids.join("\n")}</dd>
        <dt>at</dt>
        <dd>{entry.host}</dd>
      </>
    )}
    {entry.stages.length > 0 && (
      <>
        <dt>states</dt>
        <dd>
          <Stages stages={entry.stages} />
        </dd>
      </>
    )}
    {entry.details.length > 0 && (
      <>
        <dt>decided</dt>
        <dd>{entry.details.join("\n")}</dd>
      </>
    )}
    {entry.log.length > 0 && (
      <>
        <dt title="what the server printed meanwhile; others may run there too">its log</dt>
        <dd>
          <pre>{entry.log.join("\n")}</pre>
        </dd>
      </>
    )}
    {entry.traceback && (
      <>
        <dt>traceback</dt>
        <dd>
          <pre>{entry.traceback}</pre>
        </dd>
      </>
    )}
  </dl>
));

function Stages({ stages }: { stages: JobStage[] }) {
  const several = (stages.at(-1)?.request ?? 1) > 1;
  return (
    <ol class="vv-stages">
      {stages.map(({ request, status, at, text }, i) => (
        <li key={i}>
          <span class="vv-num">{duration(at)}</span> {several ? `${request}: ` : ""}
          {status} <span class="vv-facts">{text}</span>
        </li>
      ))}
    </ol>
  );
}

const CopyId = tracked(({ entry, show }: { entry: JobEntry; show(): void }) => {
  const said = useSignal("");
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(entry.id);
      said.value = "copied";
    } catch {
      show(); // where the page may not reach the clipboard, it is there to be selected
      said.value = "see below";
    }
    setTimeout(() => {
      said.value = "";
    }, COPIED_MS);
  }
  return (
    <button type="button" onClick={copy} title={entry.id}>
      {said.value || "Copy id"}
      <span class="vv-hidden"> of {label(entry)}</span>
    </button>
  );
});
