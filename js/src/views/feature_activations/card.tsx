// The card at a token: what it is, the chosen features' values, and what fires there most.

import { category, css } from "../../lib/ui/colour";
import { Label } from "../../lib/ui/label";
import { count, short } from "../../lib/ui/numbers";
import { place } from "../../lib/ui/place";
import { tracked, useLayoutEffect, useRef } from "../../lib/ui/tracked";
import { type Chip, LEFT_OUT, OUTLIER, SPECIAL, visible, WINDOW } from "../../lib/wire/tokens";
import { type Fired, peakOf } from "./data";
import type { State } from "./state";

const LONGEST = 80; // characters of a token that the card repeats
const N_STRONGEST = 5;

/** The strongest features over a chip's tokens. */
export function strongestOn(state: State, chip: Chip): Fired[] {
  const best = new Map<number, number>();
  for (let token = chip.start; token < chip.end; token++) {
    for (const { feature, value } of state.strongest.value.of(token)) {
      if (Math.abs(value) > Math.abs(best.get(feature) ?? 0)) best.set(feature, value);
    }
  }
  return [...best]
    .map(([feature, value]) => ({ feature, value }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, N_STRONGEST);
}

function notes(chip: Chip): string[] {
  const found: string[] = [];
  if (chip.flags & LEFT_OUT) {
    found.push("left out: the state at the first token of a text is like no other, far off scale");
  }
  if (chip.flags & OUTLIER) found.push("extreme norm: shown, but in no ranking");
  if (chip.flags & WINDOW) found.push("a new window starts here");
  if (chip.flags & SPECIAL) found.push("special token");
  return found;
}

function Value({ value, most }: { value: number; most: number }) {
  const width = most > 0 ? Math.min(Math.abs(value) / most, 1) * 100 : 0;
  return (
    <>
      <span class="vv-meter" aria-hidden="true">
        <i style={{ width: `${width}%` }} />
      </span>
      <span class="vv-num">{short(value)}</span>
    </>
  );
}

export const Card = tracked(
  ({ state, frame }: { state: State; frame: () => HTMLElement | null }) => {
    const card = useRef<HTMLDivElement>(null);
    const { chip: i, element } = state.looked.value;
    const tokens = state.tokens.value;
    const chip = tokens.chips[i];
    const strongest = chip ? strongestOn(state, chip) : [];
    const unlabelled = strongest.map(({ feature }) => feature).join();

    useLayoutEffect(() => {
      const [around, own] = [frame(), card.current];
      if (!around || !own || !element) return;
      const lines = element.getClientRects();
      const at = lines[0] ?? element.getBoundingClientRect();
      const { left, top } = place(at, own.getBoundingClientRect(), around.getBoundingClientRect());
      own.style.left = `${left}px`;
      own.style.top = `${top}px`;
    });
    useLayoutEffect(() => {
      if (strongest.length === 0) return undefined;
      const timer = setTimeout(() => state.askLabels(strongest.map((s) => s.feature)), 120);
      return () => clearTimeout(timer);
    }, [unlabelled]);

    if (!chip) return null;
    const chosen = state.chosen.value;
    const text = visible(chip.text);
    const ids = Array.from({ length: chip.end - chip.start }, (_, k) => tokens.id(chip.start + k));
    const row = tokens.rows.filter((first) => first <= i).length - 1;
    const handMade = state.traits.signal("_facts").value.hand_made;
    const most = Math.abs(strongest[0]?.value ?? 0);
    return (
      <div class="vv-card" ref={card} role="tooltip">
        <div class="vv-card-head">
          <bdi class="vv-card-token">
            {text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text || "(empty)"}
          </bdi>
          <span class="vv-facts">
            {text.length > LONGEST && `${count([...chip.text].length)} characters · `}
            {!handMade && `id ${ids.join(" + ")} · `}
            token {chip.start}
            {chip.end > chip.start + 1 && `…${chip.end - 1}`} of {count(tokens.n)}
            {tokens.rows.length > 2 && ` · text ${row + 1}`}
          </span>
        </div>
        {notes(chip).map((note) => (
          <p class="vv-card-note" key={note}>
            {note}
          </p>
        ))}
        {chosen.length > 0 && (
          <div class="vv-card-values">
            {chosen.map(({ feature, column }, order) => {
              const value = peakOf(column.values, chip.start, chip.end);
              return (
                <div class="vv-card-row" key={feature}>
                  <i
                    class="vv-swatch"
                    style={{
                      background: chosen.length > 1 ? css(category(order)) : "var(--ink-soft)",
                    }}
                  />
                  {!handMade && <span class="vv-index">{feature}</span>}
                  <Label label={state.label(feature)} />
                  <Value value={value} most={column.peak} />
                </div>
              );
            })}
          </div>
        )}
        {strongest.length > 0 && (
          <div class="vv-card-values">
            <p class="vv-card-note">strongest here</p>
            {strongest.map(({ feature, value }) => (
              <div class="vv-card-row" key={feature}>
                <span class="vv-index">{feature}</span>
                <Label label={state.label(feature)} />
                <Value value={value} most={most} />
              </div>
            ))}
          </div>
        )}
      </div>
    );
  },
);
