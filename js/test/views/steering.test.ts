import { afterEach, describe, expect, it, vi } from "vitest";
import { makeModel } from "../../src/export/shim";
import { encode, type WireArray } from "../../src/lib/wire/arrays";
import widget from "../../src/widgets/steering";
import { atRest, settled, stoppedClock } from "../fake";

const HOSTILE = '<img src=x onerror="alert(1)">';
const f4 = (...values: number[]): WireArray => encode(Float32Array.from(values));
const u1 = (...values: number[]): WireArray => encode(Uint8Array.from(values));

function column(strength: number, strings: string[], watched: number[], band?: number[]) {
  const n = strings.length;
  return {
    strength,
    strings,
    logprobs: f4(...strings.map(() => -0.5)),
    base_logprobs: f4(...strings.map(() => -2)),
    steered: u1(...strings.map((_, i) => (strength && i < n - 1 ? 1 : 0))),
    ratios: f4(...strings.map(() => 0.25)),
    watched: f4(...watched),
    bands: band ? { random: f4(...band) } : {},
    perplexity: 3,
    repetition: 0,
    ratio: strength ? 0.25 : 0,
    ended: false,
    effective: [{ norm: strength * 0.3 }],
  };
}

function run(serial: number, words: string[], strength = 0.3) {
  return {
    serial,
    controls: { strengths: { joy: strength }, seed: 0 },
    model: "fake",
    prompt_strings: ["A", " letter"],
    prompt_steered: u1(0, 1),
    prompt_ratio: f4(0, 0.25),
    watch: [" happy"],
    columns: [
      column(0, ["the", " end", "."], [0.1, 0.1, 0.1]),
      column(1, words, [0.4, 0.6, 0.8], [0.05, 0.1, 0.2, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3]),
    ],
    placebos: { random: 5, shuffled: 0 },
    cards: [
      {
        name: "joy",
        method: "add",
        formula: "h + v",
        neutral: "strength 0",
        unit: "norm",
        strength,
        points: ["resid_post.1"],
      },
    ],
    norms: { "resid_post.1": 10 },
    settings: { seed: 0, temperature: 0 },
    summary: "P(happy) rises",
  };
}

const ROW = {
  name: "joy",
  points: ["resid_post.1"],
  movable: true,
  methods: ["add", "orthogonal", "ablate"],
  units: { add: ["norm", "raw"], orthogonal: [], ablate: [] },
  label: "",
  feature: -1,
  raw: 2,
  max_act: 0,
};

function state(changes: Record<string, unknown> = {}) {
  return {
    ...atRest(),
    strengths: { joy: 0.3 },
    units: { joy: "norm" },
    method: "add",
    methods: {},
    points: {},
    settings: {},
    muted: [],
    where: {
      prompt: "all",
      generated: "all",
      special: false,
      first: false,
      turns: "",
      when: "",
      above: 0,
    },
    prompt: "A letter",
    messages: [],
    chat: false,
    multiples: [1],
    watch: [" happy"],
    placebo: 5,
    seed: 0,
    temperature: 0,
    max_new_tokens: 8,
    live: false,
    query: "",
    compare: 0,
    _rows: [ROW],
    _norms: { "resid_post.1": 10 },
    _found: [],
    _stream: {},
    _runs: [],
    _shown: 0,
    _facts: {
      model: "fake",
      n_layers: 3,
      template: true,
      dictionary: "toy",
      methods: { add: { formula: "h + v", neutral: "strength 0" } },
      own: { orthogonal: ["c"] },
      targets: ["joy"],
    },
    ...changes,
  };
}

let end: (() => void) | undefined;

async function shown(changes: Record<string, unknown> = {}) {
  const model = makeModel(state(changes));
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  const one = <T extends HTMLElement>(selector: string) => el.querySelector<T>(selector) as T;
  return { model, el, all, one };
}

function say(element: HTMLElement, event: string, value?: string): void {
  if (value !== undefined) (element as HTMLInputElement).value = value;
  element.dispatchEvent(new Event(event, { bubbles: true }));
}

