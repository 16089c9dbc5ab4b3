// What the tests of every view begin with.
import type { BaseTraits } from "../src/lib/wire/model";

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

/** Let signals, microtasks and Preact's queue settle. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 5));
}
