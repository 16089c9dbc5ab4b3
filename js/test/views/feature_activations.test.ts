import { afterEach, describe, expect, it, vi } from "vitest";
import { LEFT_OUT, PIECE, WINDOW } from "../../src/lib/wire/tokens";
import widget from "../../src/widgets/feature_activations";
import { settled, stoppedClock } from "../fake";
import { type Made, modelOf } from "./feature_activations/fake";

const HOSTILE = '<img src=x onerror="alert(1)">';
const MADE: Made = {
  tokens: ["The", " cat", " sat", ".", "\n"],
  values: { 7: [0, 4, 1, 0, 0], 12: [0, 0, 8, 2, 0], 77: [1, 0, 0, 0, 3] },
  labels: { 7: " cat · dog", 12: HOSTILE, 77: "line ends" },
};

let end: (() => void) | undefined;

async function shown(made: Made = MADE) {
  const model = modelOf(made);
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  const one = (selector: string) => all(selector)[0] as HTMLElement;
  return { model, el, all, one, chip: (i: number) => all(".vv-chip")[i] as HTMLElement };
}

function click(element: HTMLElement | undefined, keys: MouseEventInit = {}): void {
  element?.dispatchEvent(new MouseEvent("click", { bubbles: true, ...keys }));
}

function press(element: HTMLElement | undefined, key: string, keys: KeyboardEventInit = {}): void {
  element?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...keys }));
}

const features = (all: (s: string) => HTMLElement[]) =>
  all(".vv-feature .vv-index").map((e) => Number(e.textContent));

afterEach(() => {
  vi.useRealTimers();
  end?.();
  document.body.replaceChildren();
});

describe("the text", () => {
  it("is there as text, token by token", async () => {
    const { all } = await shown();
    expect(all(".vv-chip").map((c) => c.textContent)).toEqual(MADE.tokens);
  });

  it("says that the variance explained is that of the text shown", async () => {
    const { model, one } = await shown();
    const fve = { ...(model.get("_facts") as object), fve: 0.761, l0: 32 };
    model.set("_facts", fve);
    await settled();
    expect(one(".vv-head").textContent).toContain("FVE 0.76 of this text, first tokens left out");
  });

  it("shows hostile text and labels as text", async () => {
    const { el, all } = await shown({ ...MADE, tokens: ["The", HOSTILE, " x", "y", "z"] });
    expect(el.querySelector("img")).toBeNull();
    expect(all(".vv-chip")[1]?.textContent).toBe(HOSTILE);
    expect(el.querySelector(".vv-list")?.textContent).toContain(HOSTILE);
  });

  it("joins the pieces of one character to one glyph", async () => {
    const { all, model } = await shown({
      ...MADE,
      tokens: ["a", "🎉", "", "", "b"],
      flags: [0, 0, PIECE, PIECE, 0],
    });
    expect(all(".vv-chip").map((c) => c.textContent)).toEqual(["a", "🎉", "b"]);
    click(all(".vv-chip")[1]);
    expect(model.get("selected_tokens")).toEqual([1, 2, 3]);
  });

  it("draws window borders and what is left out", async () => {
    const { chip } = await shown({ ...MADE, flags: [LEFT_OUT, 0, WINDOW, 0, 0] });
    expect("out" in chip(0).dataset).toBe(true);
    expect("window" in chip(2).dataset).toBe(true);
  });

  it("puts each text of a prompt set in its row", async () => {
    const { all } = await shown({ ...MADE, starts: [0, 2] });
    expect(all(".vv-row").map((r) => r.textContent)).toEqual(["The cat", " sat.\n"]);
  });

  it("goes on in another block at a word where a paragraph is very long", async () => {
    const words = Array.from({ length: 1000 }, (_, i) => (i % 7 ? ` w${i}` : "ly"));
    const { all } = await shown({ tokens: [...words, "。".repeat(3)], values: {} });
    const blocks = all(".vv-par").map((p) => [...p.children].map((c) => c.textContent ?? ""));
    expect(blocks.map((b) => b.length)).toEqual([400, 400, 201]);
    expect(blocks.slice(1).every((b) => b[0]?.startsWith(" "))).toBe(true);
    expect(blocks.flat()).toEqual([...words, "。。。"]);
    end?.();
    const { all: other } = await shown({ tokens: new Array(1000).fill("字"), values: {} });
    expect(other(".vv-par").map((p) => p.children.length)).toEqual([800, 200]);
  });

  it("breaks the line once where it ends with carriage return and line feed", async () => {
    const tokens = ["sorry", "\r", "\n", "to", "\r", "hear"];
    const { all } = await shown({ tokens, values: {} });
    expect(all(".vv-par").map((p) => p.textContent)).toEqual(["sorry\r\n", "to\r", "hear"]);
    expect(all(".vv-newline").map((i) => i.dataset.sign)).toEqual(["␍", "↵", "␍"]);
  });

  it("says of a chosen feature that it is silent, instead of a scale", async () => {
    const quiet = { ...MADE, values: { ...MADE.values, 9: [0, 0, 0, 0, 0] } };
    const { one } = await shown({ ...quiet, traits: { selected_features: [9] } });
    expect(one(".vv-legend").textContent).toContain("silent here");
    expect(one(".vv-legend").querySelector(".vv-scale")).toBeNull();
    end?.();
    const both = await shown({ ...quiet, traits: { selected_features: [7, 9] } });
    const ranges = both.all(".vv-key .vv-facts").map((e) => e.textContent);
    expect(ranges).toEqual(["0…4.00", "silent here"]);
  });

  it("tints what fires and leaves the rest bare", async () => {
    const { chip } = await shown();
    expect(chip(1).style.background).not.toBe("");
    expect(chip(0).style.background).toBe("");
  });

  it("draws a lane for each of several features", async () => {
    const { el } = await shown({ ...MADE, traits: { selected_features: [7, 12] } });
    expect(el.querySelector<HTMLElement>(".vv-strip")?.style.getPropertyValue("--lanes")).toBe("2");
  });

  it("is redrawn when Python sends another", async () => {
    const { all, model } = await shown();
    const next = modelOf({ tokens: ["one", " two"], values: { 7: [1, 2] } });
    for (const name of [
      "_token_blob",
      "_token_lengths",
      "_token_ids",
      "_token_index",
      "_token_flags",
    ]) {
      model.set(name, next.get(name));
    }
    await settled();
    expect(all(".vv-chip").map((c) => c.textContent)).toEqual(["one", " two"]);
  });
});

