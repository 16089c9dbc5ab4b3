import { afterEach, describe, expect, it, vi } from "vitest";
import { makeModel } from "../../src/export/shim";
import type { JobEntry } from "../../src/views/jobs/traits";
import widget from "../../src/widgets/jobs";
import { atRest, settled } from "../fake";

const HOSTILE = '<img src=x onerror="alert(1)">';

function job(number: number, changes: Partial<JobEntry>): JobEntry {
  return {
    number,
    name: "steer",
    state: "done",
    words: "done",
    position: 0,
    progress: 0,
    seconds: 3.2,
    waited: 0.1,
    typical: 0,
    of: 0,
    host: "http://127.0.0.1:18001",
    id: `id-${number}`,
    ids: [`id-${number}`],
    wire: "41 kB sent · 12 kB back",
    error: "",
    traceback: "",
    stages: [],
    details: [],
    log: [],
    again: false,
    ...changes,
  };
}

let end: (() => void) | undefined;

async function shown(entries: JobEntry[], changes: Record<string, unknown> = {}) {
  const ended = entries.filter(({ state }) => ["done", "failed", "left"].includes(state)).length;
  const model = makeModel({
    ...atRest(),
    shown: 3,
    opened: [],
    remote: true,
    _entries: entries,
    _facts: { model: "fake", host: "http://127.0.0.1:18001", ended },
    ...changes,
  });
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  return { model, el };
}

const rows = (el: HTMLElement) => [...el.querySelectorAll<HTMLElement>(".vv-job")];
function button(el: HTMLElement, name: string): HTMLButtonElement {
  const found = [...el.querySelectorAll("button")].find((b) => b.textContent?.startsWith(name));
  if (!found) throw new Error(`no button ${name}`);
  return found;
}

afterEach(() => {
  end?.();
  end = undefined;
  document.body.replaceChildren();
});

describe("the list of jobs", () => {
  it("says that nothing has run, and that nothing is sent unasked", async () => {
    const { el } = await shown([]);
    expect(el.textContent).toContain("Nothing has run on fake yet");
    expect(el.textContent).toContain("Nothing is sent before");
  });

  it("says each state in words beside a shape of its own", async () => {
    const states = ["waiting", "sending", "queued", "deploying", "running"] as const;
    const ended = ["done", "failed", "lost", "stopped", "left"] as const;
    const all = [...states, ...ended];
    const { el } = await shown(all.map((state, i) => job(i, { state, words: `is ${state}` })));
    const shapes = rows(el).map((row) => row.querySelector("path")?.getAttribute("d"));
    expect(new Set(shapes).size).toBe(all.length);
    expect(rows(el).map((row) => row.querySelector(".vv-words")?.textContent)).toEqual(
      all.map((state) => `is ${state}`),
    );
  });

  it("shows progress, elapsed and typical time, bytes and cost of what runs", async () => {
    const { el } = await shown([
      job(4, { state: "running", progress: 0.4, typical: 2, of: 3, seconds: 1.5 }),
    ]);
    expect(el.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("40");
    expect(el.querySelector(".vv-times")?.textContent).toBe("1.5 s typically 2.0 s");
    expect(el.querySelector(".vv-wire")?.textContent).toBe("41 kB sent · 12 kB back");
    expect(el.querySelector(".vv-head")?.textContent).toContain("1 running · 0 ended");
  });

  it("announces a change of state politely, and not the seconds", async () => {
    const { el, model } = await shown([job(4, { state: "queued", words: "position 2" })]);
    const live = el.querySelector(".vv-hidden[aria-live=polite]");
    expect(live?.textContent).toBe("steer: position 2");
    model.set("_entries", [job(4, { state: "queued", words: "position 1", seconds: 9 })]);
    await settled();
    expect(live?.textContent).toBe("steer: position 1");
  });

  it("asks to stop one job, or all, and says what stopping means", async () => {
    const going = [job(4, { state: "running" }), job(5, { state: "waiting", host: "" })];
    const { el, model } = await shown(going);
    const stop = button(rows(el)[0] as HTMLElement, "Stop");
    expect(stop.title).toContain("no way to cancel");
    stop.click();
    expect(model.get("_request")).toMatchObject({ kind: "cancel", number: 4 });
    button(el, "Stop all").click();
    expect(model.get("_request")).toMatchObject({ kind: "stop" });
  });

  it("offers to run again only what can be", async () => {
    const { el, model } = await shown([job(4, { again: true }), job(3, { again: false })]);
    expect(rows(el)[1]?.textContent).not.toContain("Run again");
    button(rows(el)[0] as HTMLElement, "Run again").click();
    expect(model.get("_request")).toMatchObject({ kind: "again", number: 4 });
  });

  it("copies an id, and shows it where the page may not", async () => {
    const written = vi.fn().mockRejectedValue(new Error("not allowed"));
    vi.stubGlobal("navigator", { clipboard: { writeText: written } });
    const { el, model } = await shown([job(4, {})]);
    button(el, "Copy id").click();
    await settled();
    expect(written).toHaveBeenCalledWith("id-4");
    expect(model.get("opened")).toEqual([4]);
    vi.unstubAllGlobals();
  });

  it("opens a job's details, and shows strangers' words as text", async () => {
    const { el } = await shown(
      [
        job(4, {
          state: "failed",
          name: HOSTILE,
          words: HOSTILE,
          error: HOSTILE,
          traceback: HOSTILE,
          log: [HOSTILE],
          details: [HOSTILE],
          ids: [HOSTILE],
          stages: [{ request: 1, status: HOSTILE, at: 0, text: HOSTILE }],
        }),
      ],
      { opened: [4] },
    );
    expect(el.querySelector("details")?.open).toBe(true);
    expect(el.querySelectorAll("img").length).toBe(0);
    expect(el.textContent?.split(HOSTILE).length).toBeGreaterThan(8);
  });

  it("shows more of what has ended when asked to", async () => {
    const { el, model } = await shown([job(4, {})], { _facts: { model: "fake", ended: 8 } });
    button(el, "7 earlier").click();
    expect(model.get("shown")).toBe(13);
  });

  it("offers nothing that needs a kernel in an exported file", async () => {
    const { el } = await shown([job(4, { state: "running" })], { _live: false });
    expect([...el.querySelectorAll("button")].map((b) => b.textContent)).toEqual([
      "Copy id of steer, job 4",
    ]);
  });
});

describe("a view's own line", () => {
  it("says where its job is and what went over the wire", async () => {
    const { el, model } = await shown([], {
      status: "running",
      _stage: "in the server's queue, position 2",
      _job_line: { words: "in the queue", seconds: 12, wire: "41 kB sent", id: "abc at host" },
    });
    const line = el.querySelector(".vv-note[data-kind=busy]");
    expect(line?.querySelector("[aria-live]")?.textContent).toBe(
      "in the server's queue, position 2",
    );
    expect(line?.querySelector(".vv-facts")?.textContent).toBe("12 s · 41 kB sent");
    model.set("_job_line", { words: "last run: 13 s", seconds: 13, wire: "41 kB sent", id: "abc" });
    model.set("status", "idle");
    await settled();
    expect(el.querySelector(".vv-note")?.textContent).toBe("last run: 13 s · 41 kB sent");
  });

  it("folds the traceback of a failure", async () => {
    const { el } = await shown([], {
      status: "failed",
      error: "no server answers; check remote=",
      _traceback: HOSTILE,
    });
    const fold = el.querySelector<HTMLDetailsElement>(".vv-note details");
    expect(fold?.open).toBe(false);
    expect(fold?.querySelector("pre")?.textContent).toBe(HOSTILE);
  });
});
