// A slider through zero: arrows step, Home and End go to the ends, 0 goes to zero.
import { short } from "./numbers";

interface SliderProps {
  /** What a screen reader calls it. */
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  /** Value with its unit, read aloud. */
  text: string;
  disabled?: boolean;
  /** Many times while dragging. */
  onMove(value: number): void;
  /** Once, when let go or stepped by a key. */
  onRelease(value: number): void;
}

/** How many steps a key goes; Home, End and 0 go to a place. */
const STEPS: Record<string, number> = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 10,
  PageDown: -10,
  Home: 0,
  End: 0,
  "0": 0,
};
const SNAP = 0.015; // of the range: nearer to zero than this is zero

export function Slider({ label, value, min, max, step, text, disabled, ...on }: SliderProps) {
  const share = (v: number): number => Math.min(Math.max((v - min) / (max - min), 0), 1) * 100;
  const [zero, at] = [share(0), share(value)];
  const read = (event: Event, snap: boolean): number => {
    const found = Number((event.currentTarget as HTMLInputElement).value);
    return snap && Math.abs(found) < SNAP * (max - min) ? 0 : Number(found.toPrecision(6));
  };
  // a key's step can be smaller than the snap: only the pointer snaps
  let pointer = false;
  return (
    <span
      class="vv-slider"
      style={{ "--from": `${Math.min(zero, at)}%`, "--to": `${Math.max(zero, at)}%` }}
    >
      {min < 0 && <i class="vv-slider-zero" style={{ left: `${zero}%` }} aria-hidden="true" />}
      <input
        type="range"
        aria-label={label}
        aria-valuetext={text}
        title={`${short(min)} … ${short(max)}; key 0: off`}
        min={min}
        max={max}
        step={step}
        value={value}
        disabled={disabled}
        onPointerDown={() => {
          pointer = true;
        }}
        onInput={(event) => on.onMove(read(event, pointer))}
        onChange={(event) => {
          on.onRelease(read(event, pointer));
          pointer = false;
        }}
        onKeyDown={(event) => {
          const steps = STEPS[event.key];
          const to = event.key === "Home" ? min : event.key === "End" ? max : value;
          if (steps === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
          // the notebook takes arrow keys for itself, so the browser's own steps never come
          event.preventDefault();
          event.stopPropagation();
          const next = event.key === "0" ? 0 : to + steps * step;
          on.onRelease(Number(Math.min(Math.max(next, min), max).toPrecision(6)));
        }}
      />
    </span>
  );
}