describe("selecting tokens", () => {
  it("goes to Python on click, shift-click and ctrl-click", async () => {
    const { chip, model } = await shown();
    click(chip(1));
    expect(model.get("selected_tokens")).toEqual([1]);
    click(chip(3), { shiftKey: true });
    expect(model.get("selected_tokens")).toEqual([1, 2, 3]);
    click(chip(2), { ctrlKey: true });
    expect(model.get("selected_tokens")).toEqual([1, 3]);
    await settled();
    expect(chip(3).getAttribute("aria-selected")).toBe("true");
    expect(chip(2).getAttribute("aria-selected")).toBe("false");
  });

  it("comes from Python", async () => {
    const { chip, model } = await shown();
    model.set("selected_tokens", [4]);
    await settled();
    expect(chip(4).getAttribute("aria-selected")).toBe("true");
  });

  it("works with the keyboard alone", async () => {
    const { el, model } = await shown();
    const strip = el.querySelector<HTMLElement>(".vv-strip");
    strip?.focus();
    press(strip ?? undefined, "ArrowRight");
    press(strip ?? undefined, "Enter");
    expect(model.get("selected_tokens")).toEqual([1]);
    press(strip ?? undefined, "ArrowRight", { shiftKey: true });
    expect(model.get("selected_tokens")).toEqual([1, 2]);
    press(strip ?? undefined, "Escape");
    expect(model.get("selected_tokens")).toEqual([]);
  });

  it("ranks features on them at once, before Python answers", async () => {
    const { all, chip } = await shown();
    expect(features(all)).toEqual([12, 7, 77]);
    click(chip(4));
    await settled();
    expect(features(all)[0]).toBe(77);
  });
});

describe("the card", () => {
  it("says what a token is and what fires there", async () => {
    const { el, chip } = await shown();
    chip(2).dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settled();
    const text = el.querySelector(".vv-card")?.textContent ?? "";
    expect(text).toContain("·sat");
    expect(text).toContain("id 102");
    expect(text).toContain("token 2 of 5");
    expect(text).toContain("8.00");
  });

  it("gives the reason for a token left out", async () => {
    const { el, chip } = await shown({ ...MADE, flags: [LEFT_OUT, 0, 0, 0, 0] });
    chip(0).dispatchEvent(new Event("pointerover", { bubbles: true }));
    await settled();
    expect(el.querySelector(".vv-card")?.textContent).toContain("left out");
  });
});

