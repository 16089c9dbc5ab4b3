import { describe, expect, it } from "vitest";
import { makeModel } from "../../src/export/shim";
import { decode } from "../../src/lib/wire/arrays";

describe("the model of an exported file", () => {
  it("revives binary traits", () => {
    const data = btoa(String.fromCharCode(1, 0, 2, 0));
    const model = makeModel({ x: { dtype: "<u2", shape: [2], data: { $base64: data } } });
    expect([...decode(model.get("x") as never)]).toEqual([1, 2]);
  });
});
