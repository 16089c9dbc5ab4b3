import { afterEach, describe, expect, it } from "vitest";
import { makeModel } from "../../src/export/shim";
import widget from "../../src/widgets/dose_response";
import { atRest, settled } from "../fake";

const HOSTILE = '<img src=x onerror="alert(1)">';

function curve(concept: string, owner: string, top: number) {
  const line = [0.2, 0.3, top];
  return {
    concept,
    owner,
    p: { asked: line, control: [0.2, 0.2, null], reversed: [0.5, 0.4, 0.3] },
    entropy: { asked: [3, 2, 1] },
    mass: { asked: [0.9, 0.8, 0.7] },
    bands: { p: { random: [line, line, line] }, entropy: {}, mass: {} },
    n: { random: 4, shuffled: 0 },
    formulas: ["h + v, neutral: strength 0"],
    texts: [
      { question: "asked", strength: 1, text: HOSTILE, answers: [top, 1 - top], prompt: 0 },
      { question: "asked", strength: 0, text: "no", answers: [0.2, 0.8], prompt: 0 },
    ],
  };
}

function state() {
  return {
    ...atRest(),
    concepts: ["joy", "calm"],
    selected: {},
    _curves: [curve("joy", "joy", 0.8), curve("calm", "joy", 0.4)],
    _facts: {
      model: "fake",
      points: ["resid_post.1"],
      answers: ["yes", "no"],
      spellings: [["yes"], ["no"]],
      strengths: [0, 0.5, 1],
      own: 0.4,
      unit: "norm",
      questions: { asked: ["Glad?"], control: ["Monday?"], reversed: ["Sad?"] },
      placebo: 4,
      seed: 3,
      summary: "joy: P(yes) rises; 4 of 4 questions.",
    },
  };
}

let end: (() => void) | undefined;

async function shown() {
  const model = makeModel(state());
  const el = document.createElement("div");
  document.body.append(el);
  end = widget.render({ model: model as never, el });
  await settled();
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  return { model, el, all };
}

afterEach(() => {
  end?.();
  document.body.replaceChildren();
});

describe("dose response", () => {
  it("draws a line per concept and question, and one band where placebos are shared", async () => {
    const { all } = await shown();
    const panels = all(".vv-panel");
    expect(panels.map((panel) => panel.querySelectorAll(".vv-curve").length)).toEqual([4, 2, 2]);
    expect(panels[0]?.querySelectorAll(".vv-band").length).toBe(1);
    // a strength that was not run leaves a gap
    expect(panels[1]?.querySelectorAll(".vv-mark").length).toBe(4);
  });

  it("says units, n, seed and the summary with its placebos", async () => {
    const { el } = await shown();
    for (const part of ["4 random placebos", "seed 3", "multiples of the median |h|", "4 of 4"]) {
      expect(el.textContent).toContain(part);
    }
  });

  it("shows a chosen point's texts as text", async () => {
    const { model, el, all } = await shown();
    model.set("selected", { concept: "joy", strength: 1 });
    await settled();
    expect(all(".vv-texts")[0]?.textContent).toContain(HOSTILE);
    expect(all(".vv-texts")[0]?.textContent).toContain("joy at 0.4");
    expect(el.querySelector("img")).toBeNull();
    expect(all(".vv-readout")[0]?.textContent).toContain("0.800");
  });

  it("walks by keys and hides concepts", async () => {
    const { model, all } = await shown();
    const charts = all(".vv-charts")[0];
    const press = (key: string) =>
      charts?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press("ArrowRight");
    await settled();
    press("ArrowRight");
    await settled();
    press("ArrowDown");
    expect(model.get("selected")).toEqual({ concept: "calm", strength: 0.5 });
    all(".vv-legend button")[0]?.click();
    expect(model.get("concepts")).toEqual(["calm"]);
  });
});
