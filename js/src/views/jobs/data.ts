// What the Jobs view is told (views/jobs/wire.py), as the drawing uses it.
import type { JobState } from "../../lib/ui/job_line";
import type { JobEntry } from "./traits";

const GOING: JobState[] = ["waiting", "sending", "queued", "deploying", "running"];

export function going({ state }: JobEntry): boolean {
  return GOING.includes(state);
}

/** "1 running, 2 waiting, 5 ended". */
export function counted(entries: JobEntry[], ended: number): string {
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
