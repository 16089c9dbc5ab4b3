// What draws points, whatever it draws them with.
import type { Camera, Rect } from "./camera";
import type { Layer } from "./points";

export interface Style {
  /** Diameter of a plain point in CSS pixels. */
  size: number;
  alpha: number;
  /** How far selected and found points stand out: 1 for a few, less for many. */
  lift: number;
  /** Colours of the theme: outlines of selected points, of their counterparts; what is dimmed. */
  ink: readonly [number, number, number];
  accent: readonly [number, number, number];
  dim: readonly [number, number, number];
}

export interface Scene {
  camera: Camera;
  /** Where each panel is on the canvas, in CSS pixels, and which layers it shows. */
  panels: { rect: Rect; layers: Layer[] }[];
  style: Style;
  /** Draw only each so-manieth point, at most `MOST_EVERY`: a first picture of very many. */
  every?: number;
}

/** A vertex attribute's stride is at most 255 bytes, and a place takes four. */
export const MOST_EVERY = 63;

export interface Renderer {
  readonly kind: "webgl2" | "canvas";
  /** Whether a picture of very many points is late, so that one of some should come first. */
  readonly slow: boolean;
  /** Draw over a cleared canvas. False when it could not: the context is lost. */
  draw(scene: Scene, target: CanvasRenderingContext2D, ratio: number): boolean;
  dispose(): void;
}

/** Size and opacity of points by how many there are on so many pixels. */
export function pointStyle(n: number, area: number, zoom: number): { size: number; alpha: number } {
  // zoomed in, about 1 / zoom^2 of the points are in sight
  const seen = Math.max(n / Math.max(zoom, 1) ** 1.6, 1);
  const room = Math.sqrt(area / seen);
  const size = Math.min(Math.max(room * 0.74, 2), 12);
  const alpha = Math.min(Math.max(room * 0.16, 0.28), 0.9);
  return { size, alpha };
}

/** How far to lift so many selected points: outlines of hundreds would hide each other. */
export function liftOf(n: number): number {
  return n <= 40 ? 1 : n <= 400 ? 0.5 : 0.2;
}
