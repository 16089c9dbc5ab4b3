// Where a job is: its state as a sign and in words, how long, what went over the wire.
import { duration } from "./numbers";
import { tracked, useEffect, useRef, useSignal } from "./tracked";

/** What the reader waits for, or how it ended. */
export type JobState =
  | "waiting"
  | "sending"
  | "queued"
  | "deploying"
  | "running"
  | "done"
  | "failed"
  | "lost"
  | "stopped"
  | "left";

// One shape per state, so that none is told by its colour alone; 12 x 12.
const SHAPES: Record<JobState, [path: string, filled: boolean]> = {
  waiting: ["M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9", false],
  sending: ["M6 11V2M2.5 5.5 6 2l3.5 3.5", false],
  queued: ["M1.5 3h9M1.5 6h9M1.5 9h9", false],
  deploying: ["M6 1.5 11 10.5H1zM6 4.5v3", false],
  running: ["M3 1.5 10.5 6 3 10.5z", true],
  done: ["M1.5 6.5 4.5 9.5 10.5 2.5", false],
  failed: ["M2 2l8 8M10 2l-8 8", false],
  lost: ["M1 6h3.5M7.5 6H11M4.5 3l3 6", false],
  stopped: ["M2.5 2.5h7v7h-7z", true],
  left: ["M2.5 2.5h7v7h-7zM2.5 9.5l7-7", false],
};

/** The state's shape; the words beside it say the same. */
export function Sign({ state }: { state: JobState }) {
  const [path, filled] = SHAPES[state] ?? SHAPES.waiting;
  return (
    <svg class="vv-sign" data-state={state} viewBox="0 0 12 12" aria-hidden="true">
      <path d={path} fill={filled ? "currentColor" : "none"} />
    </svg>
  );
}

/** Seconds that go on counting until the kernel says more; not read aloud every second. */
export const Ticking = tracked(({ seconds, on }: { seconds: number; on: boolean }) => {
  const since = useRef({ seconds, at: performance.now() });
  const now = useSignal(performance.now());
  if (since.current.seconds !== seconds) since.current = { seconds, at: performance.now() };
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => {
      now.value = performance.now();
    }, 1000);
    return () => clearInterval(timer);
  }, [on]);
  const more = on ? Math.max(0, now.value - since.current.at) / 1000 : 0;
  return <span class="vv-num">{duration(seconds + more)}</span>;
});
