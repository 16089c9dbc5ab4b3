// One self-contained ES module per view: src/widgets/<view>.ts -> ../widgets/volvelle/static/<view>.js
// and the script of exported files: src/export/page.ts -> static/export_page.js
import { readdirSync, readFileSync, statSync } from "node:fs";
import { build, context, transform } from "esbuild";

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

const options = {
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
