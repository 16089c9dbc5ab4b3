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
          if (event.key !== "0") return;
          event.preventDefault();
          on.onRelease(0);
        }}
      />
    </span>
  );
}
