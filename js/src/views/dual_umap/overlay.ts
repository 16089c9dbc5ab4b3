// What is drawn over the points: names of regions, match lines, the point looked at, the lasso.
import { type Camera, type Rect, toScreen } from "../../lib/scatter/camera";
import { at, has } from "../../lib/scatter/points";
import type { Scene } from "../../lib/scatter/renderer";
import type { Spot, Which } from "./data";
import type { MapState } from "./state";
import type { MapRegion } from "./traits";

/** Lines to the matches of a selection are drawn up to so many: more are a grey veil. */
const MOST_LINES = 150;
/** Zoom at which the next finer level of names comes in. */
const LEVELS = [1.7, 4.5];

export interface Frame {
  panels: Rect[];
  shown(panel: number): Which[];
  /** The lasso in pixels: x0, y0, x1, y1, ... */
  path: number[];
  scene: Scene;
}

type Context = CanvasRenderingContext2D;

export function drawOverlay(context: Context, ratio: number, state: MapState, frame: Frame): void {
  const { canvas } = context;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const dark = state.dark.value;
  const ink = dark ? "#e6e8eb" : "#1b1f24";
  const paper = dark ? "#16191d" : "#ffffff";
  const accent = dark ? "#f0e442" : "#cc0066";
  for (const [i, rect] of frame.panels.entries()) {
    clipped(context, rect, () => names(context, rect, state, { ink, paper }));
    heading(context, rect, frame.shown(i), state, { ink, paper });
  }
  const second = frame.panels[1];
  if (second) {
    context.fillStyle = dark ? "#353b44" : "#d8dce2";
    context.fillRect(second.x - 1, second.y, 1, second.height);
  }
  lines(context, state, frame, accent);
  const looked = state.looked.value;
  if (looked) spotlight(context, state, frame, looked, { ink, accent });
  if (frame.path.length >= 4) lasso(context, frame.path, ink);
}

function clipped(context: Context, rect: Rect, action: () => void): void {
  context.save();
  context.beginPath();
  context.rect(rect.x, rect.y, rect.width, rect.height);
  context.clip();
  action();
  context.restore();
}

interface Inks {
  ink: string;
  paper: string;
}

function heading(
  context: Context,
  rect: Rect,
  shown: Which[],
  state: MapState,
  { ink, paper }: Inks,
): void {
  const sides = state.sides.value;
  const text = shown.map((which) => sides[which].name).join(" and ");
  if (!text || !state.layers.value[0].state.length) return;
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  halo(context, text, rect.x + 8, rect.y + 6, ink, paper);
}

function halo(
  context: Context,
  text: string,
  x: number,
  y: number,
  ink: string,
  paper: string,
): void {
  context.lineWidth = 3.5;
  context.lineJoin = "round";
  context.strokeStyle = paper;
  context.strokeText(text, x, y);
  context.fillStyle = ink;
  context.fillText(text, x, y);
}

/** The level of names for a zoom: as fine as there is. */
export function levelFor(zoom: number, regions: MapRegion[]): number {
  const finest = regions.reduce((most, region) => Math.max(most, region.level), 0);
  const wanted = LEVELS.filter((from) => zoom >= from).length;
  return Math.min(wanted, finest);
}

/** Names that fit without covering each other, largest regions first. */
export function placeNames(
  regions: MapRegion[],
  camera: Camera,
  rect: Rect,
  width: (text: string) => number,
): { text: string; x: number; y: number }[] {
  const level = levelFor(camera.zoom, regions);
  const taken: [number, number, number, number][] = [[rect.x, rect.y, rect.x + 120, rect.y + 24]];
  const placed: { text: string; x: number; y: number }[] = [];
  const candidates = regions.filter((region) => region.level === level);
  for (const region of candidates.sort((p, q) => q.n - p.n)) {
    const [x, y] = toScreen(camera, rect, region.x, region.y);
    const half = width(region.text) / 2 + 4;
    if (x - half < rect.x || x + half > rect.x + rect.width) continue;
    if (y < rect.y + 10 || y > rect.y + rect.height - 10) continue;
    const box: [number, number, number, number] = [x - half, y - 9, x + half, y + 9];
    const covers = taken.some(
      (other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1],
    );
    if (covers) continue;
    taken.push(box);
    placed.push({ text: region.text, x, y });
  }
  return placed;
}

function names(context: Context, rect: Rect, state: MapState, { ink, paper }: Inks): void {
  context.font = "11.5px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const found = placeNames(
    state.regions.value,
    state.camera.value,
    rect,
    (text) => context.measureText(text).width,
  );
  for (const { text, x, y } of found) halo(context, text, x, y, ink, paper);
}

/** Where a point is on the canvas; undefined where it is not in sight. */
export function screenOf(
  state: MapState,
  frame: Pick<Frame, "panels" | "shown">,
  spot: Spot,
): [number, number] | undefined {
  const panel = frame.panels.findIndex((_, i) => frame.shown(i).includes(spot.which));
  const rect = frame.panels[panel];
  const { layer } = state.sides.value[spot.which];
  if (!rect || !has(layer, spot.index)) return undefined;
  const [x, y] = toScreen(state.camera.value, rect, ...at(layer, spot.index));
  const inside =
    x >= rect.x && x <= rect.x + rect.width && y >= rect.y && y <= rect.y + rect.height;
  return inside ? [x, y] : undefined;
}

/** Lines from selected points to their matches. */
function lines(context: Context, state: MapState, frame: Frame, accent: string): void {
  const selected = state.selected;
  const total = selected[0].value.length + selected[1].value.length;
  if (total === 0 || total > 4 * MOST_LINES) return;
  const pairs: [Spot, Spot][] = [];
  for (const which of [0, 1] as const) {
    for (const index of selected[which].value) {
      const match = state.match({ which, index });
      if (match) pairs.push([{ which, index }, match]);
    }
  }
  if (pairs.length > MOST_LINES) return;
  context.strokeStyle = accent;
  context.globalAlpha = pairs.length > 20 ? 0.25 : 0.5;
  context.lineWidth = 1;
  for (const [from, to] of pairs) stroke(context, state, frame, from, to);
  context.globalAlpha = 1;
}

function stroke(context: Context, state: MapState, frame: Frame, from: Spot, to: Spot): void {
  const [p, q] = [screenOf(state, frame, from), screenOf(state, frame, to)];
  if (!p || !q) return;
  context.beginPath();
  context.moveTo(...p);
  context.lineTo(...q);
  context.stroke();
}

function spotlight(
  context: Context,
  state: MapState,
  frame: Frame,
  spot: Spot,
  { ink, accent }: { ink: string; accent: string },
): void {
  const match = state.match(spot);
  if (match) {
    context.strokeStyle = accent;
    context.lineWidth = 1.5;
    stroke(context, state, frame, spot, match);
    ring(context, state, frame, match, accent);
  }
  ring(context, state, frame, spot, ink);
}

function ring(context: Context, state: MapState, frame: Frame, spot: Spot, colour: string): void {
  const found = screenOf(state, frame, spot);
  if (!found) return;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(found[0], found[1], frame.scene.style.size / 2 + 4, 0, 2 * Math.PI);
  context.stroke();
}

function lasso(context: Context, path: number[], ink: string): void {
  context.beginPath();
  context.moveTo(path[0] as number, path[1] as number);
  for (let i = 2; i < path.length; i += 2) {
    context.lineTo(path[i] as number, path[i + 1] as number);
  }
  context.closePath();
  context.strokeStyle = ink;
  context.lineWidth = 1.2;
  context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 0.07;
  context.fillStyle = ink;
  context.fill();
  context.globalAlpha = 1;
}
