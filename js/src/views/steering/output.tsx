// The texts side by side: unsteered, and one column per strength.
import { short, tidy } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import { Watched } from "./bars";
import type { Column, Shown } from "./data";
import type { State } from "./state";
import { Text } from "./tokens";
import type { SteerSize } from "./traits";

const UNITS: Record<string, string> = { norm: "× |h|", raw: "× v", max_act: "× max act." };

/** "joy +0.3 × |h|" for one steer, "× −1" for several. */
export function heading(column: Column, sizes: readonly SteerSize[]): string {
  if (column.strength === 0) return "unsteered";
  const [card] = sizes;
  if (!card || sizes.length > 1) return `× ${tidy(column.strength)}`;
  const value = column.strength * card.strength;
  const unit = card.method === "add" ? (UNITS[card.unit] ?? "") : `· ${card.method}`;
  return `${value > 0 ? "+" : ""}${tidy(value)} ${unit}`;
}

const known = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : short(value);

const Stats = ({ column }: { column: Column }) => (
  <p class="vv-stats">
    <span title="median size of the change against the state it was made to, where it was made">
      |δ|/|h| {known(column.ratio)}
    </span>
    <span title="of this text under the unsteered model: soars when the text falls apart">
      perplexity {known(column.perplexity)}
    </span>
    <span title="share of token trigrams that came before: near 1 in a loop">
      repetition {known(column.repetition)}
    </span>
  </p>
);

interface OutputProps {
  state: State;
  shown: Shown;
  busy: boolean;
}

export const Output = tracked(({ state, shown, busy }: OutputProps) => {
  return (
    <div
      class="vv-columns"
      data-old={busy && shown.finished ? "" : undefined}
      aria-busy={busy}
      style={{ "--n": shown.columns.length }}
    >
      {shown.columns.map((column, i) => (
        <section class="vv-column" key={column.strength} aria-label={heading(column, shown.sizes)}>
          <h4>{heading(column, shown.sizes)}</h4>
          <Stats column={column} />
          <Text
            state={state}
            serial={shown.serial}
            column={i}
            label={heading(column, shown.sizes)}
            strings={column.strings}
            steered={column.steered}
            changed={column.changed}
          />
          <Watched state={state} shown={shown} column={i} />
        </section>
      ))}
    </div>
  );
});
