// One panel: lines over their placebo band, against strength.

import { linear, path, type Scale, ticks } from "../../lib/ui/axis";
import { tidy } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import type { Line } from "./data";

export const LEFT = 52;
export const RIGHT = 12;
const TOP = 8;

export interface Drawn {
  key: string;
  /** Place in the list of concepts: colour and shape. */
  order: number;
  colour: string;
  line: Line;
  dashed?: boolean;
  /** Low, middle and high quantile; drawn below the line. */
  bands: { kind: string; quantiles: Line[]; colour: string }[];
}

interface PanelProps {
  label: string;
  /** What a reader of the axis should know. */
  title: string;
  lines: Drawn[];
  strengths: number[];
  /** Strength to pixels. */
  x: Scale;
  width: number;
  height: number;
  /** The vertical range, or as far as the data go. */
  range: readonly [number, number] | undefined;
  /** Name of the horizontal axis, on the last panel only. */
  axis?: string | undefined;
  own: number;
  active: number;
  chosen: { key: string; at: number } | undefined;
  look(at: number): void;
  choose(key: string, at: number): void;
}

/** Shapes that tell concepts apart where colours do not. */
function mark(order: number, x: number, y: number): string {
  const r = 4;
  switch (order % 4) {
    case 1:
      return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`;
    case 2:
      return `M${x} ${y - r - 1}l${r + 1} ${2 * r}h${-2 * r - 2}z`;
    case 3:
      return `M${x} ${y - r - 1}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z`;
    default:
      return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  }
}

function extent(lines: Drawn[]): [number, number] {
  const all = lines.flatMap((each) => [
    ...each.line,
    ...each.bands.flatMap((band) => band.quantiles.flat()),
  ]);
  const known = all.filter((v): v is number => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (!known.length) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [Math.max(0, low), high];
}

export const Panel = tracked((props: PanelProps) => {
  const { lines, strengths, x, width, height, own, axis, active } = props;
  const bottom = height - (axis ? 34 : 8);
  const y = linear(props.range ?? extent(lines), [bottom, TOP]);
  const at = (line: Line) =>
    line.map((value, i): [number, number] | undefined =>
      value === null ? undefined : [x(strengths[i] ?? 0), y(value)],
    );
  const [first = 0, last = 0] = [strengths[0], strengths.at(-1)];
  const nearest = (event: MouseEvent): number => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const px = event.clientX - box.left;
    const far = strengths.map((s) => Math.abs(x(s) - px));
    return far.indexOf(Math.min(...far));
  };
  const nearestLine = (event: MouseEvent, i: number): string | undefined => {
    const py = event.clientY - (event.currentTarget as Element).getBoundingClientRect().top;
    const far = lines.map(({ line }) => Math.abs(y(line[i] ?? Number.POSITIVE_INFINITY) - py));
    return lines[far.indexOf(Math.min(...far))]?.key;
  };
  return (
    <figure class="vv-panel" aria-label={props.label}>
      <figcaption title={props.title}>{props.label}</figcaption>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`${props.label} against ${axis ?? "strength"}`}
        onPointerMove={(event) => props.look(nearest(event))}
        onClick={(event) => {
          const i = nearest(event);
          const key = nearestLine(event, i);
          if (key) props.choose(key, i);
        }}
        onKeyDown={() => {}}
      >
        {ticks(...y.domain, 4).map((tick) => (
          <g key={tick} class="vv-tick">
            <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 6} y={y(tick) + 4} text-anchor="end">
              {tidy(tick)}
            </text>
          </g>
        ))}
        <line class="vv-zero" x1={x(0)} x2={x(0)} y1={TOP} y2={bottom} />
        {active >= 0 && (
          <line
            class="vv-cross"
            x1={x(strengths[active] ?? 0)}
            x2={x(strengths[active] ?? 0)}
            y1={TOP}
            y2={bottom}
          />
        )}
        {lines.flatMap(({ key, bands }) =>
          bands.map(({ kind, colour, quantiles: [low = [], middle = [], high = []] }) => {
            const upper = at(high).filter((p) => p !== undefined);
            const lower = at(low).filter((p) => p !== undefined);
            return (
              <g key={`${key}-${kind}`} data-kind={kind} class="vv-band" style={{ color: colour }}>
                <path d={`${path([...upper, ...lower.reverse()])}Z`} />
                <path class="vv-middle" d={path(at(middle))} />
              </g>
            );
          }),
        )}
        {lines.map(({ key, order, colour, line, dashed }) => (
          <g key={key} style={{ color: colour }} class="vv-curve">
            <path d={path(at(line))} data-dashed={dashed ? "" : undefined} />
            {at(line).map(
              (point, i) =>
                point && (
                  <path
                    // a strength is its place
                    key={strengths[i]}
                    class="vv-mark"
                    data-chosen={
                      props.chosen?.key === key && props.chosen.at === i ? "" : undefined
                    }
                    data-hollow={dashed ? "" : undefined}
                    d={mark(order, ...point)}
                  />
                ),
            )}
          </g>
        ))}
        {axis && (
          <g class="vv-tick">
            {ticks(first * own, last * own, 6).map((tick) => (
              <text key={tick} x={x(tick / own)} y={bottom + 15} text-anchor="middle">
                {tidy(tick)}
              </text>
            ))}
            <text x={(LEFT + width - RIGHT) / 2} y={height - 3} text-anchor="middle">
              {axis}
            </text>
          </g>
        )}
      </svg>
    </figure>
  );
});
