// Where the names of a dial stand: in two wings beside the ring, none over another.
//
// Every name takes a line of its own on the left or the right, as near to its angle as the others
// allow (least squares under a smallest distance: pool adjacent violators). Distinct lines on
// either side of an empty middle cannot overlap, whatever the words' widths.
import { at } from "./geometry";

export interface Name {
  angle: number;
  width: number;
}

export interface Placed {
  /** Left and middle of the text, seen from the dial's centre. */
  left: number;
  middle: number;
  side: 1 | -1;
  /** Whether there was room. */
  shown: boolean;
}

/** Half the gap between the two wings above and below the dial. */
const MIDDLE = 5;

/**
 * Place names around a dial.
 *
 * @param names in any order
 * @param radius of the circle on which the text begins
 * @param line height of a line
 * @param reach how far up and down text may go, at least half a line over `radius`
 */
export function placeNames(
  names: readonly Name[],
  radius: number,
  line: number,
  reach: number = radius + line,
): Placed[] {
  const capacity = Math.max(Math.floor((2 * reach) / line), 1);
  const order = [...names.keys()];
  const x = (i: number): number => at(names[i]?.angle ?? 0, 1).x;
  const wings: [number[], number[]] = [
    order.filter((i) => x(i) >= 0),
    order.filter((i) => x(i) < 0),
  ];
  // a full wing hands over the names nearest to the vertical, then leaves some out
  for (const [from, to] of [wings, [wings[1], wings[0]] as [number[], number[]]]) {
    from.sort((a, b) => Math.abs(x(b)) - Math.abs(x(a)));
    while (from.length > capacity && to.length < capacity) to.push(from.pop() as number);
  }
  const placed: Placed[] = names.map(() => ({ left: 0, middle: 0, side: 1, shown: false }));
  for (const [wing, side] of [
    [wings[0], 1],
    [wings[1], -1],
  ] as const) {
    const kept = wing.slice(0, capacity);
    const wish = (i: number): number => at(names[i]?.angle ?? 0, radius).y;
    kept.sort((a, b) => wish(a) - wish(b) || a - b);
    const lines = spread(kept.map(wish), line, reach - line / 2);
    kept.forEach((i, k) => {
      const middle = lines[k] as number;
      const near = Math.max(Math.abs(middle) - line / 2, 0);
      const inner = Math.max(Math.sqrt(Math.max(radius ** 2 - near ** 2, 0)), MIDDLE);
      const left = side === 1 ? inner : -inner - (names[i]?.width ?? 0);
      placed[i] = { left, middle, side, shown: true };
    });
  }
  return placed;
}

/**
 * Positions as near as possible to ascending wishes, at least `gap` apart, within -end...end.
 */
export function spread(wishes: readonly number[], gap: number, end: number): number[] {
  // less the gaps, they only have to ascend
  const blocks: { sum: number; n: number }[] = [];
  wishes.forEach((wish, i) => {
    blocks.push({ sum: wish - i * gap, n: 1 });
    for (;;) {
      const [before, last] = blocks.slice(-2);
      if (!before || !last || before.sum / before.n <= last.sum / last.n) break;
      blocks.splice(-2, 2, { sum: before.sum + last.sum, n: before.n + last.n });
    }
  });
  const most = end - (wishes.length - 1) * gap;
  const found: number[] = [];
  for (const { sum, n } of blocks) {
    const start = Math.max(Math.min(sum / n, most), -end);
    for (let i = 0; i < n; i++) found.push(start + found.length * gap);
  }
  return found;
}

let pen: CanvasRenderingContext2D | null | undefined;

/** The width of a text in pixels; an estimate where nothing can measure. */
export function widthOf(text: string, font: string): number {
  pen ??= document.createElement("canvas").getContext?.("2d");
  const size = Number.parseFloat(/([\d.]+)px/.exec(font)?.[1] ?? "12");
  if (!pen?.measureText) return text.length * size * 0.56;
  pen.font = font;
  return pen.measureText(text).width;
}
