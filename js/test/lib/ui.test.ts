import { describe, expect, it, vi } from "vitest";
import { makeModel } from "../../src/export/shim";
import {
  category,
  contrast,
  css,
  diverging,
  inkOn,
  luminance,
  sequential,
} from "../../src/lib/ui/colour";
import { move } from "../../src/lib/ui/keyboard";
import { percent, short } from "../../src/lib/ui/numbers";
import { place } from "../../src/lib/ui/place";
import { select } from "../../src/lib/ui/selection";
import { csv } from "../../src/lib/ui/table";
import { bit, decode, encode, half } from "../../src/lib/wire/arrays";
import { type BaseTraits, connect, debounced, throttled } from "../../src/lib/wire/model";
import { segments, spoken, visible } from "../../src/lib/wire/tokens";

describe("arrays", () => {
  it("reads a view at its own byte offset", () => {
    const whole = new Uint8Array([9, 9, 9, 9, 1, 0, 2, 0]);
    const data = new DataView(whole.buffer, 4, 4);
    expect([...decode({ dtype: "<u2", shape: [2], data })]).toEqual([1, 2]);
  });

  it("copies where the offset does not fit the element", () => {
    const whole = new Uint8Array([9, 1, 0, 0, 0, 2, 0, 0, 0]);
    const data = new DataView(whole.buffer, 1, 8);
    expect([...decode({ dtype: "<u4", shape: [2], data })]).toEqual([1, 2]);
  });

  it("decodes half precision", () => {
    expect([0x3c00, 0xc000, 0x0001, 0x7bff, 0x0000].map(half)).toEqual([1, -2, 2 ** -24, 65504, 0]);
    const data = new DataView(new Uint16Array([0x3c00, 0xc000]).buffer);
    expect([...decode({ dtype: "<f2", shape: [2], data })]).toEqual([1, -2]);
  });

  it("gives what it was given", () => {
    const wire = encode(Float32Array.from([1.5, -2]), [1, 2]);
    expect([wire.dtype, wire.shape, ...decode(wire)]).toEqual(["<f4", [1, 2], 1.5, -2]);
  });

  it("is empty before anything arrives and refuses what it cannot read", () => {
    expect(decode(undefined)).toHaveLength(0);
    const wire = { dtype: "<i8", shape: [1], data: new DataView(new ArrayBuffer(8)) };
    expect(() => decode(wire)).toThrow("<i8");
  });

  it("reads bits as numpy packs them", () => {
    const packed = new Uint8Array([0b10000001, 0b01000000]);
    expect([0, 1, 7, 8, 9].map((i) => bit(packed, i))).toEqual([true, false, true, false, true]);
  });
});

