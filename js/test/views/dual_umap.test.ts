import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeModel } from "../../src/export/shim";
import { unpackSelection } from "../../src/lib/scatter/selection";
import { encode } from "../../src/lib/wire/arrays";
import widget from "../../src/widgets/dual_umap";
import { atRest, settled, stoppedClock } from "../fake";

const HOSTILE = '<img src=x onerror="alert(1)">';
const FULL = 65534;
/** Five points of a on a diagonal, four of b beside them; a0-b0 and a1-b3 match. */
const A = [0.1, 0.3, 0.5, 0.7, 0.9];
const B = [0.1, 0.5, 0.7, 0.3];

const text = (lines: string[]) => encode(new TextEncoder().encode(lines.join("\n")));
const places = (values: number[]) =>
  encode(Uint16Array.from(values.flatMap((v) => [v * FULL, v * FULL])), [values.length, 2]);
const f4 = (values: number[], shape?: number[]) => encode(Float32Array.from(values), shape);
const none = encode(new Uint8Array(0), [0]);

function traits(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const near = [2, 0, 0, 1, 3, 0];
  return {
    ...atRest(),
    selected_a: encode(new Uint32Array(0)),
    selected_b: encode(new Uint32Array(0)),
    selected_features: [],
    features_of: "a",
    color_by: "dictionary",
    panels: "two",
    query: "",
    values_a: f4([]),
    values_b: f4([]),
    values_name: "",
    _xy_a: places(A),
    _xy_b: places(B),
    _some_a: places([]),
    _some_b: places([]),
    _labels_a: text(["joy · glad", "rain", HOSTILE, "cat · dog", "sea"]),
    _labels_b: text(["glad · happy", "code", "cats", "storm"]),
    _promoted_a: text(["happy · joy", "", "", "", ""]),
    _promoted_b: none,
    _density_a: f4([-1, -2, -3, -4, Number.NaN]),
    _density_b: none,
    _cluster_a: encode(Uint8Array.from([0, 0, 1, 1, 255])),
    _cluster_b: encode(Uint8Array.from([0, 0, 1, 1])),
    _near_a: encode(Uint16Array.from(A.flatMap(() => near)), [5, 6]),
    _near_b: encode(Uint16Array.from(B.flatMap(() => near)), [4, 6]),
    _near_score_a: f4(
      A.flatMap(() => [0.9, 0, 0, 0.8, 0.4, 0]),
      [5, 6],
    ),
    _near_score_b: f4(
      B.flatMap(() => [0.9, 0, 0, 0.8, 0.4, 0]),
      [4, 6],
    ),
    _pairs: encode(Uint16Array.from([0, 0, 1, 3]), [2, 2]),
    _pair_scores: f4([0.95, 0.6]),
    _regions: [{ x: 0.2, y: 0.2, level: 0, n: 3, text: "mood" }],
    _facts: {
      model: "fake",
      name_a: "a",
      name_b: "b",
      point_a: "resid_post.1",
      point_b: "resid_post.1",
      n_a: 5,
      n_b: 4,
      alive_a: 5,
      alive_b: 4,
      mode: "joint",
      match: "decoder",
      n_rows: 0,
      n_matched: 2,
      n_compared: 4,
      n_expected: 0.8,
      matched_share: 0.5,
      threshold: 0.3,
      n_of_one_family: 3,
      twins: 0.7,
      twins_low: -0.04,
      twins_high: 0.05,
      trustworthiness: 0.81,
      recall: 0.2,
      seed: 0,
      n_neighbors: 15,
      n_epochs: 100,
      search: "exact",
    },
    _drawn: "",
    _looked: {},
    _seen: 0,
    ...changes,
  };
}

let end: (() => void) | undefined;

async function shown(changes: Record<string, unknown> = {}) {
  const model = makeModel(traits(changes));
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  const stage = el.querySelector(".vv-stage") as HTMLElement;
  const selected = () => [
    [...unpackSelection(model.get("selected_a") as never)],
    [...unpackSelection(model.get("selected_b") as never)],
  ];
  return { model, el, all, stage, selected };
}

/** Two panels of 400 x 400: the world 0...1 covers 364 pixels around the middle of each. */
const onA = (v: number): [number, number] => [200 + (v - 0.5) * 364, 200 - (v - 0.5) * 364];
const onB = (v: number): [number, number] => [onA(v)[0] + 401, onA(v)[1]];