const press = (element: HTMLElement, key: string): boolean =>
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const request = (model: { get(name: string): unknown }) =>
  model.get("_request") as { kind?: string };

afterEach(() => {
  vi.useRealTimers();
  end?.();
  document.body.replaceChildren();
});

describe("controls", () => {
  it("write a strength when the slider is let go, and run only a live view", async () => {
    const { model, one } = await shown();
    const pass = stoppedClock();
    say(one("input[type=range]"), "change", "0.5");
    expect(model.get("strengths")).toEqual({ joy: 0.5 });
    await pass(400);
    expect(request(model).kind).toBeUndefined();
    model.set("live", true);
    await pass(0);
    say(one("input[type=range]"), "change", "0.6");
    await pass(300);
    say(one("input[type=range]"), "change", "0.7");
    await pass(300);
    expect(request(model).kind).toBeUndefined();
    await pass(100);
    expect(model.get("_request")).toEqual({ kind: "run", serial: 1 });
    expect(model.get("strengths")).toEqual({ joy: 0.7 });
  });

  it("step by keys, and 0 turns off", async () => {
    const { model, one } = await shown();
    expect(press(one("input[type=range]"), "ArrowRight")).toBe(false);
    expect(model.get("strengths")).toEqual({ joy: 0.31 });
    await settled();
    press(one("input[type=range]"), "0");
    expect(model.get("strengths")).toEqual({ joy: 0 });
  });

  it("follow Python", async () => {
    const { model, one } = await shown();
    model.set("strengths", { joy: -0.5 });
    await settled();
    expect(one<HTMLInputElement>("input[type=range]").value).toBe("-0.5");
  });

  it("say the same vector in another unit", async () => {
    const { model, one } = await shown();
    say(one("[aria-label='unit of joy']"), "change", "raw");
    // 0.3 of a norm of 10 is 1.5 times a vector of length 2
    expect(model.get("strengths")).toEqual({ joy: 1.5 });
    expect(model.get("units")).toEqual({ joy: "raw" });
  });

  it("choose turns of a chat, where the model has a template", async () => {
    const { model, one, all } = await shown();
    const field = "[aria-label='whose turns of a chat']";
    say(one(field), "change", "last user, think");
    expect(model.get("where")).toMatchObject({ prompt: "all", turns: "last user, think" });
    await settled();
    expect(one(".vv-settings summary").textContent).toContain("turns last user, think");
    model.set("_facts", { model: "fake", n_layers: 3, template: false });
    await settled();
    expect(all(field)).toHaveLength(1); // it can be emptied
    model.set("where", { ...(model.get("where") as object), turns: "" });
    await settled();
    expect(all(field)).toEqual([]);
  });

  it("show formula, neutral value and size", async () => {
    const { one } = await shown();
    const line = one(".vv-line").textContent;
    for (const part of ["h + v", "neutral: strength 0", "|v| 3.00"]) expect(line).toContain(part);
  });

  it("can be asked for nothing in a file without a kernel", async () => {
    const { el, one } = await shown({ _live: false, _runs: [run(1, ["a"])], _shown: 1 });
    expect(one<HTMLFieldSetElement>("fieldset").disabled).toBe(true);
    expect(el.querySelector(".vv-run")).toBeNull();
  });
});

