// Points by WebGL2: drawn on the page's one context, copied to the view's own canvas.

import { scaleOf } from "./camera";
import { program, type SharedGL, sharedGL } from "./gl_context";
import { FRAGMENT, VERTEX } from "./gl_shaders";
import type { Layer } from "./points";
import type { Renderer, Scene } from "./renderer";

interface Held {
  vertices: WebGLVertexArrayObject;
  buffers: { xy: WebGLBuffer; colour: WebGLBuffer; state: WebGLBuffer };
  version: Layer["version"];
  generation: number;
  n: number;
  /** The stride that the attributes are set to, in points. */
  every: number;
}

const UNIFORMS = [
  "middle",
  "scale",
  "size",
  "alpha",
  "lift",
  "turn",
  "dim",
  "ink",
  "accent",
] as const;
type Uniform = (typeof UNIFORMS)[number];

/** A renderer on the shared context; undefined where there is no WebGL2. */
export function glRenderer(onChange: () => void): Renderer | undefined {
  let shared: SharedGL | null = null;
  try {
    shared = sharedGL();
  } catch {
    return undefined;
  }
  if (!shared) return undefined;
  const held = new Map<Layer, Held>();
  shared.listeners.add(onChange);

  function follow(): SharedGL | undefined {
    const now = sharedGL();
    if (now && now !== shared) {
      // the page gave up on a context that never came back
      shared?.listeners.delete(onChange);
      now.listeners.add(onChange);
      held.clear();
      shared = now;
    }
    return now && !now.lost && !now.gl.isContextLost() ? now : undefined;
  }

  return {
    kind: "webgl2",
    get slow() {
      return shared?.slow ?? false;
    },
    draw(scene, target, ratio) {
      const now = follow();
      if (!now) return false;
      drawScene(now, held, scene, target, ratio);
      return !now.gl.isContextLost();
    },
    dispose() {
      shared?.listeners.delete(onChange);
      for (const each of held.values()) {
        if (shared && each.generation === shared.generation) release(shared.gl, each);
      }
      held.clear();
    },
  };
}

function drawScene(
  shared: SharedGL,
  held: Map<Layer, Held>,
  scene: Scene,
  target: CanvasRenderingContext2D,
  ratio: number,
): void {
  const { gl, canvas } = shared;
  const { width, height } = target.canvas;
  // grows to the largest view and stays: resizing it for each would stall every draw
  if (canvas.width < width) canvas.width = width;
  if (canvas.height < height) canvas.height = height;
  const linked = program(shared, "points", VERTEX, FRAGMENT);
  const where = Object.fromEntries(
    UNIFORMS.map((name) => [name, gl.getUniformLocation(linked, name)]),
  ) as Record<Uniform, WebGLUniformLocation | null>;
  gl.useProgram(linked);
  gl.disable(gl.SCISSOR_TEST);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.enable(gl.SCISSOR_TEST);
  const { style, camera, every = 1 } = scene;
  gl.uniform1f(where.size, style.size * ratio);
  gl.uniform1f(where.alpha, style.alpha);
  gl.uniform1f(where.lift, style.lift);
  for (const name of ["dim", "ink", "accent"] as const) {
    const [r, g, b] = style[name];
    gl.uniform3f(where[name], r / 255, g / 255, b / 255);
  }
  for (const { rect, layers } of scene.panels) {
    const x = Math.round(rect.x * ratio);
    const w = Math.round(rect.width * ratio);
    const h = Math.round(rect.height * ratio);
    const y = canvas.height - Math.round(rect.y * ratio) - h; // GL counts rows from below
    gl.viewport(x, y, w, h);
    gl.scissor(x, y, w, h);
    const scale = scaleOf(camera, rect);
    gl.uniform2f(where.middle, camera.x, camera.y);
    gl.uniform2f(where.scale, (2 * scale) / rect.width, (2 * scale) / rect.height);
    const ready = layers.map((layer) => upload(shared, held, linked, layer));
    // dimmed below, selected above, whichever layer they are of
    for (const turn of [0, 1, 2]) {
      gl.uniform1i(where.turn, turn);
      for (const [i, points] of ready.entries()) {
        if (points.n === 0 || !needs(layers[i] as Layer, turn)) continue;
        gl.bindVertexArray(points.vertices);
        if (points.every !== every) stride(gl, linked, points, every);
        gl.drawArrays(gl.POINTS, 0, Math.ceil(points.n / every));
      }
    }
  }
  gl.bindVertexArray(null);
  target.clearRect(0, 0, width, height);
  target.drawImage(canvas, 0, 0, width, height, 0, 0, width, height);
}

// Which turns a layer needs: most maps have nothing dimmed and nothing selected.
const turns = new WeakMap<Layer, { version: number; seen: [boolean, boolean, boolean] }>();

function needs(layer: Layer, turn: number): boolean {
  let known = turns.get(layer);
  if (known?.version !== layer.version.state) {
    const seen: [boolean, boolean, boolean] = [false, false, false];
    for (const state of layer.state) seen[state & 6 ? 2 : state & 8 ? 0 : 1] = true;
    known = { version: layer.version.state, seen };
    turns.set(layer, known);
  }
  return known.seen[turn] as boolean;
}

/** Bring a layer's arrays into the context, those that changed. */
function upload(shared: SharedGL, all: Map<Layer, Held>, linked: WebGLProgram, layer: Layer): Held {
  const { gl } = shared;
  let held = all.get(layer);
  const n = layer.state.length;
  if (!held || held.generation !== shared.generation || held.n !== n) {
    if (held && held.generation === shared.generation) release(gl, held);
    held = create(gl, linked, shared.generation, n);
    all.set(layer, held);
  }
  for (const name of ["xy", "colour", "state"] as const) {
    if (held.version[name] === layer.version[name]) continue;
    gl.bindBuffer(gl.ARRAY_BUFFER, held.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, layer[name], gl.DYNAMIC_DRAW);
    held.version[name] = layer.version[name];
  }
  return held;
}

function create(
  gl: WebGL2RenderingContext,
  linked: WebGLProgram,
  generation: number,
  n: number,
): Held {
  const vertices = gl.createVertexArray();
  const buffers = { xy: gl.createBuffer(), colour: gl.createBuffer(), state: gl.createBuffer() };
  const version = { xy: -1, colour: -1, state: -1 };
  const held = { vertices, buffers, version, generation, n, every: 1 };
  gl.bindVertexArray(vertices);
  for (const name of ["place", "tint", "state"]) {
    gl.enableVertexAttribArray(gl.getAttribLocation(linked, name));
  }
  stride(gl, linked, held, 1);
  gl.bindVertexArray(null);
  return held;
}

/** Let the attributes of the bound vertices step over so many points. */
function stride(gl: WebGL2RenderingContext, linked: WebGLProgram, held: Held, every: number): void {
  held.every = every;
  const at = (name: string, buffer: WebGLBuffer): number => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    return gl.getAttribLocation(linked, name);
  };
  const { xy, colour, state } = held.buffers;
  gl.vertexAttribPointer(at("place", xy), 2, gl.UNSIGNED_SHORT, true, 4 * every, 0);
  gl.vertexAttribPointer(at("tint", colour), 3, gl.UNSIGNED_BYTE, true, 3 * every, 0);
  gl.vertexAttribIPointer(at("state", state), 1, gl.UNSIGNED_BYTE, every, 0);
}

function release(gl: WebGL2RenderingContext, held: Held): void {
  gl.deleteVertexArray(held.vertices);
  for (const buffer of Object.values(held.buffers)) gl.deleteBuffer(buffer);
}
