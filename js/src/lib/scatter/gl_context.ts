// One WebGL2 context for all views of a page: browsers keep 16 and lose the oldest.
//
// Every view brings its own copy of this module, so the context hangs on the page, not here.

export interface SharedGL {
  canvas: OffscreenCanvas;
  gl: WebGL2RenderingContext;
  /** Grows when the context comes back: whatever was in it is gone. */
  generation: number;
  lost: boolean;
  /** Drawn by the processor: a million points then take a good part of a second. */
  slow: boolean;
  /** Linked programs by name; views of one version share them. */
  programs: Map<string, WebGLProgram>;
  /** Called when the context is lost or comes back. */
  listeners: Set<() => void>;
}

// Raise with any change of what is shared: two versions on one page keep apart.
const KEY = Symbol.for("volvelle.gl/2");

type Page = { [KEY]?: SharedGL | null };

/** The page's context, made on first use; null where there is no WebGL2. */
export function sharedGL(): SharedGL | null {
  const page = globalThis as Page;
  const held = page[KEY];
  if (held !== undefined && !(held?.lost && isGone(held))) return held;
  page[KEY] = make();
  return page[KEY] ?? null;
}

/** Whether a lost context has not come back for so long that a new one is due. */
function isGone(shared: SharedGL): boolean {
  const since = lostAt.get(shared);
  return since !== undefined && performance.now() - since > 3000;
}

const lostAt = new WeakMap<SharedGL, number>();

function make(): SharedGL | null {
  if (typeof OffscreenCanvas === "undefined") return null;
  const canvas = new OffscreenCanvas(256, 256);
  const gl = canvas.getContext("webgl2", { antialias: false, depth: false, alpha: true });
  if (!gl) return null;
  const shared: SharedGL = {
    canvas,
    gl,
    generation: 0,
    lost: false,
    slow: bySoftware(gl),
    programs: new Map(),
    listeners: new Set(),
  };
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault(); // or it never comes back
    shared.lost = true;
    lostAt.set(shared, performance.now());
    for (const listener of [...shared.listeners]) listener();
  });
  canvas.addEventListener("webglcontextrestored", () => {
    shared.lost = false;
    shared.generation += 1;
    shared.programs.clear();
    for (const listener of [...shared.listeners]) listener();
  });
  return shared;
}

function bySoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(name));
}

/** The linked program of a name, made once per page. */
export function program(
  shared: SharedGL,
  name: string,
  vertex: string,
  fragment: string,
): WebGLProgram {
  const held = shared.programs.get(name);
  if (held) return held;
  const { gl } = shared;
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("WebGL2 gave no shader");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the shader of ${name} does not link: ${gl.getProgramInfoLog(made)}`);
  }
  shared.programs.set(name, made);
  return made;
}