describe("colour", () => {
  it("gets lighter all the way up cividis", () => {
    const steps = Array.from({ length: 21 }, (_, i) => luminance(sequential(i / 20)));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it("is blue below zero, red above and light between", () => {
    const [low, mid, high] = [diverging(-1), diverging(0), diverging(1)];
    expect(low[2]).toBeGreaterThan(low[0]);
    expect(high[0]).toBeGreaterThan(high[2]);
    expect(luminance(mid)).toBeGreaterThan(0.9);
  });

  it("stays in range for values outside it", () => {
    expect(sequential(7)).toEqual(sequential(1));
    expect(diverging(Number.NaN)).toEqual(diverging(-1));
  });

  it("has eight categories that differ", () => {
    const all = Array.from({ length: 8 }, (_, i) => css(category(i)));
    expect(new Set(all).size).toBe(8);
    expect(category(8)).toEqual(category(0));
  });

  it("chooses an ink that can be read on every step of both scales", () => {
    for (let i = 0; i <= 40; i++) {
      for (const paper of [sequential(i / 40), diverging(i / 20 - 1)]) {
        expect(contrast(paper, inkOn(paper))).toBeGreaterThan(4.5);
      }
    }
  });
});

describe("tokens as a reader sees them", () => {
  it("shows spaces, line ends, tabs and what has no ink", () => {
    expect(visible(" a\n\tb\u200b")).toBe("·a↵⇥bU+200B");
  });

  it("keeps every character of the text", () => {
    const text = " \r\nשלום 👩‍👩‍👧\ufeff<img src=x>  \u202e!";
    expect(
      segments(text)
        .map((s) => s.text)
        .join(""),
    ).toBe(text);
  });

  it("does not take emoji apart", () => {
    expect(segments("👩‍👩‍👧")).toHaveLength(1);
  });

  it("says what has no sound", () => {
    expect(spoken("\n")).toBe("new line");
    expect(spoken(" cat")).toBe("cat");
    expect(spoken("")).toBe("empty");
  });
});

describe("selection", () => {
  const none = { items: [], anchor: -1 };
  const plain = { shift: false, add: false };
  it("takes one, a range, and more", () => {
    const one = select(none, 3, plain);
    expect(one.items).toEqual([3]);
    expect(select(one, 5, { shift: true, add: false }).items).toEqual([3, 4, 5]);
    expect(select(one, 1, { shift: true, add: false }).items).toEqual([1, 2, 3]);
    expect(select(one, 7, { shift: false, add: true }).items).toEqual([3, 7]);
  });

  it("keeps the anchor while a range grows and shrinks", () => {
    let now = select(none, 4, plain);
    for (const to of [5, 6, 5]) now = select(now, to, { shift: true, add: false });
    expect(now).toEqual({ items: [4, 5], anchor: 4 });
  });

  it("lets go of the only one, and of one among several with ctrl", () => {
    expect(select({ items: [3], anchor: 3 }, 3, plain).items).toEqual([]);
    expect(select({ items: [3, 4], anchor: 3 }, 4, { shift: false, add: true }).items).toEqual([3]);
  });
});

describe("small things", () => {
  it("moves within a list and stops at its ends", () => {
    expect(move("ArrowDown", -1, 3)).toBe(0);
    expect(move("ArrowDown", 2, 3)).toBe(2);
    expect(move("End", 0, 3)).toBe(2);
    expect(move("x", 0, 3)).toBeUndefined();
    expect(move("ArrowDown", 0, 0)).toBeUndefined();
  });

  it("writes numbers as people read them", () => {
    expect([0, 1.2345, -39.17, 1234, 0.00001].map(short)).toEqual([
      "0",
      "1.23",
      "−39.2",
      "1234",
      "1.0e-5",
    ]);
    expect(percent(0.0312)).toBe("3.1 %");
  });

  it("quotes what would break a table", () => {
    expect(csv(["a"], [['say "x", y'], [1]])).toBe('a\r\n"say ""x"", y"\r\n1\r\n');
  });

  it("keeps a card inside its frame", () => {
    const frame = { left: 0, top: 0, right: 300, bottom: 200 };
    const card = { width: 100, height: 80 };
    const right = { left: 280, right: 290, top: 10, bottom: 20 };
    expect(place(right, card, frame)).toEqual({ left: 194, top: 26 });
    const low = { left: 10, right: 20, top: 180, bottom: 190 };
    expect(place(low, card, frame).top).toBe(94);
  });

  it("puts a card beside what it explains where there is no room above or below", () => {
    const frame = { left: 0, top: 0, right: 300, bottom: 100 };
    const card = { width: 100, height: 80 };
    const target = { left: 20, right: 40, top: 40, bottom: 50 };
    expect(place(target, card, frame)).toEqual({ left: 46, top: 14 });
    const right = { left: 260, right: 280, top: 40, bottom: 50 };
    expect(place(right, card, frame)).toEqual({ left: 154, top: 14 });
  });

  it("debounces to the last call and throttles to a beat", () => {
    vi.useFakeTimers();
    const calls: string[] = [];
    const late = debounced((text: string) => calls.push(text), 100);
    late("a");
    late("ab");
    vi.advanceTimersByTime(99);
    expect(calls).toEqual([]);
    vi.advanceTimersByTime(1);
    const beat = throttled((text: string) => calls.push(text), 100);
    for (const text of ["1", "2", "3"]) beat(text);
    vi.advanceTimersByTime(100);
    expect(calls).toEqual(["ab", "1", "3"]);
    vi.useRealTimers();
  });
});

describe("the model", () => {
  const base: BaseTraits = {
    status: "idle",
    error: "",
    progress: 0,
    _stage: "",
    _told: {},
    _plan: "",
    _traceback: "",
    _request: { serial: 4 },
    _answered: 4,
    _live: true,
  };

  it("follows traits in one step and lets go when stopped", async () => {
    const model = makeModel({ ...base });
    const stop = new AbortController();
    const traits = connect<BaseTraits>(model as never, stop.signal);
    const progress = traits.signal("progress");
    model.set("progress", 0.5);
    await Promise.resolve();
    expect(progress.value).toBe(0.5);
    stop.abort();
    model.set("progress", 0.9);
    await Promise.resolve();
    expect(progress.value).toBe(0.5);
  });

  it("counts requests on from those of an earlier page", () => {
    const model = makeModel({ ...base });
    const traits = connect<BaseTraits>(model as never, new AbortController().signal);
    expect(traits.request("stop")).toBe(5);
    expect(model.get("_request")).toEqual({ kind: "stop", serial: 5 });
    expect(traits.asked.value).toBe(5);
  });

  it("revives binary traits from an exported file", () => {
    const data = btoa(String.fromCharCode(1, 0, 2, 0));
    const model = makeModel({ x: { dtype: "<u2", shape: [2], data: { $base64: data } } });
    expect([...decode(model.get("x") as never)]).toEqual([1, 2]);
  });
});
