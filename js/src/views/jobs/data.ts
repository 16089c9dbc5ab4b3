// What the Jobs view is told (views/jobs/wire.py), as the drawing uses it.
import type { JobState } from "../../lib/ui/job_line";
import type { BaseTraits } from "../../lib/wire/model";

/** One state a request to a server was in. */
export interface Stage {
  request: number;
  status: string;
  /** Seconds since the first request was sent. */
  at: number;
  text: string;
}

export interface Entry {
  number: number;
  name: string;
  state: JobState;
  words: string;
  /** Place in the server's queue, 0 in none. */
  position: number;
  progress: number;
  seconds: number;
  waited: number;
  /** Median seconds of `of` finished jobs of this name. */
  typical: number;
  of: number;
  host: string;
  id: string;
  /** What went over the wire and what it cost, in words. */
  wire: string;
  ids: string[];
  error: string;
  traceback: string;
  stages: Stage[];
  details: string[];
  log: string[];
  again: boolean;
}

export interface Facts {
  model?: string;
  host?: string;
  /** How many jobs have ended, listed or not. */
  ended?: number;
}

export interface JobsTraits extends BaseTraits {
  shown: number;
  opened: number[];
  remote: boolean;
  _entries: Entry[];
  _facts: Facts;
}

const GOING: JobState[] = ["waiting", "sending", "queued", "deploying", "running"];

export function going({ state }: Entry): boolean {
  return GOING.includes(state);
}

/** "1 running, 2 waiting, 5 ended". */
export function counted(entries: Entry[], ended: number): string {
  const on = entries.filter(going);
  const waiting = on.filter(({ state }) => state === "waiting").length;
  return [
    on.length > waiting && `${on.length - waiting} running`,
    waiting > 0 && `${waiting} waiting`,
    `${ended} ended`,
  ]
    .filter(Boolean)
    .join(" · ");
}
