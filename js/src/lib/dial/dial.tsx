// A dial: a ring of colours, names at their angles, and a hand. SVG, drawn at its own size.
import { css, cyclic } from "../ui/colour";
import { tracked, useLayoutEffect, useRef, useSignal } from "../ui/tracked";
import { arc, at, fixed, handAt, type Point } from "./geometry";
import { HandOfDial } from "./hand";
import { placeNames, widthOf } from "./labels";
import { type DialState, type Place, unlit } from "./state";
import { Marks, type TokenMark } from "./trail";

const FONT = "12px system-ui, sans-serif";
const LINE = 17;
const BAND = 7;
const LARGEST = 232;
const SMALLEST = 90;
/** In a narrower frame no name stands beside the dial: they are read by pointing at them. */
const NAMED = 380;
const SEGMENTS = 120;

interface DialProps {
  dial: DialState;
  /** Whether Python hears of the hand while it is dragged. */
  live: boolean;
  marks?: TokenMark[];
  means?: Point[];
}

export const Dial = tracked(({ dial, live, marks = [], means = [] }: DialProps) => {
  const frame = useRef<HTMLDivElement>(null);
  const width = useSignal(560);
  useLayoutEffect(() => {
    const box = frame.current;
    if (!box) return undefined;
    const look = (): void => {
      if (box.clientWidth) width.value = box.clientWidth;
    };
    look();
    if (typeof ResizeObserver === "undefined") return undefined;
    const watcher = new ResizeObserver(look);
    watcher.observe(box);
    return () => watcher.disconnect();
  }, []);
  const places = dial.places.value;
  const widths = places.map((place) => widthOf(place.name, FONT) + 4);
  const named = width.value >= NAMED;
  const room = BAND + (named ? Math.max(...widths, 40) + 24 : 4);
  const radius = Math.min(Math.max(width.value / 2 - room, SMALLEST), LARGEST);
  return (
    <div class="vv-dial-frame" ref={frame}>
      <Face
        dial={dial}
        live={live}
        marks={marks}
        means={means}
        radius={radius}
        half={radius + room}
        widths={named ? widths : []}
      />
    </div>
  );
});

interface FaceProps extends Required<DialProps> {
  radius: number;
  half: number;
  /** Of the names beside the dial; none where they have no room. */
  widths: number[];
}

const Face = tracked(({ dial, live, marks, means, radius, half, widths }: FaceProps) => {
  const svg = useRef<SVGSVGElement>(null);
  const places = dial.places.value;
  const selected = dial.traits.signal("selected").value;
  const lit = dial.lit.value;
  const outer = radius + BAND;
  const labels = placeNames(
    widths.map((width, i) => ({ angle: places[i]?.angle ?? 0, width })),
    outer + 14,
    LINE,
    outer + 3 * LINE,
  );
  const furthest = Math.max(...labels.map(({ middle }) => Math.abs(middle)), outer);
  const tall = furthest + LINE;
  const some = lit.name >= 0 || selected.length > 0;

  function point(event: PointerEvent): Point {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return { x: 0, y: 0 };
    return {
      x: event.clientX - (box.left + box.right) / 2,
      y: event.clientY - (box.top + box.bottom) / 2,
    };
  }
  function follow(event: PointerEvent) {
    const next = handAt(point(event), radius, dial.traits.signal("rim").value);
    // with shift the hand only turns
    return event.shiftKey ? { ...next, strength: dial.hand.value.strength } : next;
  }
  // on a name a press may be a click: the hand moves once the pointer does
  const pressed = useRef<Point | undefined>(undefined);
  function begin(event: PointerEvent): void {
    pressed.current = undefined;
    (event.currentTarget as Element).setPointerCapture?.(event.pointerId);
    svg.current?.querySelector<SVGElement>(".vv-hand")?.focus({ preventScroll: true });
    dial.drag(follow(event), live);
  }
  function down(event: PointerEvent): void {
    if (event.button !== 0) return;
    event.preventDefault();
    if ((event.target as Element).closest(".vv-place")) pressed.current = point(event);
    else begin(event);
  }
  function move(event: PointerEvent): void {
    const from = pressed.current;
    if (dial.dragging.value) dial.drag(follow(event), live);
    else if (from && event.buttons !== 1) pressed.current = undefined;
    else if (from) {
      const { x, y } = point(event);
      if (Math.hypot(x - from.x, y - from.y) > 4) begin(event);
    }
  }
  function up(): void {
    pressed.current = undefined;
    if (dial.dragging.value) dial.release(dial.hand.value);
  }

  return (
    <svg
      class="vv-dial"
      ref={svg}
      width={2 * half}
      height={2 * tall}
      viewBox={`${-half} ${-tall} ${2 * half} ${2 * tall}`}
      data-some={some ? "" : undefined}
      role="group"
      aria-label="dial"
    >
      <g onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={up}>
        <circle class="vv-dial-disc" r={outer} />
        <Band radius={radius + BAND / 2} />
        <Grid radius={radius} />
        {places.map((place, i) => (
          <Reference key={place.name} place={place} radius={radius} lit={lit.name === i} />
        ))}
        <Axes radius={radius} axes={dial.facts.value.axes ?? ["", ""]} />
        {places.map((place, i) => (
          <NameOf
            key={place.name}
            place={place}
            radius={radius}
            label={labels[i]}
            lit={lit.name === i}
            selected={selected.includes(place.name)}
            onLook={(on) => {
              if (on) dial.lit.value = { name: i, token: -1 };
              else unlit(dial);
            }}
            onToggle={() => dial.toggle(place.name)}
          />
        ))}
        <Marks dial={dial} marks={marks} means={means} radius={radius} />
        <HandOfDial dial={dial} radius={radius} />
      </g>
    </svg>
  );
});

