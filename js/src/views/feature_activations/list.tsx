// The features that fire, as a listbox one can sort, filter, pick from and pin in.

import { category, css } from "../../lib/ui/colour";
import { move } from "../../lib/ui/keyboard";
import { Label } from "../../lib/ui/label";
import { count, percent, short } from "../../lib/ui/numbers";
import { copyOrDownload, csv } from "../../lib/ui/table";
import { tracked, useEffect, useRef, useSignal } from "../../lib/ui/tracked";
import type { SortBy } from "./data";
import { N_BINS, type Row } from "./rows";
import type { State } from "./state";

const SORTS: [SortBy, string][] = [
  ["max", "max"],
  ["mean", "mean"],
  ["density", "share of tokens"],
  ["index", "number"],
];

let lists = 0;

/** Where in the text a feature fires: one column per 48th, as high as its largest value there. */
function FireBar({ bar }: { bar: Uint8Array }) {
  let path = "";
  for (let i = 0; i < N_BINS; i++) {
    const height = ((bar[i] ?? 0) / 255) * 16;
    if (height > 0) path += `M${i * 2} 16v-${Math.max(height, 1.5).toFixed(1)}h2V16z`;
  }
  return (
    <svg
      class="vv-fire"
      viewBox={`0 0 ${N_BINS * 2} 16`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path d={path} />
    </svg>
  );
}

function shown(row: Row, sortBy: SortBy): string {
  if (sortBy === "mean") return short(row.mean);
  if (sortBy === "density") return percent(row.density);
  return "";
}

export const FeatureList = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const id = useRef(`vv-list-${++lists}`).current;
  const box = useRef<HTMLDivElement>(null);
  const active = useSignal(-1);
  const said = useSignal("");
  const { rows, firing, exact } = state.listed.value;
  const selected = traits.signal("selected_features").value;
  const tokens = traits.signal("selected_tokens").value;
  const sortBy = traits.signal("sort_by").value;
  const handMade = traits.signal("_facts").value.hand_made ?? false;
  const whole = state.tokens.value.rows.length > 2 ? "all texts" : "the text";
  const scope = tokens.length ? `${count(tokens.length)} selected` : whole;
  const query = traits.signal("query").value;

  const row = rows[active.value];
  useEffect(() => {
    box.current?.querySelector('[data-active="true"]')?.scrollIntoView?.({ block: "nearest" });
  }, [active.value]);

  function onKey(event: KeyboardEvent): void {
    const next = move(event.key, active.value, rows.length);
    if (next !== undefined) active.value = next;
    else if (event.key === "Enter" && row) state.chooseOnly(row.feature);
    else if (event.key === " " && row) state.toggleFeature(row.feature);
    else if (event.key === "p" && row) state.togglePin(row.feature);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own keys
  }

  async function copy(): Promise<void> {
    const table = csv(
      ["feature", "label", "max", "mean", "density", "pinned", "selected"],
      rows.map((r) => [
        r.feature,
        r.label,
        r.max,
        r.mean,
        r.density,
        r.pinned,
        selected.includes(r.feature),
      ]),
    );
    said.value = (await copyOrDownload(table, "features.csv")) === "copied" ? "copied" : "saved";
    setTimeout(() => {
      said.value = "";
    }, 2000);
  }

  return (
    <section class="vv-features" aria-label="features">
      <div class="vv-tools">
        <input
          type="search"
          placeholder="filter by label or number"
          aria-label="filter features by label or number"
          value={query}
          onInput={(event) => state.setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "ArrowDown") return;
            event.preventDefault();
            active.value = 0;
            box.current?.focus();
          }}
        />
        <label class="vv-sort">
          by{" "}
          <select
            value={sortBy}
            aria-label="sort features by"
            onChange={(event) => state.setSort(event.currentTarget.value as SortBy)}
          >
            {SORTS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={copy} title="copy the list as CSV">
          {said.value || "CSV"}
        </button>
      </div>
      <div class="vv-list-head">
        <span aria-live="polite">
          {handMade ? "values" : "strongest"} on {scope}
          {firing !== undefined &&
            ` · ${count(rows.length)} of ${count(Math.max(firing, rows.length))}`}
          {!exact && ` · from each token's ${state.strongest.value.k} strongest`}
        </span>
        <span class="vv-num">
          {sortBy === "mean" ? "mean" : sortBy === "density" ? "share" : ""}
        </span>
        <span class="vv-num">max</span>
      </div>
      <div
        class="vv-list"
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-multiselectable="true"
        aria-label="features; Enter shows one, Space adds it, p pins it"
        aria-activedescendant={row ? `${id}-${row.feature}` : undefined}
        onKeyDown={onKey}
        onFocus={() => {
          if (active.value < 0) active.value = 0;
        }}
      >
        {rows.map((r, i) => {
          const order = selected.indexOf(r.feature);
          return (
            <div
              key={r.feature}
              id={`${id}-${r.feature}`}
              class="vv-feature"
              role="option"
              tabIndex={-1}
              aria-selected={order >= 0}
              data-active={i === active.value}
              data-pinned={r.pinned}
              onKeyDown={() => {}}
              onClick={(event) => {
                active.value = i;
                if (event.ctrlKey || event.metaKey || event.shiftKey)
                  state.toggleFeature(r.feature);
                else state.chooseOnly(r.feature);
              }}
            >
              <button
                type="button"
                class="vv-box"
                tabIndex={-1}
                aria-label={order >= 0 ? "remove from the text" : "add to the text"}
                title="show together with the others (Space)"
                style={order >= 0 ? { background: css(category(order)) } : undefined}
                onClick={(event) => {
                  event.stopPropagation();
                  state.toggleFeature(r.feature);
                }}
              />
              <span class="vv-name" title={r.label}>
                {!handMade && <span class="vv-index">{r.feature}</span>}
                <Label label={r.label} />
              </span>
              <FireBar bar={r.bar} />
              <span class="vv-num vv-second">{shown(r, sortBy)}</span>
              <span class="vv-num">{short(r.max)}</span>
              <button
                type="button"
                class="vv-pin"
                tabIndex={-1}
                aria-pressed={r.pinned}
                aria-label={`pin feature ${r.feature}`}
                title="keep on top (p)"
                onClick={(event) => {
                  event.stopPropagation();
                  state.togglePin(r.feature);
                }}
              >
                <svg viewBox="0 0 12 12" aria-hidden="true">
                  <path d="M4 1h4l-.5 3.5L9.500 6.500v1H6.600V11h-1.200V7.500H2.500v-1l2-2z" />
                </svg>
              </button>
            </div>
          );
        })}
        {rows.length === 0 && (
          <p class="vv-empty">{query ? "no feature matches" : "nothing fires"}</p>
        )}
      </div>
    </section>
  );
});
