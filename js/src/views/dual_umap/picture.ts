// The map as a file: PNG as it is on screen, SVG with every point as a shape of its own.

import { toScreen } from "../../lib/scatter/camera";
import { at, DIM, has, MATCHED, SELECTED } from "../../lib/scatter/points";
import { softRenderer } from "../../lib/scatter/soft";
import { css } from "../../lib/ui/colour";
import { download } from "../../lib/ui/table";
import type { Drawing } from "./canvases";
import { factsOf } from "./numbers";
import { placeNames } from "./overlay";
import type { MapState } from "./state";

const HEAD = 44;
const FOOT = 26;
/** Above so many points an SVG holds them as a picture: no program opens a million circles. */
const MOST_SHAPES = 60_000;
const FONT = "system-ui, sans-serif";

/** What stands above and below a picture that left its notebook. */
export function captions(state: MapState): { title: string; facts: string; legend: string } {
  const facts = state.facts.value;
  const [a, b] = state.sides.value;
  const title = [facts.model, facts.point_a, b.n ? `${a.name} and ${b.name}` : a.name];
  const drawn = state.traits.signal("_drawn").value;
  const numbers = factsOf(facts).map(
    (f) => `${f.name} ${f.value}${f.against ? ` (${f.against})` : ""}`,
  );
  const legend = state.legend.value;
  const keys = [
    ...(legend.scale ? [`${legend.scale.low} … ${legend.scale.high}`] : []),
    ...(legend.keys ?? []).map((key) => key.text),
  ];
  return {
    title: [...title, drawn].filter(Boolean).join(" · "),
    facts: `${numbers.join(" · ")} · ${facts.n_epochs ?? "?"} epochs, seed ${facts.seed ?? "?"}`,
    legend: `${legend.title}: ${keys.join(", ")}; disc: matched, ring: no match`,
  };
}

export function savePNG(state: MapState, map: Drawing): void {
  const { points, overlay } = map.canvases;
  const ratio = points.width / Math.max(map.size().width, 1);
  const sheet = document.createElement("canvas");
  sheet.width = points.width;
  sheet.height = points.height + (HEAD + FOOT) * ratio;
  const context = sheet.getContext("2d");
  if (!context) return;
  // drawn anew: the page's canvas may be of another moment
  const scene = map.scene();
  const plain = document.createElement("canvas");
  [plain.width, plain.height] = [points.width, points.height];
  const target = plain.getContext("2d");
  if (target) softRenderer().draw(scene, target, ratio);
  const dark = state.dark.value;
  context.fillStyle = dark ? "#16191d" : "#ffffff";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.drawImage(plain, 0, HEAD * ratio);
  context.drawImage(overlay, 0, HEAD * ratio);
  context.scale(ratio, ratio);
  const { title, facts, legend } = captions(state);
  context.fillStyle = dark ? "#e6e8eb" : "#1b1f24";
  context.font = `600 14px ${FONT}`;
  context.fillText(title, 10, 18);
  context.font = `11px ${FONT}`;
  context.fillText(facts, 10, 36);
  context.fillText(legend, 10, map.size().height + HEAD + 17);
  sheet.toBlob((blob) => blob && download("map.png", blob));
}

const escaped = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

/** The map as SVG text. */
export function svg(state: MapState, map: Drawing): string {
  const { width, height } = map.size();
  const scene = map.scene();
  const dark = state.dark.value;
  const [ink, paper] = dark ? ["#e6e8eb", "#16191d"] : ["#1b1f24", "#ffffff"];
  const parts: string[] = [];
  const total = scene.panels.reduce(
    (sum, { layers }) => sum + layers.reduce((n, layer) => n + layer.state.length, 0),
    0,
  );
  const measure = document.createElement("canvas").getContext("2d");
  for (const [i, { rect, layers }] of scene.panels.entries()) {
    parts.push(
      `<clipPath id="p${i}"><rect x="${rect.x}" y="${rect.y}" width="${rect.width}" height="${rect.height}"/></clipPath>`,
    );
    parts.push(`<g clip-path="url(#p${i})">`);
    if (total <= MOST_SHAPES) {
      for (const turn of [0, 1, 2]) {
        for (const layer of layers) {
          for (let j = 0; j < layer.state.length; j++) {
            const bits = layer.state[j] as number;
            const lifted = (bits & 6) !== 0;
            if ((lifted ? 2 : bits & DIM ? 0 : 1) !== turn || !has(layer, j)) continue;
            const [x, y] = toScreen(scene.camera, rect, ...at(layer, j));
            if (x < rect.x - 6 || x > rect.x + rect.width + 6 || y < -6 || y > height + 6) continue;
            const [r, g, b] = [0, 1, 2].map((c) => layer.colour[3 * j + c] as number) as [
              number,
              number,
              number,
            ];
            const colour = turn === 0 ? css(scene.style.dim) : css([r, g, b]);
            const alpha = turn === 0 ? scene.style.alpha * 0.35 : lifted ? 1 : scene.style.alpha;
            const radius = (scene.style.size / 2) * (lifted ? 1.5 : 1);
            const filled = (bits & MATCHED) !== 0;
            const look = filled
              ? `fill="${colour}" fill-opacity="${alpha.toFixed(2)}"${lifted ? ` stroke="${css(bits & SELECTED ? scene.style.ink : scene.style.accent)}"` : ""}`
              : `fill="none" stroke="${lifted ? css(bits & SELECTED ? scene.style.ink : scene.style.accent) : colour}" stroke-opacity="${alpha.toFixed(2)}" stroke-width="${Math.max(radius * 0.4, 0.8).toFixed(1)}"`;
            parts.push(
              `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius.toFixed(1)}" ${look}/>`,
            );
          }
        }
      }
    } else if (i === 0) {
      const url = map.canvases.points.toDataURL("image/png");
      parts.push(`<image href="${url}" width="${width}" height="${height}"/>`);
    }
    if (measure) {
      measure.font = `11.5px ${FONT}`;
      for (const { text, x, y } of placeNames(
        state.regions.value,
        scene.camera,
        rect,
        (t) => measure.measureText(t).width,
      )) {
        parts.push(
          `<text x="${x.toFixed(1)}" y="${(y + 4).toFixed(1)}" text-anchor="middle" font-size="11.5" fill="${ink}" stroke="${paper}" stroke-width="3" paint-order="stroke">${escaped(text)}</text>`,
        );
      }
    }
    const name = map
      .shown(i)
      .map((which) => state.sides.value[which].name)
      .join(" and ");
    parts.push(
      `<text x="${rect.x + 8}" y="16" font-size="12" font-weight="600" fill="${ink}">${escaped(name)}</text></g>`,
    );
  }
  const { title, facts, legend } = captions(state);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + HEAD + FOOT}" font-family="${FONT}">
<rect width="100%" height="100%" fill="${paper}"/>
<text x="10" y="18" font-size="14" font-weight="600" fill="${ink}">${escaped(title)}</text>
<text x="10" y="36" font-size="11" fill="${ink}">${escaped(facts)}</text>
<g transform="translate(0 ${HEAD})">${parts.join("\n")}</g>
<text x="10" y="${height + HEAD + 17}" font-size="11" fill="${ink}">${escaped(legend)}</text>
</svg>`;
}

export function saveSVG(state: MapState, map: Drawing): void {
  download("map.svg", new Blob([svg(state, map)], { type: "image/svg+xml" }));
}
