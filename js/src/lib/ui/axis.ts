// Axes of charts: round ticks, and a linear scale.

export interface Scale {
  (value: number): number;
  domain: readonly [number, number];
}

/** From `domain` to `range`; a domain of no width goes to the middle. */
export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [a, b] = domain;
  const [from, to] = range;
  const scale = (value: number): number =>
    b === a ? (from + to) / 2 : from + ((value - a) / (b - a)) * (to - from);
  return Object.assign(scale, { domain });
}

/** About `n` round numbers from `low` to `high`, in steps of 1, 2 or 5. */
export function ticks(low: number, high: number, n = 5): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toFixed(10)),
  );
}

/** An SVG path through the points that are numbers; a gap where one is missing. */
export function path(points: readonly (readonly [number, number] | undefined)[]): string {
  let pen = "M";
  let drawn = "";
  for (const point of points) {
    if (!point) pen = "M";
    else {
      drawn += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = "L";
    }
  }
  return drawn;
}
