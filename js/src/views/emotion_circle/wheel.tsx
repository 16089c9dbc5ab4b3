// Around the wheel: how each word answers to every angle, and what is written there.

import { fixed } from "../../lib/dial/geometry";
import { css, cyclic } from "../../lib/ui/colour";
import { tracked } from "../../lib/ui/tracked";
import type { Response, Turned } from "./data";
import type { State } from "./state";

const [WIDE, TALL] = [108, 46];

export const Wheel = tracked(({ state }: { state: State }) => {
  const facts = state.wheel.value;
  const live = state.traits.signal("_live").value && state.dial.facts.value.model !== undefined;
  const busy = state.busy.value;
  const responses = state.responses.value;
  if (!live && !facts) return null;
  const own = responses.filter(({ heldOut }) => !heldOut).sort(byReference);
  const unseen = responses.filter(({ heldOut }) => heldOut).sort((a, b) => a.peak - b.peak);
  const most = Math.max(...responses.flatMap(({ curve }) => curve.map(Math.abs)), 0.1);
  const curves = (of: Response[], facts: Turned) => (
    <div class="vv-multiples">
      {of.map((each) => (
        <Curve key={each.word} response={each} facts={facts} most={most} state={state} />
      ))}
    </div>
  );
  return (
    <section class="vv-part vv-wheel" aria-label="around the wheel">
      <div class="vv-tools">
        <h3>Around the wheel</h3>
        {live && (
          <button type="button" disabled={busy} onClick={() => state.traits.request("around", {})}>
            {facts ? "Turn again" : "Turn all angles"}
          </button>
        )}
        {facts && (
          <span class="vv-facts">
            {facts.angles.length} angles × {facts.n_prompts} prompts at strength{" "}
            {facts.strength.toFixed(2)}
          </span>
        )}
      </div>
      {facts && (
        <>
          <p class="vv-says">{facts.says}</p>
          <div class="vv-facts">
            change of each word's log-probability, ±{most.toFixed(1)} nats, from 0° to 360°; grey:
            95 % of the placebo planes' waves; ▾ peak, ○ reference
          </div>
          {curves(own, facts)}
          {unseen.length > 0 && (
            <details>
              <summary>{unseen.length} words the circle has not seen (○: their quadrant)</summary>
              {curves(unseen, facts)}
            </details>
          )}
          <Texts facts={facts} state={state} />
        </>
      )}
    </section>
  );
});

function byReference(a: Response, b: Response): number {
  return (a.reference ?? a.peak) - (b.reference ?? b.peak);
}

interface CurveProps {
  response: Response;
  facts: Turned;
  most: number;
  state: State;
}

const Curve = tracked(({ response, facts, most, state }: CurveProps) => {
  const { word, curve, reference, peak, amplitude, limit, r2, heldOut } = response;
  const x = (degrees: number): number => (degrees / 360) * WIDE;
  const y = (value: number): number => TALL / 2 - (value / most) * (TALL / 2 - 4);
  const order = [...facts.angles.keys()].sort(
    (a, b) => (facts.angles[a] ?? 0) - (facts.angles[b] ?? 0),
  );
  const points = [...order, order[0] as number].map((i, k) => {
    const degrees = (facts.angles[i] ?? 0) + (k === order.length ? 360 : 0);
    return `${fixed(x(degrees))} ${fixed(y(curve[i] ?? 0))}`;
  });
  const colour = css(cyclic(reference ?? peak));
  const band = Number.isFinite(limit) ? limit : 0;
  const angle = state.dial.hand.value.angle;
  return (
    <figure
      class="vv-curve"
      title={`${word}: peak ${Math.round(peak)}°${reference === undefined ? "" : `, reference ${Math.round(reference)}°`}, amplitude ${amplitude.toFixed(2)} nats (95 % of placebo planes below ${limit.toFixed(2)}), R² ${r2.toFixed(2)}`}
    >
      <svg
        viewBox={`0 0 ${WIDE} ${TALL}`}
        role="img"
        aria-label={`${word}, peak ${Math.round(peak)} degrees`}
      >
        <rect class="vv-curve-band" x="0" width={WIDE} y={y(band)} height={y(-band) - y(band)} />
        <path class="vv-curve-zero" d={`M0 ${TALL / 2}H${WIDE}`} />
        <path class="vv-curve-hand" d={`M${fixed(x(angle))} 0V${TALL}`} />
        <path class="vv-curve-line" d={`M${points.join("L")}`} stroke={colour} />
        {reference !== undefined && (
          <circle
            class="vv-curve-reference"
            cx={fixed(x(reference))}
            cy={TALL - 4}
            r={heldOut ? 2 : 2.6}
          />
        )}
        <path class="vv-curve-peak" d={`M${fixed(x(peak))} 6l-3.4 -5.5h6.8Z`} />
      </svg>
      <figcaption>{word}</figcaption>
    </figure>
  );
});

const Texts = tracked(({ facts, state }: { facts: Turned; state: State }) => {
  const texts = facts.texts.filter((each) => each.angle !== null);
  const plain = facts.texts.find((each) => each.angle === null);
  if (texts.length === 0) return null;
  return (
    <>
      <div class="vv-facts">
        what follows “{facts.text_prompt}” at each angle, one text each; valence by VADER, −1…1
      </div>
      <div class="vv-cards">
        {plain && (
          <div class="vv-said">
            <div class="vv-facts">unsteered{valence(plain.valence)}</div>
            <p>{plain.text}</p>
          </div>
        )}
        {texts.map(({ angle, text, valence: value }) => (
          <button
            type="button"
            class="vv-said"
            key={angle}
            style={{ borderLeftColor: css(cyclic(angle ?? 0)) }}
            onClick={() => state.dial.release({ ...state.dial.hand.value, angle: angle ?? 0 })}
          >
            <div class="vv-facts">
              {angle}°, near {state.dial.nearestName(angle ?? 0)}
              {valence(value)}
            </div>
            <p>{text}</p>
          </button>
        ))}
      </div>
    </>
  );
});

function valence(value: number | null): string {
  return value === null ? "" : ` · ${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
