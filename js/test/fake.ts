// What the tests of every view begin with.
import { vi } from "vitest";
import type { BaseTraits } from "../src/lib/wire/traits";

/** The traits every view has, of one that does nothing. */
export function atRest(): BaseTraits {
  return {
    status: "idle",
    error: "",
    progress: 0,
    _stage: "",
    _job_line: {},
    _plan: "",
    _traceback: "",
    _request: {},
    _answered: 0,
    _live: true,
  };
}

/** Let what is put off to the next turn and the next frame come, and what that puts off. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

/** Stop the clock of pauses; what is returned moves it. Call `vi.useRealTimers` after the test. */
export function stoppedClock(): (ms: number) => Promise<unknown> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  return (ms) => vi.advanceTimersByTimeAsync(ms);
}
