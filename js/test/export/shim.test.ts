import { describe, expect, it } from "vitest";
import { makeModel, type Packed, revive } from "../../src/export/shim";
import { decode } from "../../src/lib/wire/arrays";

const TWO = btoa(String.fromCharCode(1, 0, 2, 0));

function parsed(state: string, buffers: Packed["buffers"] = []) {
  return makeModel(revive({ state: JSON.parse(state) as Packed["state"], buffers }));
}

describe("the model of an exported file", () => {
  it("revives binary traits", () => {
    const array = '{"x": {"dtype": "<u2", "shape": [2], "data": null}}';
    const model = parsed(array, [[["x", "data"], TWO]]);
    expect([...decode(model.get("x") as never)]).toEqual([1, 2]);
  });

  it("takes no name of the user's for a buffer", () => {
    const model = parsed('{"units": {"$base64": "norm"}, "muted": ["$base64"]}');
    expect(model.get("units")).toEqual({ $base64: "norm" });
  });

  it.each(["__proto__", "constructor", "0"])("finds buffers below the name %s", (name) => {
    const state = `{"bands": [{"${name}": {"dtype": "<u2", "shape": [2], "data": null}}]}`;
    const model = parsed(state, [[["bands", 0, name, "data"], TWO]]);
    const [bands] = model.get("bands") as [Record<string, unknown>];
    const held = Object.getOwnPropertyDescriptor(bands, name)?.value;
    expect([...decode(held as never)]).toEqual([1, 2]);
    expect(({} as Record<string, unknown>).data).toBeUndefined();
  });
});