describe("texts", () => {
  it("stand side by side, marked where steered and where changed", async () => {
    const words = ["the", " good", " end"];
    const { all } = await shown({ _runs: [run(1, words)], _shown: 1 });
    expect(all(".vv-column h4").map((h) => h.textContent)).toEqual(["unsteered", "+0.3 × |h|"]);
    const tokens = all(".vv-column:nth-child(2) .vv-tok");
    expect(tokens.map((t) => t.textContent)).toEqual(words);
    expect(tokens.map((t) => "steered" in t.dataset)).toEqual([true, true, false]);
    expect(tokens.map((t) => "changed" in t.dataset)).toEqual([false, true, false]);
  });

  it("are text, whatever they say", async () => {
    const { el, all } = await shown({ _runs: [run(1, [HOSTILE, "b", "c"])], _shown: 1 });
    expect(el.querySelector("img")).toBeNull();
    expect(all(".vv-column:nth-child(2) .vv-tok")[0]?.textContent).toBe(HOSTILE);
  });

  it("show both probabilities of a token under the pointer, and move the bars there", async () => {
    const { all, one } = await shown({ _runs: [run(1, ["a", "b", "c"])], _shown: 1 });
    const bar = () => all(".vv-column:nth-child(2) .vv-watch .vv-num")[0]?.textContent;
    expect(bar()).toBe("0.400");
    const event = new Event("pointerover", { bubbles: true });
    all(".vv-column:nth-child(2) .vv-tok")[2]?.dispatchEvent(event);
    await settled();
    const card = one(".vv-card").textContent;
    for (const part of ["token 2 of 3", "−0.500", "−2.00"]) expect(card).toContain(part);
    expect(bar()).toBe("0.800");
  });

  it("come with the placebo band", async () => {
    const { all } = await shown({ _runs: [run(1, ["a", "b", "c"])], _shown: 1 });
    const watch = all(".vv-column:nth-child(2) .vv-watch")[0];
    expect(watch?.title).toContain("random directions: 0.0500 to 0.200");
  });

  it("stream in, and stay with a note when stopped", async () => {
    const { model, all, el } = await shown({ status: "running" });
    const part = { strength: 1, strings: ["Once"], logprobs: [-1], watched: [0.5], bands: {} };
    const sizes = [{ strength: 0.3, unit: "norm", method: "add" }];
    model.set("_stream", { serial: 1, watch: [" happy"], sizes, columns: [part] });
    await settled();
    expect(all(".vv-tok").map((t) => t.textContent)).toContain("Once");
    expect(el.textContent).not.toContain("Stopped before the end");
    model.set("status", "idle");
    await settled();
    expect(el.textContent).toContain("Stopped before the end");
  });

  it("are underlined as far as they are read, in their prompt too", async () => {
    const { model, all } = await shown({ status: "running" });
    const base = { strings: ["a", "b", "c"], logprobs: [-1, -1, -1], bands: {} };
    const columns = [
      { ...base, strength: 0, steered: [0, 0], watched: [0.1, 0.3] },
      { ...base, strength: 1, steered: [1, 1], watched: [0.2, 0.4] },
    ];
    model.set("_stream", {
      serial: 1,
      watch: [" happy", " of course"],
      once: [false, true],
      sizes: [{ strength: 0.3, unit: "norm", method: "add" }],
      columns,
      prompt_strings: ["A", " letter"],
      prompt_steered: [0, 1],
      placebos: { random: 2 },
      settings: { seed: 7, temperature: 0 },
    });
    await settled();
    const marks = (selector: string) => all(selector).map((t) => "steered" in t.dataset);
    expect(marks(".vv-given .vv-tok")).toEqual([false, true]);
    expect(marks(".vv-column:nth-child(1) .vv-tok")).toEqual([false, false, false]);
    expect(marks(".vv-column:nth-child(2) .vv-tok")).toEqual([true, true, false]);
    const bars = all(".vv-column:nth-child(2) .vv-watch");
    expect(bars.map((bar) => bar.textContent)).toEqual([
      expect.not.stringContaining("after the prompt"),
      expect.stringContaining("after the prompt"),
    ]);
    expect(bars[1]?.textContent).toContain("0.400");
    expect(all(".vv-legend")[0]?.textContent).toContain("2 random directions");
    expect(all(".vv-legend")[0]?.textContent).toContain("seed 7");
  });

  it("show an answer of several tokens as it is right after the prompt", async () => {
    const one = run(1, ["a", "b"]);
    const spelled = { watch: ["yes"], spellings: [["yes", "of course"]], once: [true] };
    const nan = Number.NaN;
    const columns = [column(0, ["a", "b"], [0.25, nan]), column(1, ["a", "b"], [0.5, nan])];
    const { all } = await shown({ _runs: [{ ...one, ...spelled, columns }], _shown: 1 });
    const token = all(".vv-column:nth-child(2) .vv-tok")[1];
    token?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settled();
    const bar = all(".vv-column:nth-child(2) .vv-watch")[0];
    expect(bar?.textContent).toContain("0.500");
    expect(bar?.textContent).toContain("after the prompt");
    expect(bar?.title).toContain("counts yes, of·course");
  });

  const chat = (hidden = "Be kind") => ({
    ...run(1, ["a"]),
    prompt_strings: ["<s>", hidden, "user", " Hi", "</s>"],
    prompt_turns: ["template", "hidden", "template", "user", "template"],
    prompt_steered: u1(0, 0, 0, 1, 0),
    prompt_ratio: f4(0, 0, 0, 0.25, 0),
  });
  const given = ".vv-given .vv-tok";

  it("of a chat tell the template's tokens and its hidden prompt from what was said", async () => {
    const { el, all, one } = await shown({ _runs: [chat(HOSTILE)], _shown: 1 });
    const own = all(given).map((t) => t.dataset.own);
    expect(own).toEqual(["template", "hidden", "template", undefined, "template"]);
    expect(el.querySelector("img")).toBeNull();
    expect(all(given)[1]?.textContent).toBe(HOSTILE);
    expect(one(".vv-legend").textContent).toContain("a system prompt that the template puts there");
    all(given)[1]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settled();
    const card = one(".vv-card").textContent;
    expect(card).toContain("token 1 of the prompt · a system prompt that the template puts there");
    expect(card).toContain("not steered here");
  });

  it("of a chat leave the template out when asked, for the keys too", async () => {
    const { all, one } = await shown({ _runs: [chat()], _shown: 1 });
    one(".vv-given button").click();
    await settled();
    expect(all(given).map((t) => t.textContent)).toEqual([" Hi"]);
    expect(one(".vv-given button").textContent).toBe("show the template, 4 tokens");
    const list = one(".vv-given .vv-written");
    press(list, "End");
    await settled();
    expect(one(".vv-card").textContent).toContain("token 3 of the prompt · user");
    expect(all(given)[0]?.getAttribute("aria-selected")).toBe("true");
    press(list, "ArrowLeft");
    await settled();
    expect(one(".vv-card").textContent).toContain("token 3");
    one(".vv-given button").click();
    await settled();
    expect(all(given)).toHaveLength(5);
  });

  it("of no chat have no template to leave out", async () => {
    const { all, one } = await shown({ _runs: [run(1, ["a"])], _shown: 1 });
    expect(all(".vv-given button")).toEqual([]);
    expect(one(".vv-legend").textContent).not.toContain("template");
  });

  it("of a chat tell them while they are written", async () => {
    const { model, all } = await shown({ status: "running" });
    const { prompt_strings, prompt_turns } = chat();
    const column = { strength: 0, strings: ["a"], logprobs: [-1], watched: [0.1], bands: {} };
    const stream = { serial: 1, watch: [" happy"], columns: [column] };
    model.set("_stream", { ...stream, prompt_strings, prompt_turns, prompt_steered: [] });
    await settled();
    expect(all(given).filter((t) => t.dataset.own)).toHaveLength(4);
  });

  it("say what has been changed since", async () => {
    const { model, el } = await shown({ _runs: [run(1, ["a"])], _shown: 1 });
    expect(el.textContent).not.toContain("Changed since");
    model.set("seed", 4);
    await settled();
    expect(el.textContent).toContain("Changed since this run: seed");
  });
});

describe("history", () => {
  it("puts an earlier run below the present one, and asks to restore it", async () => {
    const runs = [run(1, ["first"], 0.1), run(2, ["second"])];
    const { model, all, one } = await shown({ _runs: runs, _shown: 2 });
    all(".vv-past button")[0]?.click();
    await settled();
    expect(model.get("compare")).toBe(1);
    expect(one(".vv-compared").textContent).toContain("differs in strengths");
    expect(one(".vv-compared").textContent).toContain("first");
    one("[aria-label='restore run 1']").click();
    expect(model.get("_request")).toEqual({ kind: "restore", number: 1, serial: 1 });
  });
});