function point(stage: HTMLElement, kind: string, [x, y]: number[], keys: PointerEventInit = {}) {
  const init = { bubbles: true, button: 0, pointerId: 1, pointerType: "mouse", ...keys };
  stage.dispatchEvent(new PointerEvent(kind, { ...init, clientX: x ?? 0, clientY: y ?? 0 }));
}
function click(stage: HTMLElement, at: [number, number], keys: PointerEventInit = {}): void {
  point(stage, "pointerdown", at, keys);
  point(stage, "pointerup", at, keys);
}
function drag(stage: HTMLElement, path: [number, number][], keys: PointerEventInit = {}): void {
  point(stage, "pointerdown", path[0] as [number, number], keys);
  for (const at of path.slice(1)) point(stage, "pointermove", at, keys);
  point(stage, "pointerup", path.at(-1) as [number, number], keys);
}
function press(element: HTMLElement, key: string, keys: KeyboardEventInit = {}): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...keys }));
}
const button = (all: (s: string) => HTMLElement[], name: string) =>
  all("button").find((b) => b.textContent === name) as HTMLElement;

beforeEach(() => {
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 801 });
  Object.defineProperty(HTMLElement.prototype, "clientHeight", { configurable: true, value: 400 });
});
afterEach(() => {
  vi.useRealTimers();
  end?.();
  document.body.replaceChildren();
  Reflect.deleteProperty(HTMLElement.prototype, "clientWidth");
  Reflect.deleteProperty(HTMLElement.prototype, "clientHeight");
});

describe("the head", () => {
  it("says model, point, dictionaries, and each number beside its null", async () => {
    const { el } = await shown();
    const said = el.textContent ?? "";
    for (const part of [
      "fake · resid_post.1 · a and b",
      "2 of 4 (50 %)",
      "95 % of chance; 1 expected; 3 more only of one family",
    ]) {
      expect(said).toContain(part);
    }
    expect(said).toContain("twins 70.0 % beyond chance; −4.0 … 5.0 % when labels are permuted");
    expect(said).toContain("seed 0");
  });

  it("say so where two dictionaries keep apart", async () => {
    const facts = { ...(traits()._facts as object), twins: -0.12 };
    const { el } = await shown({ _facts: facts });
    expect(el.querySelector(".vv-numbers")?.textContent).toContain("twins −12.0 %");
  });

  it("says how far the seed moves the picture once somebody asked", async () => {
    const { all, model } = await shown();
    expect(all(".vv-numbers")[0]?.textContent).not.toContain("seed moves");
    model.set("_facts", { ...(model.get("_facts") as object), stability: 0.21, n_seeds: 3 });
    await settled();
    expect(all(".vv-numbers")[0]?.textContent).toContain("moves with the seed 0.21");
  });

  it("names the principal axes as what they are", async () => {
    const { all } = await shown({ _drawn: "principal axes" });
    expect(all(".vv-drawn")[0]?.textContent).toContain("a first picture");
  });

  it("says that nothing is there yet", async () => {
    const empty = { _xy_a: places([]), _xy_b: places([]), _facts: {}, _pairs: none };
    const { el } = await shown(empty);
    expect(el.textContent).toContain("nothing laid out yet");
  });

  it("shows some points of a very large map until all have come", async () => {
    const some = { _xy_a: places([]), _xy_b: places([]), _some_a: places(A), _some_b: places(B) };
    const { el, model, stage, selected } = await shown({ ...some, _pairs: none });
    expect(el.textContent).not.toContain("nothing laid out yet");
    // which features they are is not known yet
    click(stage, onA(0.1));
    expect(selected()).toEqual([[], []]);
    for (const [name, value] of Object.entries({
      _xy_a: places(A),
      _xy_b: places(B),
      _some_a: places([]),
      _some_b: places([]),
    })) {
      model.set(name, value as never);
    }
    await settled();
    click(stage, onA(0.1));
    expect(selected()).toEqual([[0], []]);
  });
});

