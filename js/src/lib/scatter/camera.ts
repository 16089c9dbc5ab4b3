// Where a map is looked at from. World coordinates are 0...1 both ways, y upwards.

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Camera {
  /** World point in the middle of a panel. */
  x: number;
  y: number;
  /** 1 fits the whole map. */
  zoom: number;
}

export const HOME: Camera = { x: 0.5, y: 0.5, zoom: 1 };
export const MOST_ZOOM = 400;
/** Room around the map at zoom 1, in pixels. */
const MARGIN = 18;

/** Pixels per unit of the world. */
export function scaleOf(camera: Camera, panel: Rect): number {
  return Math.max(Math.min(panel.width, panel.height) - 2 * MARGIN, 20) * camera.zoom;
}

export function toScreen(camera: Camera, panel: Rect, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, panel);
  return [
    panel.x + panel.width / 2 + (x - camera.x) * scale,
    panel.y + panel.height / 2 - (y - camera.y) * scale,
  ];
}

export function toWorld(camera: Camera, panel: Rect, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, panel);
  return [
    camera.x + (x - panel.x - panel.width / 2) / scale,
    camera.y - (y - panel.y - panel.height / 2) / scale,
  ];
}

/** Zoom by a factor; the world point under a pixel stays there. */
export function zoomAt(camera: Camera, panel: Rect, factor: number, x: number, y: number): Camera {
  const zoom = Math.min(Math.max(camera.zoom * factor, 0.5), MOST_ZOOM);
  const [worldX, worldY] = toWorld(camera, panel, x, y);
  const share = camera.zoom / zoom;
  return clamped({
    x: worldX + (camera.x - worldX) * share,
    y: worldY + (camera.y - worldY) * share,
    zoom,
  });
}

/** Move by pixels, as a dragged sheet of paper. */
export function pan(camera: Camera, panel: Rect, dx: number, dy: number): Camera {
  const scale = scaleOf(camera, panel);
  return clamped({ ...camera, x: camera.x - dx / scale, y: camera.y + dy / scale });
}

/** The camera that shows a stretch of the world with some room around it. */
export function fitted(low: [number, number], high: [number, number]): Camera {
  const size = Math.max(high[0] - low[0], high[1] - low[1], 0.02);
  return clamped({
    x: (low[0] + high[0]) / 2,
    y: (low[1] + high[1]) / 2,
    zoom: Math.min(Math.max(0.8 / size, 1), MOST_ZOOM),
  });
}

/** The map cannot be pushed out of sight. */
function clamped(camera: Camera): Camera {
  const inside = (v: number): number => Math.min(Math.max(v, -0.1), 1.1);
  return { x: inside(camera.x), y: inside(camera.y), zoom: camera.zoom };
}

/** The panel a pixel lies in, -1 for none. */
export function panelAt(panels: Rect[], x: number, y: number): number {
  return panels.findIndex((p) => x >= p.x && x < p.x + p.width && y >= p.y && y < p.y + p.height);
}
