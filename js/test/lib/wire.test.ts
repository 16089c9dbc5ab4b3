import { afterEach, describe, expect, it, vi } from "vitest";
import { makeModel } from "../../src/export/shim";
import { bit, decode, encode, half } from "../../src/lib/wire/arrays";
import { connect, debounced, throttled } from "../../src/lib/wire/model";
import { segments, spoken, visible } from "../../src/lib/wire/tokens";
import type { BaseTraits } from "../../src/lib/wire/traits";

afterEach(() => {
  vi.useRealTimers();
});

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

describe("the model", () => {
  const base: BaseTraits = {
    status: "idle",
    error: "",
    progress: 0,
    _stage: "",
    _job_line: {},
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
    expect(traits.request("stop", {})).toBe(5);
    expect(model.get("_request")).toEqual({ kind: "stop", serial: 5 });
    expect(traits.asked.value).toBe(5);
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
  });
});
