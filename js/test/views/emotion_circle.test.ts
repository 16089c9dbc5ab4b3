import { afterEach, describe, expect, it } from "vitest";
import { makeModel } from "../../src/export/shim";
import { encode, type WireArray } from "../../src/lib/wire/arrays";
import widget from "../../src/widgets/emotion_circle";
import { atRest, settled } from "../fake";

const f4 = (values: number[], shape?: number[]): WireArray =>
  encode(Float32Array.from(values), shape);
const NONE = Number.NaN;
const NAMES = ["glad", "tense", '<img src=x onerror="alert(1)">', "calm"];
const LN = Math.log;

const TRAIL = {
  strings: ["She", " laughed", " loud"],
  xy: f4([NONE, NONE, 0.1, 0.5, 0.9, 1.9], [3, 2]),
  starts: encode(Uint32Array.from([0])),
  means: f4([0.5, 0.7], [1, 2]),
};
const EXPECTED = {
  words: ["glad", "tense", "calm"],
  base: f4([LN(0.1), LN(0.2), LN(0.05)]),
  now: f4([LN(0.3), LN(0.1), LN(0.05)]),
  at: { angle: 40, strength: 0.15, plane: "circle", prompt: "I feel", layer: 1, seed: 0 },
};

function traits(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...atRest(),
    angle: 40,
    strength: 0.15,
    rim: 0.3,
    snap: false,
    selected: [],
    _names: NAMES,
    _places: f4(
      [
        ...[10, 0.8, 349, 5, 6],
        ...[140, 0.7, 93, 14, 14],
        ...[200, 0.6, NONE, 3, 3],
        ...[320, 0.75, 316, 6, 8],
      ],
      [4, 5],
    ),
    _facts: {
      model: "fake",
      remote: false,
      point: "resid_post.1",
      layer: 1,
      source: "fake, templates",
      axes: ["valence", "arousal"],
      verdict: "circular correlation 0.79; 95 % of shuffles below 0.12",
      found: true,
      scored: true,
      n: 4,
      n_null: 100,
      ring: 20,
    },
    layer: 1,
    text: "She laughed loud",
    texts: [],
    prompt: "I feel",
    mode: "words",
    plane: "circle",
    max_new_tokens: 24,
    temperature: 0,
    seed: 0,
    placebo: 10,
    _layers: {
      points: ["embed", "resid_post.0", "resid_post.1"],
      scores: f4(
        [
          ...[0.1, 0.2, 0.3, 0.4, 0.6],
          ...[0.2, 0.2, 0.3, 0.4, 0.04],
          ...[0.8, 0.2, 0.9, 0.7, 0.001],
        ],
        [3, 5],
      ),
    },
    _trail: TRAIL,
    _expected: EXPECTED,
    _written: {},
    _wheel: {},
    ...changes,
  };
}

const WHEEL = {
  _wheel: {
    words: ["glad", "tense", "sunny"],
    curves: f4([1, 0, -1, 0, 0, 2, 0, -2, 1, 0, -1, 0], [3, 4]),
    fits: f4(
      [...[349, 0, 0, 1, 0.9, 0.3], ...[93, 0, 90, 2, 0.9, 0.3], ...[45, 1, 0, 1, 0.9, 0.3]],
      [3, 6],
    ),
    base: f4([LN(0.1), LN(0.1), LN(0.1)]),
    angles: [0, 90, 180, 270],
    strength: 0.15,
    says: "circular correlation of peak angles 0.75; 10 random planes up to 0.20",
    n_prompts: 5,
    prompts: ["I feel"],
    placebos: { random: 10 },
    left_out: [],
    texts: [
      { angle: null, text: "plain", valence: 0 },
      { angle: 90, text: "<b>bold</b>", valence: -0.5 },
    ],
    text_prompt: "I feel",
  },
};

let end: (() => void) | undefined;

async function shown(changes: Record<string, unknown> = {}) {
  const model = makeModel(traits(changes));
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  const one = (selector: string) => {
    const found = all(selector)[0];
    if (!found) throw new Error(`no ${selector}`);
    return found;
  };
  return { model, el, all, one };
}

function press(element: HTMLElement, key: string, keys: KeyboardEventInit = {}): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...keys }));
}

function pointer(element: Element, type: string, at: { clientX?: number; clientY?: number } = {}) {
  element.dispatchEvent(new PointerEvent(type, { bubbles: true, button: 0, ...at }));
}

