// Written by `make wire` from volvelle/views/kit/view.py: change that.

export interface JobLine {
  words?: string;
  seconds?: number;
  wire?: string;
  id?: string;
}

export interface BaseTraits {
  _answered: number;
  _job_line: JobLine;
  _live: boolean;
  _plan: string;
  _request: Record<string, unknown>;
  _stage: string;
  _traceback: string;
  error: string;
  progress: number;
  status: "idle" | "queued" | "running" | "failed";
}

export interface BaseRequests {
  ping: Record<string, never>;
  run: Record<string, never>;
  stop: Record<string, never>;
}
