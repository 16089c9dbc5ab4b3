// The card at a token: its probability steered and unsteered, and how large the change was.

import { percent, short } from "../../lib/ui/numbers";
import { place } from "../../lib/ui/place";
import { tracked, useLayoutEffect, useRef } from "../../lib/ui/tracked";
import { decode } from "../../lib/wire/arrays";
import { visible } from "../../lib/wire/tokens";
import { heading } from "./output";
import type { State } from "./state";
import { OWN } from "./tokens";

function Probability({ label, logprob }: { label: string; logprob: number | undefined }) {
  return (
    <>
      <span>{label}</span>
      <span class="vv-num">{logprob === undefined ? "–" : `ln P ${short(logprob)}`}</span>
      <span class="vv-num">{logprob === undefined ? "" : percent(Math.exp(logprob))}</span>
    </>
  );
}

export const Card = tracked(
  ({ state, frame }: { state: State; frame: () => HTMLElement | null }) => {
    const card = useRef<HTMLDivElement>(null);
    const looked = state.looked.value;
    useLayoutEffect(() => {
      const [around, own] = [frame(), card.current];
      if (!around || !own || !looked?.element.isConnected) return;
      const at = looked.element.getClientRects()[0] ?? looked.element.getBoundingClientRect();
      const { left, top } = place(at, own.getBoundingClientRect(), around.getBoundingClientRect());
      own.style.left = `${left}px`;
      own.style.top = `${top}px`;
    });
    if (!looked) return null;
    const shown = [state.shown.value, state.compared.value].find(
      (s) => s?.serial === looked.serial,
    );
    const column = shown?.columns[looked.column];
    const i = looked.token;
    if (!shown || (looked.column >= 0 && !column)) return null;
    const whose = shown.prompt.turns[i];
    const string = column ? column.strings[i] : shown.prompt.strings[i];
    const ratio = column ? column.ratios?.[i] : shown.run && decode(shown.run.prompt_ratio)[i];
    const steered = column ? column.steered?.[i] : shown.prompt.steered[i];
    const size = ratio === undefined ? "" : `: |δ|/|h| ${ratio ? short(ratio) : "0"}`;
    return (
      <div class="vv-card" ref={card} role="tooltip">
        <div class="vv-card-head">
          <bdi class="vv-card-token">{visible(string ?? "") || "(empty)"}</bdi>
          <span class="vv-facts">
            {column
              ? `token ${i} of ${column.strings.length}`
              : `token ${i} of the prompt${whose ? ` · ${OWN[whose] ?? whose}` : ""}`}
          </span>
        </div>
        {column && (
          <div class="vv-card-grid">
            {column.strength !== 0 && (
              <Probability label={heading(column, shown.sizes)} logprob={column.logprobs[i]} />
            )}
            <Probability
              label="unsteered"
              logprob={column.strength === 0 ? column.logprobs[i] : column.base?.[i]}
            />
          </div>
        )}
        {steered !== undefined && (
          <p class="vv-card-note">
            {steered
              ? `steered here${size}`
              : column && i === column.strings.length - 1
                ? "not steered: the last token is never read"
                : "not steered here"}
            {column?.changed[i] && " · not in the unsteered text"}
          </p>
        )}
      </div>
    );
  },
);
