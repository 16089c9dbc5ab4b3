// Around a dial: what the circle is worth, what is looked at, and the hand in numbers.

import { short } from "../ui/numbers";
import { tracked } from "../ui/tracked";
import { visible } from "../wire/tokens";
import { Dial } from "./dial";
import { angleOf, away, type Point } from "./geometry";
import type { DialState } from "./state";
import type { TokenMark } from "./trail";

/** The score and its null, as a sentence. */
export const Verdict = tracked(({ dial }: { dial: DialState }) => {
  const { verdict, found, scored, n_null, seed } = dial.facts.value;
  if (!verdict) return null;
  return (
    <div
      class="vv-verdict"
      data-found={scored ? String(found) : undefined}
      title={`${n_null} shuffles of the names, and as many sets of random vectors; seed ${seed}`}
    >
      {verdict}
    </div>
  );
});

interface PanelProps {
  dial: DialState;
  live: boolean;
  marks?: TokenMark[];
  means?: Point[];
}

export const DialPanel = tracked(({ dial, live, marks = [], means = [] }: PanelProps) => {
  const hand = dial.hand.value;
  const rim = dial.traits.signal("rim").value;
  return (
    <div class="vv-dial-panel">
      <Dial dial={dial} live={live} marks={marks} means={means} />
      <Readout dial={dial} marks={marks} />
      <div class="vv-dial-tools">
        <Field
          name="angle"
          unit="°"
          most={359}
          step={5}
          value={Math.round(hand.angle * 10) / 10}
          onSet={(angle) => dial.release({ ...dial.hand.value, angle })}
        />
        <Field
          name="strength"
          unit="× norm"
          title={`multiples of the residual norm; the rim is ${short(rim)}, more is not better`}
          most={rim}
          step={0.01}
          value={hand.strength}
          onSet={(strength) => dial.release({ ...dial.hand.value, strength })}
        />
        <label>
          <input
            type="checkbox"
            checked={dial.traits.signal("snap").value}
            onChange={(event) => dial.traits.set("snap", event.currentTarget.checked)}
          />
          snap to names
        </label>
      </div>
    </div>
  );
});

interface FieldProps {
  name: string;
  unit: string;
  title?: string;
  value: number;
  most: number;
  step: number;
  onSet(value: number): void;
}

function Field({ name, unit, title, value, most, step, onSet }: FieldProps) {
  const read = (event: Event): void => {
    const found = Number((event.currentTarget as HTMLInputElement).value);
    if (Number.isFinite(found) && found !== value) onSet(found);
  };
  return (
    <label title={title}>
      {name}
      <input
        type="number"
        min={0}
        max={most}
        step={step}
        value={value}
        onChange={read}
        // in JupyterLab Enter alone makes no change
        onKeyDown={(event) => event.key === "Enter" && read(event)}
      />
      {unit}
    </label>
  );
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(Math.round(value))}°`;

const Readout = tracked(({ dial, marks }: { dial: DialState; marks: TokenMark[] }) => {
  const lit = dial.lit.value;
  const place = dial.places.value[lit.name];
  const mark = marks.find((each) => each.token === lit.token);
  const ring = dial.facts.value.ring ?? 1;
  let told = <>drag the hand, or hover a name</>;
  if (place) {
    const { angle, reference, spread } = place;
    told = (
      <>
        <b>{place.name}</b> {Math.round(angle)}°
        {reference !== undefined &&
          ` · reference ${Math.round(reference)}°, off ${signed(away(reference, angle))}`}
        {spread &&
          ` · 95 % of bootstrap ${signed(spread[0] - angle)} … ${signed(spread[1] - angle)}`}
        {` · radius ${short(place.radius * ring)}`}
      </>
    );
  } else if (mark) {
    const angle = angleOf({ x: mark.x, y: -mark.y });
    told = (
      <>
        <b>{visible(mark.string)}</b> {Math.round(angle)}° · near {dial.nearestName(angle)} · radius{" "}
        {short(Math.hypot(mark.x, mark.y) * ring)}
        {Math.hypot(mark.x, mark.y) > 1 && " (outside the ring)"}
      </>
    );
  } else if (dial.places.value.length > 0) {
    const hand = dial.hand.value;
    told = (
      <>
        hand at <b>{Math.round(hand.angle)}°</b>, near {dial.nearestName(hand.angle)} · strength{" "}
        <b>{hand.strength.toFixed(2)}</b> × residual norm
      </>
    );
  }
  return <div class="vv-readout">{told}</div>;
});
