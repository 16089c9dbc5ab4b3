// Angles and points of a dial: degrees anticlockwise from the right, as in a plane, while the
// screen's y grows downwards.

export interface Point {
  x: number;
  y: number;
}

/** Degrees in [0, 360). */
export function wrap(degrees: number): number {
  return ((degrees % 360) + 360) % 360;
}

/** The way from `a` to `b`, degrees in [-180, 180). */
export function away(a: number, b: number): number {
  return wrap(b - a + 180) - 180;
}

/** The point at an angle and a distance from the centre, on the screen. */
export function at(degrees: number, radius: number): Point {
  const turn = (degrees * Math.PI) / 180;
  return { x: radius * Math.cos(turn), y: -radius * Math.sin(turn) };
}

/** The angle of a point on the screen, seen from the centre. */
export function angleOf({ x, y }: Point): number {
  return wrap((Math.atan2(-y, x) * 180) / Math.PI);
}

/** An SVG path along a circle, anticlockwise on the screen. */
export function arc(from: number, to: number, radius: number): string {
  const [a, b] = [at(from, radius), at(to, radius)];
  const large = to - from > 180 ? 1 : 0;
  return `M${fixed(a.x)} ${fixed(a.y)}A${fixed(radius)} ${fixed(radius)} 0 ${large} 0 ${fixed(b.x)} ${fixed(b.y)}`;
}

/** Two decimals: finer than a pixel of any screen. */
export function fixed(value: number): number {
  return Math.round(value * 100) / 100;
}

/** The angle nearest to `degrees` among some, or itself where there are none. */
export function nearest(degrees: number, angles: readonly number[]): number {
  let best = degrees;
  let least = Number.POSITIVE_INFINITY;
  for (const angle of angles) {
    const off = Math.abs(away(degrees, angle));
    if (off < least) [best, least] = [angle, off];
  }
  return best;
}

export interface Hand {
  angle: number;
  strength: number;
}

const STRENGTH_STEPS = 30;

/**
 * Where a key turns the hand: arrows by 5 degrees, with shift and PageUp and PageDown by 30,
 * Home to 0; + and - lengthen and shorten it. Undefined for a key that does nothing.
 */
export function turn(key: string, shift: boolean, hand: Hand, rim: number): Hand | undefined {
  const step = shift ? 30 : 5;
  const by = (degrees: number): Hand => ({ ...hand, angle: wrap(hand.angle + degrees) });
  const long = (steps: number): Hand => {
    const strength = Math.min(Math.max(hand.strength + (steps * rim) / STRENGTH_STEPS, 0), rim);
    return { ...hand, strength: Number(strength.toFixed(4)) };
  };
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return by(step);
    case "ArrowLeft":
    case "ArrowDown":
      return by(-step);
    case "PageUp":
      return by(30);
    case "PageDown":
      return by(-30);
    case "Home":
      return { ...hand, angle: 0 };
    case "+":
    case "=":
      return long(1);
    case "-":
    case "_":
      return long(-1);
    default:
      return undefined;
  }
}

/** The hand that ends at a point of a dial of radius `radius`. */
export function handAt(point: Point, radius: number, rim: number): Hand {
  const length = Math.min(Math.hypot(point.x, point.y) / radius, 1);
  return {
    angle: Math.round(angleOf(point) * 10) / 10,
    strength: Number((length * rim).toFixed(3)),
  };
}