describe("the list", () => {
  it("is sorted and filtered at once", async () => {
    const { all, el, model } = await shown();
    const input = el.querySelector<HTMLInputElement>("input[type=search]");
    if (!input) throw new Error("no filter");
    input.value = "DOG";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    expect(features(all)).toEqual([7]);
    model.set("pinned_features", [77]);
    await settled();
    expect(features(all)).toEqual([77, 7]);
  });

  it("filters by the beginning of a number", async () => {
    const { all } = await shown({ ...MADE, traits: { query: "7" } });
    expect(features(all)).toEqual([7, 77]);
  });

  it("keeps pinned features on top whatever the order", async () => {
    const { all, model } = await shown({
      ...MADE,
      traits: { sort_by: "index", pinned_features: [77] },
    });
    expect(features(all)).toEqual([77, 7, 12]);
    model.set("sort_by", "mean");
    await settled();
    expect(features(all)).toEqual([77, 12, 7]);
  });

  it("chooses with a click, adds with ctrl, and takes back", async () => {
    const { all, model } = await shown();
    click(all(".vv-feature")[0]);
    expect(model.get("selected_features")).toEqual([12]);
    click(all(".vv-feature")[2], { ctrlKey: true });
    expect(model.get("selected_features")).toEqual([12, 77]);
    click(all(".vv-feature")[2], { ctrlKey: true });
    expect(model.get("selected_features")).toEqual([12]);
  });

  it("works with the keyboard alone", async () => {
    const { el, model } = await shown();
    const list = el.querySelector<HTMLElement>(".vv-list") ?? undefined;
    press(list, "ArrowDown");
    await settled();
    press(list, "Enter");
    expect(model.get("selected_features")).toEqual([12]);
    press(list, "ArrowDown");
    await settled();
    press(list, " ");
    expect(model.get("selected_features")).toEqual([12, 7]);
    press(list, "p");
    expect(model.get("pinned_features")).toEqual([7]);
    await settled();
    expect(list?.getAttribute("aria-activedescendant")).toBeTruthy();
  });

  it("never chooses a ninth", async () => {
    const values = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [i, [1, 0, 0, 0, i + 1]]),
    );
    const eight = [0, 1, 2, 3, 4, 5, 6, 7];
    const { all, model } = await shown({ ...MADE, values, traits: { selected_features: eight } });
    click(all(".vv-feature")[0], { ctrlKey: true });
    expect(model.get("selected_features")).toEqual(eight);
  });
});

describe("typing", () => {
  it("sends a text once the typing pauses, with a sign of life asked for", async () => {
    const pass = stoppedClock();
    const model = modelOf(MADE);
    const el = document.createElement("div");
    document.body.append(el);
    end = widget.render({ model: model as never, el });
    await pass(20);
    const edit = [...el.querySelectorAll("button")].find((b) => b.textContent === "Edit");
    click(edit);
    await pass(20);
    const area = el.querySelector("textarea");
    if (!area) throw new Error("no editor");
    for (const text of ["A", "A d", "A dog"]) {
      area.value = text;
      area.dispatchEvent(new Event("input", { bubbles: true }));
      await pass(100);
    }
    expect(model.get("text")).toBe("The cat sat.\n");
    await pass(200);
    expect(model.get("text")).toBe("A dog");
    expect(model.get("_request")).toEqual({ serial: 1, kind: "ping" });
    await pass(6000);
    expect(el.textContent).toContain("The kernel has not answered");
    model.set("_answered", 1);
    await pass(20);
    expect(el.textContent).not.toContain("The kernel has not answered");
  });
});

describe("states", () => {
  it("shows progress and stops", async () => {
    const { el, model } = await shown();
    model.set("status", "running");
    model.set("progress", 0.4);
    await settled();
    expect(el.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("40");
    click([...el.querySelectorAll("button")].find((b) => b.textContent === "Stop"));
    expect((model.get("_request") as { kind: string }).kind).toBe("stop");
  });

  it("shows a failure and keeps the last result", async () => {
    const { el, all, model } = await shown();
    model.set("error", "this SAE reads 768-dimensional vectors");
    model.set("status", "failed");
    await settled();
    expect(el.querySelector("[role=alert]")?.textContent).toContain("768");
    expect(all(".vv-chip")).toHaveLength(5);
  });

  it("says when there is no text, and while the first is encoded", async () => {
    const { el, model } = await shown({ tokens: [], values: {} });
    expect(el.textContent).toContain("no text yet");
    expect(el.textContent).toContain("nothing fires");
    model.set("query", "cat");
    await settled();
    expect(el.textContent).toContain("no feature matches");
    model.set("status", "running");
    await settled();
    expect(el.textContent).toContain("encoding the text");
  });

  it("explores an exported file without a kernel, and says what it lacks", async () => {
    const { el, model, all } = await shown({ ...MADE, traits: { _live: false } });
    expect([...el.querySelectorAll("button")].some((b) => b.textContent === "Edit")).toBe(false);
    click(all(".vv-feature")[1]);
    await settled();
    expect(el.textContent).not.toContain("holds no model");
    model.set("selected_features", [999]);
    await settled();
    expect(el.textContent).toContain("only where among a token's strongest");
  });

  it("lets go of everything when the view goes", async () => {
    const { el, model } = await shown();
    end?.();
    end = undefined;
    model.set("status", "running");
    await settled();
    expect(el.querySelector("[role=progressbar]")).toBeNull();
  });
});
