// One self-contained ES module per view: src/widgets/<view>.ts -> ../widgets/volvelle/static/<view>.js
// and the script of exported files: src/export/page.ts -> static/export_page.js
import { readdirSync, statSync } from "node:fs";
import { build, context } from "esbuild";

const watch = process.argv.includes("--watch");
const entries = readdirSync("src/widgets").filter((file) => file.endsWith(".ts"));

const options = {
  entryPoints: [
    ...entries.map((file) => ({ in: `src/widgets/${file}`, out: file.replace(/\.ts$/, "") })),
    { in: "src/export/page.ts", out: "export_page" },
  ],
  outdir: "../widgets/volvelle/static",
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".css": "text", ".frag": "text", ".vert": "text" },
  legalComments: "none",
  minify: !watch,
  sourcemap: watch && "inline",
  logLevel: "warning",
};

if (watch) {
  await (await context(options)).watch();
} else {
  await build(options);
  for (const entry of entries) {
    const file = entry.replace(/\.ts$/, ".js");
    const { size } = statSync(`../widgets/volvelle/static/${file}`);
    console.log(`${file.padEnd(32)} ${(size / 1000).toFixed(1).padStart(6)} kB`);
  }
}