const words = (all: (s: string) => HTMLElement[]): (string | undefined)[] =>
  all(".vv-words li")
    .map((row) => ({ row, y: Number(/translateY\((\d+)/.exec(row.style.transform)?.[1]) }))
    .sort((a, b) => a.y - b.y)
    .map(({ row }) => row.dataset.word);

afterEach(() => {
  end?.();
  document.body.replaceChildren();
});

describe("the dial", () => {
  it("shows every name as text, hostile ones too", async () => {
    const { el, all } = await shown();
    expect(all(".vv-place text").map((t) => t.textContent)).toEqual(NAMES);
    expect(el.querySelector("img")).toBeNull();
  });

  it("says its score beside its null", async () => {
    const { one } = await shown();
    expect(one(".vv-verdict").textContent).toContain("95 % of shuffles below 0.12");
  });

  it("draws a line to each reference there is, and an arc of the bootstrap", async () => {
    const { all } = await shown();
    expect(all(".vv-ref-line")).toHaveLength(3);
    expect(all(".vv-spread")).toHaveLength(4);
  });

  it("is a slider for those who do not see it", async () => {
    const { one } = await shown();
    const hand = one("[role=slider].vv-hand");
    expect(hand.getAttribute("aria-valuenow")).toBe("40");
    expect(hand.getAttribute("aria-valuetext")).toContain("near glad");
    expect(hand.getAttribute("tabindex")).toBe("0");
  });

  it("turns with keys and tells Python", async () => {
    const { model, one } = await shown();
    press(one(".vv-hand"), "ArrowRight");
    expect(model.get("angle")).toBe(45);
    press(one(".vv-hand"), "PageDown");
    expect(model.get("angle")).toBe(15);
    press(one(".vv-hand"), "-");
    expect(model.get("strength")).toBeCloseTo(0.14);
  });

  it("turns with the pointer: angle and length at once, and Python hears the end", async () => {
    const { model, one } = await shown();
    // nothing is laid out here: the dial's middle is at 0, 0
    pointer(one(".vv-dial-disc"), "pointerdown", { clientX: 0, clientY: -50 });
    pointer(one(".vv-dial-disc"), "pointermove", { clientX: -5000, clientY: 0 });
    pointer(one(".vv-dial-disc"), "pointerup", {});
    expect(model.get("angle")).toBe(180);
    expect(model.get("strength")).toBe(0.3);
  });

  it("snaps to the nearest name where asked to", async () => {
    const { model, one } = await shown({ snap: true });
    pointer(one(".vv-dial-disc"), "pointerdown", { clientX: 0, clientY: -50 });
    pointer(one(".vv-dial-disc"), "pointerup");
    expect(model.get("angle")).toBe(140);
  });

  it("follows Python", async () => {
    const { model, one } = await shown();
    model.set("angle", 200);
    await settled();
    expect(one(".vv-hand").getAttribute("aria-valuenow")).toBe("200");
  });

  it("selects a name on click and lights it on hover", async () => {
    const { model, all, one } = await shown();
    const place = all(".vv-place[role=button]")[3] as HTMLElement;
    place.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(model.get("selected")).toEqual(["calm"]);
    pointer(place, "pointerenter");
    await settled();
    expect(one(".vv-readout").textContent).toContain("reference 316°, off +4°");
  });
});

describe("reading", () => {
  it("lights a token on the dial when it is hovered in the text, and the other way round", async () => {
    const { all, one } = await shown();
    pointer(one(".vv-chip[data-token='1']"), "pointerenter");
    await settled();
    expect(all(".vv-token-mark[data-lit]").map((m) => m.dataset.token)).toEqual(["1"]);
    pointer(one(".vv-token-mark[data-token='2']"), "pointerenter");
    await settled();
    expect(all(".vv-chip[data-lit]").map((c) => c.textContent)).toEqual([" loud"]);
  });

  it("leaves out first tokens and marks those beyond the ring", async () => {
    const { all } = await shown();
    expect(all(".vv-chip[data-out]").map((c) => c.textContent)).toEqual(["She"]);
    expect(all(".vv-token-mark").map((m) => "far" in m.dataset)).toEqual([false, true]);
  });

  it("draws one arrow per text", async () => {
    const { all } = await shown({
      text: "",
      texts: ["a", "b"],
      _trail: {
        ...TRAIL,
        starts: encode(Uint32Array.from([0, 2])),
        means: f4([0.5, 0.7, -0.5, 0.1], [2, 2]),
      },
    });
    expect(all(".vv-mean")).toHaveLength(2);
    expect(all(".vv-mean-number").map((n) => n.textContent)).toEqual(["1", "2"]);
  });
});

describe("turning", () => {
  it("orders words by their probability at the hand, and again when it changes", async () => {
    const { all, model } = await shown();
    expect(words(all)).toEqual(["glad", "tense", "calm"]);
    model.set("_expected", { ...EXPECTED, now: f4([LN(0.01), LN(0.1), LN(0.5)]) });
    await settled();
    expect(words(all)).toEqual(["calm", "tense", "glad"]);
  });

  it("says when the bars belong to an earlier hand", async () => {
    const { one, model } = await shown();
    expect(one(".vv-words").dataset.late).toBeUndefined();
    model.set("angle", 100);
    await settled();
    expect(one(".vv-words").dataset.late).toBe("");
  });

  it("shows written text as text, beside the unsteered one", async () => {
    const { all } = await shown({
      mode: "text",
      _written: {
        base: [" fine"],
        steered: [" <i>sad</i>"],
        at: { angle: 0, strength: 0.1, plane: "circle", prompt: "I feel", layer: 1, seed: 0 },
        done: true,
      },
    });
    expect(all(".vv-written p").map((p) => p.textContent)).toEqual([
      "I feel fine",
      "I feel <i>sad</i>",
    ]);
  });

  it("has the placebo planes a click away", async () => {
    const { all, model } = await shown();
    all("button")
      .find((b) => b.textContent?.includes("random plane"))
      ?.click();
    expect(model.get("plane")).toBe("random");
  });

  it("says that a circle alone neither reads nor turns, and offers nothing that would", async () => {
    const facts = { ...(traits()._facts as object), model: undefined };
    const { all, one } = await shown({ _facts: facts, text: "" });
    expect(one(".vv-right").textContent).toContain("vv.EmotionCircle(model, circle)");
    expect(all(".vv-right input, .vv-right button, .vv-right textarea")).toEqual([]);
  });

  it("has a Run for a model on a server, and sends no drag there", async () => {
    const facts = { ...(traits()._facts as object), remote: true };
    const { all, model, one } = await shown({ _facts: facts });
    pointer(one(".vv-dial-disc"), "pointerdown", { clientX: 0, clientY: -50 });
    expect(model.get("angle")).toBe(40);
    all("button")
      .find((b) => b.textContent === "Run")
      ?.click();
    expect(model.get("_request")).toMatchObject({ kind: "run" });
  });
});

describe("layers", () => {
  it("change on click and by keys; the embedding is no layer", async () => {
    const { one, model } = await shown();
    one(".vv-layer[data-layer='0']").click();
    expect(model.get("layer")).toBe(0);
    await settled();
    one(".vv-layer[data-layer='-1']").click();
    expect(model.get("layer")).toBe(0);
    press(one(".vv-layer-bars"), "ArrowRight");
    expect(model.get("layer")).toBe(1);
  });
});

describe("the strip of layers", () => {
  it("has the embedding first and a p for each that pays for all of them", async () => {
    const { all, one } = await shown();
    expect(one(".vv-layer-key").textContent).toContain("here p 0.0010 over 3 points");
    const titles = all(".vv-layer").map((e) => e.title);
    expect(titles[0]).toContain("embedding: circular correlation 0.10, p 0.60 over 3 points");
    expect(titles[2]).toContain("layer 1: circular correlation 0.80, p 0.0010 over 3 points");
    const marks = all(".vv-layer b").map((e) => e.style.bottom);
    expect(new Set(marks)).toEqual(new Set(["9.2px"]));
  });
});

describe("the wheel", () => {
  it("is asked of Python", async () => {
    const { all, model } = await shown();
    all("button")
      .find((b) => b.textContent === "Turn all angles")
      ?.click();
    expect(model.get("_request")).toMatchObject({ kind: "around" });
  });

  it("draws a curve per word, seen and unseen apart, its null in words, its texts as text", async () => {
    const { all, one } = await shown(WHEEL);
    expect(all(".vv-curve figcaption").map((c) => c.textContent)).toEqual([
      "tense",
      "glad",
      "sunny",
    ]);
    expect(one("details").textContent).toContain("sunny");
    expect(one(".vv-says").textContent).toContain("random planes up to 0.20");
    expect(all(".vv-said p").map((p) => p.textContent)).toEqual(["plain", "<b>bold</b>"]);
  });

  it("answers the hand in a file without a kernel", async () => {
    const { all, model } = await shown({ ...WHEEL, _live: false });
    model.set("angle", 90);
    await settled();
    expect(words(all)).toEqual(["tense", "glad"]);
    model.set("angle", 270);
    await settled();
    expect(words(all)).toEqual(["glad", "tense"]);
  });
});