describe("a click", () => {
  it("selects the feature, picks it, and lists its match", async () => {
    const { model, stage, selected, all } = await shown();
    click(stage, onA(0.1));
    await settled();
    expect(selected()).toEqual([[0], []]);
    expect(model.get("selected_features")).toEqual([0]);
    expect(all(".vv-row-head").map((h) => h.textContent)).toEqual([
      "selected in a 1",
      "their matches in b 1",
      "in b instead 1, no match among these",
    ]);
  });

  it("in the other panel picks the match, which FeatureActivations can show", async () => {
    const { model, stage, selected } = await shown();
    click(stage, onB(0.3)); // b3, matched with a1
    expect(selected()).toEqual([[], [3]]);
    expect(model.get("selected_features")).toEqual([1]);
  });

  it("adds with shift and subtracts with alt", async () => {
    const { stage, selected, model } = await shown();
    click(stage, onA(0.1));
    click(stage, onA(0.5), { shiftKey: true });
    expect(selected()[0]).toEqual([0, 2]);
    expect(model.get("selected_features")).toEqual([0, 2]);
    click(stage, onA(0.1), { altKey: true });
    expect(selected()[0]).toEqual([2]);
    expect(model.get("selected_features")).toEqual([2]);
  });

  it("on nothing clears", async () => {
    const { stage, selected } = await shown();
    click(stage, onA(0.1));
    click(stage, [390, 390]);
    expect(selected()).toEqual([[], []]);
  });
});

describe("lasso and box", () => {
  const box: [number, number][] = [onA(0.0), onA(0.35)];

  it("a box selects what is inside, and what is there instead is listed", async () => {
    const { stage, selected, all } = await shown();
    button(all, "Box").click();
    drag(stage, box);
    await settled();
    expect(selected()).toEqual([[0, 1], []]);
    const heads = all(".vv-row-head").map((h) => h.textContent);
    expect(heads).toContain("their matches in b 2");
  });

  it("a lasso adds with shift, takes away with alt", async () => {
    const { stage, selected, all } = await shown();
    button(all, "Lasso").click();
    const around = (v: number): [number, number][] => {
      const [x, y] = onA(v);
      return [
        [x - 15, y - 15],
        [x + 15, y - 15],
        [x + 15, y + 15],
        [x - 15, y + 15],
      ];
    };
    drag(stage, around(0.1));
    drag(stage, around(0.5), { shiftKey: true });
    expect(selected()[0]).toEqual([0, 2]);
    drag(stage, around(0.1), { altKey: true });
    expect(selected()[0]).toEqual([2]);
  });

  it("what the other dictionary has inside the lasso without a match is said to be instead", async () => {
    const { stage, all } = await shown();
    button(all, "Box").click();
    drag(stage, [onA(0.4), onA(0.8)]); // a2, a3; b1, b2 lie there, none matches
    await settled();
    const heads = all(".vv-row-head").map((h) => h.textContent);
    expect(heads).toContain("in b instead 2, no match among these");
  });

  it("in one panel both dictionaries are caught", async () => {
    const { stage, selected, all } = await shown({ panels: "one" });
    button(all, "Box").click();
    drag(stage, [
      [400 - 182, 382],
      [400 + (0.35 - 0.5) * 364, 200 - (0.35 - 0.5) * 364],
    ]);
    expect(selected()).toEqual([
      [0, 1],
      [0, 3],
    ]);
  });

  it("invert turns the selection of its panel round", async () => {
    const { stage, selected, all } = await shown();
    click(stage, onA(0.1));
    button(all, "Invert").click();
    expect(selected()).toEqual([[1, 2, 3, 4], []]);
  });
});

describe("hover", () => {
  it("shows label, density, match, neighbours in both and what is promoted", async () => {
    const { stage, all } = await shown();
    point(stage, "pointermove", onA(0.1));
    await settled();
    const card = all(".vv-map-card")[0]?.textContent ?? "";
    for (const part of ["a/0", "joy", "10.0 %", "0.950", "happy", "nearest in a", "nearest in b"]) {
      expect(card).toContain(part);
    }
  });

  it("shows hostile labels as text", async () => {
    const { el, stage, all } = await shown();
    point(stage, "pointermove", onA(0.5));
    await settled();
    expect(el.querySelector("img")).toBeNull();
    expect(all(".vv-map-card")[0]?.textContent).toContain("onerror");
  });

  it("goes away with the pointer", async () => {
    const { stage, all } = await shown();
    point(stage, "pointermove", onA(0.1));
    await settled();
    point(stage, "pointerleave", [0, 0]);
    await settled();
    expect(all(".vv-map-card")).toEqual([]);
  });
});