/** The colours of the angles, around the dial. */
function Band({ radius }: { radius: number }) {
  const step = 360 / SEGMENTS;
  return (
    <g class="vv-dial-band">
      {Array.from({ length: SEGMENTS }, (_, i) => (
        <path
          key={i * step}
          // a little longer than a segment: no seams
          d={arc(i * step, (i + 1) * step + 0.4, radius)}
          stroke={css(cyclic((i + 0.5) * step))}
        />
      ))}
    </g>
  );
}

function Grid({ radius }: { radius: number }) {
  return (
    <g class="vv-dial-grid">
      {[1 / 3, 2 / 3].map((share) => (
        <circle key={share} r={fixed(radius * share)} />
      ))}
      <path d={`M${-radius} 0H${radius}M0 ${-radius}V${radius}`} />
    </g>
  );
}

function Axes({ radius, axes }: { radius: number; axes: string[] }) {
  return (
    <g>
      <text class="vv-dial-axis" x={radius - 6} y={-6} text-anchor="end">
        {axes[0]} →
      </text>
      <text
        class="vv-dial-axis"
        x={-6}
        y={-radius + 20}
        text-anchor="end"
        transform={`rotate(-90 -6 ${-radius + 20})`}
      >
        {axes[1]} →
      </text>
    </g>
  );
}

interface ReferenceProps {
  place: Place;
  radius: number;
  lit: boolean;
}

/** Where a name should be, and a thin line from where it is. */
function Reference({ place, radius, lit }: ReferenceProps) {
  if (place.reference === undefined) return null;
  const [is, should] = [at(place.angle, place.radius * radius), at(place.reference, radius - 5)];
  return (
    <g class="vv-place" data-lit={lit ? "" : undefined} style={{ pointerEvents: "none" }}>
      <line
        class="vv-ref-line"
        x1={fixed(is.x)}
        y1={fixed(is.y)}
        x2={fixed(should.x)}
        y2={fixed(should.y)}
      />
      <circle class="vv-ref" cx={fixed(should.x)} cy={fixed(should.y)} r={lit ? 4 : 2.6} />
    </g>
  );
}

interface NameProps extends ReferenceProps {
  label: ReturnType<typeof placeNames>[number] | undefined;
  selected: boolean;
  onLook(on: boolean): void;
  onToggle(): void;
}

function NameOf({ place, radius, label, lit, selected, onLook, onToggle }: NameProps) {
  const { angle, spread } = place;
  const colour = css(cyclic(angle));
  const dot = at(angle, place.radius * radius);
  const ring = at(angle, radius + BAND);
  const elbow = at(angle, radius + BAND + 5);
  const inner = label && (label.side === 1 ? label.left - 2 : label.left + 2);
  const start = label?.side === 1 ? inner : (inner ?? 0) + widthOf(place.name, FONT) + 2;
  return (
    <g
      class="vv-place"
      role="button"
      tabindex={-1}
      aria-pressed={selected}
      aria-label={place.name}
      data-lit={lit ? "" : undefined}
      onPointerEnter={() => onLook(true)}
      onPointerLeave={() => onLook(false)}
      onClick={onToggle}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onToggle();
      }}
    >
      {spread && (
        <path
          class="vv-spread"
          stroke={colour}
          d={arc(spread[0], spread[1], place.radius * radius)}
        />
      )}
      {label?.shown && (
        <path
          class="vv-leader"
          stroke={colour}
          d={`M${fixed(dot.x)} ${fixed(dot.y)}L${fixed(ring.x)} ${fixed(ring.y)}L${fixed(elbow.x)} ${fixed(elbow.y)}L${fixed(start ?? 0)} ${fixed(label.middle)}`}
        />
      )}
      <circle
        class="vv-name-dot"
        r={lit || selected ? 7 : 5.5}
        fill={colour}
        style={{ transform: `translate(${fixed(dot.x)}px, ${fixed(dot.y)}px)` }}
      />
      {(label?.shown || lit || selected) && label && (
        <text x={fixed(label.left + (label.side === 1 ? 2 : 0))} y={fixed(label.middle + 4)}>
          {place.name}
        </text>
      )}
    </g>
  );
}
