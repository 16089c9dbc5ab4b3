// Jobs in a notebook: the model's traits joined to the drawing.
import { type BaseTraits, connect, type Model } from "../lib/wire/model";
import { drawJobs } from "../views/jobs";
import type { JobsTraits as Drawn } from "../views/jobs/data";

/** The synced traits of views/jobs/jobs.py; a test holds the two together. */
interface JobsTraits extends BaseTraits {
  shown: number;
  opened: number[];
  remote: boolean;
  _entries: Record<string, unknown>[];
  _facts: Record<string, unknown>;
}

interface Context {
  model: Model<JobsTraits>;
  el: HTMLElement;
}

function render({ model, el }: Context): () => void {
  const stop = new AbortController();
  // the drawing knows what its records hold; Python writes them
  drawJobs(el, connect(model as unknown as Model<Drawn>, stop.signal), stop.signal);
  return () => stop.abort();
}

export default { render };
