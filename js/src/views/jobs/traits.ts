// Written by `make wire` from volvelle/views/jobs/jobs.py: change that.
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface JobStage {
  request: number;
  status: string;
  at: number;
  text: string;
}

export interface JobEntry {
  number: number;
  name: string;
  state:
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
  words: string;
  position: number;
  progress: number;
  seconds: number;
  waited: number;
  typical: number;
  of: number;
  host: string;
  id: string;
  error: string;
  traceback: string;
  stages: JobStage[];
  ids: string[];
  details: string[];
  log: string[];
  again: boolean;
  wire: string;
}

export interface JobsFacts {
  model?: string;
  host?: string;
  ended?: number;
}

export interface JobsTraits extends BaseTraits {
  _entries: JobEntry[];
  _facts: JobsFacts;
  opened: number[];
  remote: boolean;
  shown: number;
}

export interface JobsRequests extends BaseRequests {
  again: { number: number };
  cancel: { number: number };
}
