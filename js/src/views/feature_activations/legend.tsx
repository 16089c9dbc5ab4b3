// What the colours mean: a scale with its range and unit, or a colour per feature.

import { category, css, MOST_COLOURED } from "../../lib/ui/colour";
import { Label } from "../../lib/ui/label";
import { short } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import type { Column } from "./data";
import { ramp } from "./paint";
import type { State } from "./state";

const SILENT = "silent here";

function silent({ values }: Column): boolean {
  return values.every((value) => value === 0);
}

export const Legend = tracked(({ state, dark }: { state: State; dark: boolean }) => {
  const chosen = state.chosen.value;
  const facts = state.traits.signal("_facts").value;
  const only = chosen.length === 1 ? chosen[0] : undefined;
  const unit = facts.hand_made ? "value" : "activation";
  if (chosen.length === 0) {
    return <div class="vv-legend vv-facts">no feature chosen: pick one from the list</div>;
  }
  return (
    <div class="vv-legend">
      {chosen.map(({ feature, column }, order) => (
        <span class="vv-key" key={feature}>
          {!only && <i class="vv-swatch" style={{ background: css(category(order)) }} />}
          {!facts.hand_made && <span class="vv-index">{feature}</span>}
          <Label label={state.label(feature)} />
          {!only && (
            <span class="vv-facts">
              {silent(column) ? SILENT : (column.signed ? "±" : "0…") + short(column.peak)}
            </span>
          )}
          {!column.exact && <span class="vv-facts">(only where among a token's strongest)</span>}
          <button
            type="button"
            class="vv-remove"
            aria-label={`do not show feature ${feature}`}
            onClick={() => state.toggleFeature(feature)}
          >
            ×
          </button>
        </span>
      ))}
      {only && silent(only.column) && <span class="vv-facts">{SILENT}</span>}
      {only && !silent(only.column) && (
        <span class="vv-scale">
          <span class="vv-num">{only.column.signed ? short(-only.column.peak) : "0"}</span>
          <i style={{ background: ramp(only.column.signed, dark) }} />
          <span class="vv-num">{short(only.column.peak)}</span>
          <span class="vv-facts">{unit}</span>
        </span>
      )}
      {!only && (
        <span class="vv-facts">
          {unit}, each over its largest
          {chosen.some(({ column }) => column.signed) && ", hatched: negative"}
          {chosen.length === MOST_COLOURED && " · eight is the most"}
        </span>
      )}
    </div>
  );
});
