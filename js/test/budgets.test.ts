// @vitest-environment node
// A bundle travels with every instance of its view, so it has a budget.
import { build } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { CORE_KB, VIEW_KB, VIEWS_KB, weigh } from "../budgets.mjs";
import { options } from "../build.mjs";

let weight: ReturnType<typeof weigh>;

beforeAll(async () => {
  const { metafile } = await build({ ...options, write: false });
  weight = weigh(metafile);
});

describe("a bundle", () => {
  it("has a core within its budget", () => {
    expect(weight.core / 1000).toBeLessThanOrEqual(CORE_KB);
  });

  it("has a view within its budget beside it", () => {
    const over = Object.entries(weight.views).filter(
      ([name, bytes]) => bytes / 1000 > (VIEWS_KB[name] ?? VIEW_KB),
    );
    expect(over).toEqual([]);
    expect(Object.keys(weight.views).length).toBeGreaterThan(5);
  });
});

describe("weighing", () => {
  it("counts to the core what every bundle holds, and nothing else", () => {
    const input = (bytesInOutput: number) => ({ bytesInOutput });
    const output = (
      name: string,
      bytes: number,
      inputs: Record<string, { bytesInOutput: number }>,
    ) => ({
      [`out/${name}.js`]: { bytes, inputs, entryPoint: `src/widgets/${name}.ts` },
    });
    const outputs = {
      ...output("a", 100, { shared: input(30), own: input(50), dropped: input(5) }),
      ...output("b", 90, { shared: input(28), other: input(60), dropped: input(0) }),
      "out/page.js": { bytes: 9, inputs: {}, entryPoint: "src/export/page.ts" },
    };
    expect(weigh({ outputs })).toEqual({ core: 30, views: { a: 70, b: 62 } });
  });
});
