// The two shaders of points. WebGL wants the version on the first line of each.

export const VERTEX = `#version 300 es
// One point of a map. State bits: 1 matched, 2 selected, 4 counterpart, 8 dim, 16 found.
in vec2 place;
in vec3 tint;
in uint state;
uniform vec2 middle;
uniform vec2 scale;
uniform float size;
uniform float alpha;
uniform float lift;
uniform int turn;
uniform vec3 dim;
out vec4 fill;
flat out float ring;
flat out float mark;
flat out float width;

void main() {
  bool lifted = (state & 6u) != 0u;
  bool dimmed = (state & 8u) != 0u && !lifted;
  int own = lifted ? 2 : (dimmed ? 0 : 1);
  bool absent = place.x > 0.999993 && place.y > 0.999993;
  if (own != turn || absent) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = 1.0;
    return;
  }
  // 65534 is 1.0 in the world, normalised attributes take 65535 for it
  vec2 world = place * (65535.0 / 65534.0);
  gl_Position = vec4((world - middle) * scale, 0.0, 1.0);
  bool matched = (state & 1u) != 0u;
  bool found = (state & 16u) != 0u && !lifted;
  width = size * (lifted ? 1.0 + 0.35 * lift : 1.0) + (lifted ? 3.0 * lift : 0.0);
  if (found) width = size * (1.0 + 0.5 * lift) + 2.0 * lift;
  gl_PointSize = width + 1.0;
  ring = matched ? 0.0 : 1.0;
  mark = (state & 2u) != 0u ? (lift > 0.8 ? 1.0 : 0.0) : lifted && lift > 0.3 ? 2.0 : 0.0;
  fill = dimmed ? vec4(dim, alpha * 0.35) : vec4(tint, lifted || found ? 1.0 : alpha);
}
`;

export const FRAGMENT = `#version 300 es
// A disc for a matched feature, a ring for one without a match; outlines for selections.
precision mediump float;
in vec4 fill;
flat in float ring;
flat in float mark;
flat in float width;
uniform vec3 ink;
uniform vec3 accent;
out vec4 colour;

void main() {
  float r = length(gl_PointCoord - 0.5) * (width + 1.0);
  float edge = width * 0.5;
  float body = 1.0 - smoothstep(edge - 0.7, edge + 0.3, r);
  vec3 tint = fill.rgb;
  if (mark > 0.5) {
    float rim = smoothstep(edge - 2.4, edge - 1.6, r);
    tint = mix(tint, mark > 1.5 ? accent : ink, rim);
  }
  float hole = edge * 0.62 - (mark > 0.5 ? 1.5 : 0.0);
  if (ring > 0.5 && width > 4.5) {
    float empty = 1.0 - smoothstep(hole - 0.6, hole + 0.6, r);
    body *= 1.0 - empty * 0.94;
  } else if (ring > 0.5) {
    body *= 0.62;
  }
  float a = body * fill.a;
  if (a < 0.004) discard;
  colour = vec4(tint * a, a);
}
`;
