// Reading: texts as tokens, each tinted by where it lies on the dial.

import { angleOf } from "../../lib/dial/geometry";
import { unlit } from "../../lib/dial/state";
import { shapeOf } from "../../lib/dial/trail";
import { css, cyclic } from "../../lib/ui/colour";
import { tracked, useSignal } from "../../lib/ui/tracked";
import { segments } from "../../lib/wire/tokens";
import type { Token } from "./data";
import type { State } from "./state";

export const Reading = tracked(({ state }: { state: State }) => {
  const text = state.traits.signal("text").value;
  const texts = state.traits.signal("texts").value;
  const live = state.traits.signal("_live").value;
  const shown = texts.length ? texts : [text];
  const typed = useSignal<string[] | undefined>(undefined);
  const rows = typed.value ?? shown;
  const tokens = state.tokens.value;
  const means = state.means.value;

  function set(next: string[]): void {
    typed.value = next;
    const full = next.filter((each) => each.trim());
    if (full.length > 1) state.setTexts(full);
    else state.setText(full[0] ?? "");
  }
  return (
    <section class="vv-part" aria-label="read a text">
      <h3>Read</h3>
      {live &&
        rows.map((row, i) => (
          <div class="vv-edit" key={i}>
            <textarea
              rows={2}
              aria-label={rows.length > 1 ? `text ${i + 1}` : "text to read"}
              placeholder="type a text: its tokens are placed on the dial"
              value={row}
              onInput={(event) => {
                const { value } = event.currentTarget;
                set(rows.map((old, k) => (k === i ? value : old)));
              }}
              onBlur={() => {
                if (rows.every((each) => each.trim())) typed.value = undefined;
              }}
            />
            {rows.length > 1 && (
              <button
                type="button"
                aria-label={`remove text ${i + 1}`}
                onClick={() => {
                  set(rows.filter((_, k) => k !== i));
                  typed.value = undefined;
                }}
              >
                ×
              </button>
            )}
          </div>
        ))}
      {live && rows.length < 4 && rows.at(-1)?.trim() && (
        <button
          type="button"
          class="vv-more"
          onClick={() => {
            typed.value = [...rows, ""];
          }}
        >
          + a text to compare
        </button>
      )}
      {means.map((mean, i) => {
        const own = tokens.filter((token) => token.text === i);
        const angle = angleOf({ x: mean.x, y: -mean.y });
        return (
          <div class="vv-read" key={i}>
            {means.length > 1 && (
              <svg class="vv-shape" viewBox="-7 -7 14 14" role="presentation">
                <path d={shapeOf(i)} />
              </svg>
            )}
            <p class="vv-tokens">
              {own.map((token) => (
                <Chip key={token.index} token={token} state={state} />
              ))}
            </p>
            {!Number.isNaN(mean.x) && (
              <div class="vv-facts">
                mean{means.length > 1 && ` ${i + 1}`}: {Math.round(angle)}°, near{" "}
                {state.dial.nearestName(angle)}, {Math.hypot(mean.x, mean.y).toFixed(2)} of the ring
              </div>
            )}
          </div>
        );
      })}
      {means.length > 0 && (
        <div class="vv-facts">origin: the mean of neutral sentences; first tokens are left out</div>
      )}
    </section>
  );
});

const Chip = tracked(({ token, state }: { token: Token; state: State }) => {
  const { mark, index } = token;
  const lit = state.dial.lit.value.token === index;
  const parts = segments(token.string).map((part) =>
    part.kind === "text" || part.kind === "space" ? part.text : part.sign,
  );
  if (!mark) {
    return (
      <span class="vv-chip" data-out="" title="left out: far off scale">
        {parts}
      </span>
    );
  }
  const colour = cyclic(angleOf({ x: mark.x, y: -mark.y }));
  const share = Math.min(Math.hypot(mark.x, mark.y), 1);
  return (
    <span
      class="vv-chip"
      data-token={index}
      data-lit={lit ? "" : undefined}
      style={{ background: css(colour, 0.4 * share), borderColor: css(colour, share) }}
      onPointerEnter={() => {
        state.dial.lit.value = { name: -1, token: index };
      }}
      onPointerLeave={() => unlit(state.dial)}
    >
      {parts}
    </span>
  );
});