describe("search", () => {
  it.each([
    ["joy", "1 found"],
    ["glad", "2 found"],
    ["2", "2 found"],
    ["#4", "1 found"],
    ["b/1", "1 found"],
    ["CAT", "2 found"],
    // a/0 promotes it, b/0 is called so
    ["happy", "2 found"],
    ["zebra", "none"],
  ])("%s: %s", async (query, said) => {
    const { all } = await shown({ query });
    expect(all(".vv-search button")[0]?.textContent).toBe(said);
  });

  it("lists what it found and can select it", async () => {
    const { all, selected } = await shown({ query: "glad" });
    expect(all(".vv-row").length).toBe(2);
    (all(".vv-search button")[0] as HTMLElement).click();
    expect(selected()).toEqual([[0], [0]]);
  });

  it("is set from Python and shows in the field", async () => {
    const { model, all } = await shown();
    model.set("query", "rain");
    await settled();
    expect((all(".vv-query")[0] as HTMLInputElement).value).toBe("rain");
  });
});

describe("keys", () => {
  it("arrows walk from point to point, Enter selects, m goes to the match", async () => {
    const { stage, all, selected } = await shown();
    press(stage, "ArrowLeft"); // the middle of the map first
    await settled();
    expect(all(".vv-map-card")[0]?.textContent).toContain("a/2");
    press(stage, "ArrowLeft");
    await settled();
    expect(all(".vv-map-card")[0]?.textContent).toContain("a/1");
    press(stage, "Enter");
    expect(selected()[0]).toEqual([1]);
    press(stage, "m");
    await settled();
    expect(all(".vv-map-card")[0]?.textContent).toContain("b/3");
  });

  it("slash goes to the search, Escape takes back step by step", async () => {
    const { stage, all, selected, model } = await shown({ query: "glad" });
    press(stage, "/");
    expect(document.activeElement).toBe(all(".vv-query")[0]);
    click(stage, onA(0.1));
    press(stage, "Escape");
    await settled();
    expect(all(".vv-map-card")).toEqual([]);
    press(stage, "Escape");
    expect(selected()[0]).toEqual([]);
    press(stage, "Escape");
    expect(model.get("query")).toBe("");
  });

  it("are kept from the notebook, which has commands on them", async () => {
    const { stage } = await shown();
    const outside = vi.fn();
    document.body.addEventListener("keydown", outside);
    for (const key of ["ArrowDown", "Enter", "m", "0"]) press(stage, key);
    expect(outside).not.toHaveBeenCalled();
    press(stage, "Tab");
    expect(outside).toHaveBeenCalledOnce();
  });
});

describe("from Python", () => {
  it("a selection is listed", async () => {
    const { model, all } = await shown();
    model.set("selected_b", encode(Uint32Array.from([1, 2])));
    await settled();
    expect(all(".vv-row-head")[0]?.textContent).toBe("selected in b 2");
  });

  it.each(["dictionary", "match", "density", "cluster", "values"])("colour by %s", async (by) => {
    const { all } = await shown({ color_by: by, values_a: f4([-1, 0, 1, 2, Number.NaN]) });
    expect(all(".vv-legend-title")[0]?.textContent).not.toBe("");
  });

  it("a frame is shown and answered with its serial", async () => {
    const model = makeModel(traits());
    const handlers: Record<string, (m: unknown, b: DataView[]) => void> = {};
    const on = model.on;
    model.on = (event: string, call: never) => {
      handlers[event] = call;
      on(event, call);
    };
    const el = document.createElement("div");
    document.body.append(el);
    end = widget.render({ model: model as never, el });
    await settled();
    const data = (wire: { data: unknown }) => wire.data as DataView;
    const frame = [data(places([0.9, 0.7, 0.5, 0.3, 0.1])), data(places(B))];
    handlers["msg:custom"]?.({ kind: "frame", serial: 4, label: "epoch 5" }, frame);
    await settled();
    expect(model.get("_seen")).toBe(4);
    const stage = el.querySelector(".vv-stage") as HTMLElement;
    point(stage, "pointermove", onA(0.9));
    await settled();
    expect(el.querySelector(".vv-map-card")?.textContent).toContain("a/0");
  });

  it("a large map asks for the neighbours of one point", async () => {
    const large = { _near_a: none, _near_score_a: none };
    const { model, stage, all } = await shown(large);
    const pass = stoppedClock();
    point(stage, "pointermove", onA(0.3));
    await pass(100);
    expect(model.get("_request")).toEqual({});
    await pass(100);
    expect(model.get("_request")).toMatchObject({ kind: "look", which: "a", index: 1 });
    const found = {
      own: [0, -1, -1],
      own_cosine: [0.5, null, null],
      other: [3],
      other_score: [0.6],
    };
    const labels = { own: ["joy", "", ""], other: ["storm"] };
    model.set("_looked", { which: "a", index: 1, label: "rain", ...found, labels });
    await pass(0);
    expect(all(".vv-map-card")[0]?.textContent).toContain("storm");
  });

  it("tokens that a feature promotes are asked for where Python offers it", async () => {
    const { model, stage, all } = await shown();
    model.set("_facts", { ...(model.get("_facts") as object), asks: "a" });
    const pass = stoppedClock();
    point(stage, "pointermove", onA(0.3));
    await pass(200);
    expect(model.get("_request")).toMatchObject({ kind: "look", which: "a", index: 1 });
    const found = { own: [], own_cosine: [], other: [], other_score: [], labels: {} };
    model.set("_looked", { which: "a", index: 1, label: "rain", promoted: "umbrella", ...found });
    await pass(0);
    expect(all(".vv-map-card")[0]?.textContent).toContain("umbrella");
  });

  it("one dictionary alone has one panel and no talk of matches", async () => {
    const alone = { _xy_b: places([]), _pairs: encode(new Uint16Array(0), [0, 2]) };
    const { all, stage } = await shown({ ...alone, _facts: { name_a: "a", mode: "alone" } });
    expect(button(all, "Overlay")).toBeUndefined();
    point(stage, "pointermove", [400 + 0, 200]);
    await settled();
    expect(all(".vv-map-card")[0]?.textContent).toContain("a/2");
  });
});

