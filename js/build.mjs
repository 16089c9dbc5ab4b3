// One self-contained ES module per view: src/widgets/<view>.ts -> ../widgets/volvelle/static/<view>.js
// and the script of exported files: src/export/page.ts -> static/export_page.js
import { readdirSync, readFileSync } from "node:fs";
import { build, context, transform } from "esbuild";
import { weigh } from "./budgets.mjs";

const watch = process.argv.includes("--watch");
const entries = readdirSync("src/widgets").filter((file) => file.endsWith(".ts"));

// Style sheets become strings, minified like the code around them.
const css = {
  name: "css",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = readFileSync(path, "utf8");
      const { code } = await transform(source, { loader: "css", minify: !watch });
      return { contents: code, loader: "text", watchFiles: [path] };
    });
  },
};

/**
 * What makes the bundles; `npm test` weighs them with the same.
 * @type {import("esbuild").BuildOptions & { metafile: true }}
 */
export const options = {
  entryPoints: [
    ...entries.map((file) => ({ in: `src/widgets/${file}`, out: file.replace(/\.ts$/, "") })),
    { in: "src/export/page.ts", out: "export_page" },
  ],
  outdir: "../widgets/volvelle/static",
  bundle: true,
  format: "esm",
  charset: "utf8",
  target: "es2022",
  // h(...) instead of the automatic runtime: 1 kB less in every bundle
  tsconfigRaw: {
    compilerOptions: { jsx: "react", jsxFactory: "h", jsxFragmentFactory: "Fragment" },
  },
  inject: ["src/lib/ui/jsx.ts"],
  plugins: [css],
  legalComments: "none",
  minify: !watch,
  sourcemap: watch && "inline",
  logLevel: "warning",
  metafile: true,
};

if (watch) {
  await (await context(options)).watch();
} else if (process.argv[1]?.endsWith("build.mjs")) {
  const { metafile } = await build(options);
  const { core, views } = weigh(metafile);
  const kB = (bytes) => `${(bytes / 1000).toFixed(1).padStart(6)} kB`;
  console.log(`${"core, in each of them".padEnd(32)} ${kB(core)}`);
  for (const [name, bytes] of Object.entries(views)) console.log(`${name.padEnd(32)} ${kB(bytes)}`);
}
