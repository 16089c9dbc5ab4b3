// Tokens on a dial: a trail coloured by position, and an arrow to the mean of each text.
import { css, cyclic } from "../ui/colour";
import { tracked } from "../ui/tracked";
import { visible } from "../wire/tokens";
import { angleOf, fixed, type Point } from "./geometry";
import { type DialState, unlit } from "./state";

/** A token on the dial, in units of the ring's radius, y upwards; outside the ring it is far. */
export interface TokenMark extends Point {
  token: number;
  text: number;
  string: string;
}

interface MarksProps {
  dial: DialState;
  marks: TokenMark[];
  means: Point[];
  radius: number;
}

/** Marks of texts, so that shape tells texts apart. */
const SHAPES = [
  "M0-3.6A3.6 3.6 0 1 1 0 3.6A3.6 3.6 0 1 1 0-3.6Z",
  "M-3.3-3.3H3.3V3.3H-3.3Z",
  "M0-5L4.6 3.4H-4.6Z",
  "M0-5L5 0L0 5L-5 0Z",
];

export function shapeOf(text: number): string {
  return SHAPES[text % SHAPES.length] as string;
}

/** On the screen, drawn back to the ring where it is outside. */
export function seen({ x, y }: Point, radius: number): Point & { far: boolean } {
  const length = Math.hypot(x, y);
  const share = length > 1 ? 1 / length : 1;
  return { x: x * share * radius, y: -y * share * radius, far: length > 1 };
}

export const Marks = tracked(({ dial, marks, means, radius }: MarksProps) => {
  const lit = dial.lit.value.token;
  const texts = new Map<number, TokenMark[]>();
  for (const mark of marks) {
    const held = texts.get(mark.text);
    if (held) held.push(mark);
    else texts.set(mark.text, [mark]);
  }
  const looked = marks.find((mark) => mark.token === lit);
  const name = looked && seen(looked, radius);
  return (
    <g>
      {[...texts].map(([text, own]) => (
        <polyline
          key={text}
          class="vv-trail"
          points={own
            .map((mark) => {
              const { x, y } = seen(mark, radius);
              return `${fixed(x)},${fixed(y)}`;
            })
            .join(" ")}
        />
      ))}
      {marks.map((mark) => {
        const { x, y, far } = seen(mark, radius);
        const colour = css(cyclic(angleOf({ x, y })));
        const on = mark.token === lit;
        return (
          <path
            key={mark.token}
            class="vv-token-mark"
            data-token={mark.token}
            data-far={far ? "" : undefined}
            data-lit={on ? "" : undefined}
            d={shapeOf(mark.text)}
            fill={far ? undefined : colour}
            stroke={far ? colour : undefined}
            transform={`translate(${fixed(x)} ${fixed(y)})${on ? " scale(1.7)" : ""}`}
            onPointerEnter={() => {
              dial.lit.value = { name: -1, token: mark.token };
            }}
            onPointerLeave={() => unlit(dial)}
          />
        );
      })}
      {means.map((mean, text) => (
        <Mean key={text} mean={mean} radius={radius} number={means.length > 1 ? text + 1 : 0} />
      ))}
      {looked && name && (
        <text
          class="vv-token-name"
          x={fixed(name.x + (name.x > 0 ? -11 : 11))}
          y={fixed(name.y - 9)}
          text-anchor={name.x > 0 ? "end" : "start"}
        >
          {visible(looked.string)}
        </text>
      )}
    </g>
  );
});

function Mean({ mean, radius, number }: { mean: Point; radius: number; number: number }) {
  if (Number.isNaN(mean.x)) return null;
  const end = seen(mean, radius);
  const length = Math.hypot(end.x, end.y);
  if (length < 2) return null;
  const [ux, uy] = [end.x / length, end.y / length];
  const barb = (side: number): string => {
    const x = end.x - 9 * ux + side * 5 * uy;
    const y = end.y - 9 * uy - side * 5 * ux;
    return `${fixed(x)} ${fixed(y)}`;
  };
  return (
    <g>
      <path
        class="vv-mean"
        d={`M0 0L${fixed(end.x)} ${fixed(end.y)}M${barb(1)}L${fixed(end.x)} ${fixed(end.y)}L${barb(-1)}`}
      />
      {number > 0 && (
        <text class="vv-mean-number" x={fixed(end.x + 8 * ux)} y={fixed(end.y + 8 * uy + 4)}>
          {number}
        </text>
      )}
    </g>
  );
}