describe("fingers", () => {
  const finger = (stage: HTMLElement, kind: string, id: number, x: number, y: number) =>
    stage.dispatchEvent(
      new PointerEvent(kind, {
        bubbles: true,
        button: 0,
        pointerId: id,
        pointerType: "touch",
        clientX: x,
        clientY: y,
      }),
    );

  it("a tap beside a point takes it", async () => {
    const { stage, selected } = await shown();
    const [x, y] = onA(0.3);
    finger(stage, "pointerdown", 1, x + 14, y);
    finger(stage, "pointerup", 1, x + 14, y);
    expect(selected()).toEqual([[1], []]);
  });

  it("two fingers apart come nearer: what was beside a tap is so no more", async () => {
    const { stage, selected } = await shown();
    const [x, y] = onA(0.3);
    finger(stage, "pointerdown", 1, x - 20, y);
    finger(stage, "pointerdown", 2, x + 20, y);
    finger(stage, "pointermove", 1, x - 100, y);
    finger(stage, "pointermove", 2, x + 100, y);
    finger(stage, "pointerup", 1, x - 100, y);
    finger(stage, "pointerup", 2, x + 100, y);
    expect(selected()).toEqual([[], []]);
    finger(stage, "pointerdown", 1, x, y);
    finger(stage, "pointerup", 1, x, y);
    expect(selected()).toEqual([[1], []]);
    // five times nearer, the neighbour that was 40 pixels off is 200 off
    const [x2, y2] = onA(0.5);
    finger(stage, "pointerdown", 1, x2, y2);
    finger(stage, "pointerup", 1, x2, y2);
    expect(selected()).toEqual([[], []]);
  });
});

describe("the list", () => {
  it("holds only the rows in sight", async () => {
    const n = 5000;
    const many = Array.from({ length: n }, (_, i) => (i % 100) / 100);
    const { all } = await shown({
      _xy_a: places(many),
      _near_a: none,
      _near_score_a: none,
      _labels_a: none,
      selected_a: encode(Uint32Array.from({ length: n }, (_, i) => i)),
    });
    expect(all(".vv-row").length).toBeLessThan(60);
    expect(all(".vv-map-rows > div")[0]?.style.height).toContain("px");
  });

  it("a row picks its feature; the selection stays", async () => {
    const { stage, all, model, selected } = await shown();
    button(all, "Box").click();
    drag(stage, [onA(0.0), onA(0.35)]);
    await settled();
    (all(".vv-row")[1] as HTMLElement).click();
    expect(model.get("selected_features")).toEqual([1]);
    expect(selected()[0]).toEqual([0, 1]);
  });
});
