// The list beside the map. Only the rows in sight are in the page, so a million can be selected.

import { useRef } from "preact/hooks";
import { move } from "../../lib/keyboard";
import { Label } from "../../lib/label";
import { count, short } from "../../lib/numbers";
import { csv, download } from "../../lib/table";
import { tracked, useSignal } from "../../lib/tracked";
import type { Spot } from "./data";
import { isHead, selectionRows } from "./rows";
import type { MapState } from "./state";

const ROW_PIXELS = 26;
const SPARE_ROWS = 6;

export const SelectionList = tracked(({ state }: { state: MapState }) => {
  const top = useSignal(0);
  const height = useSignal(360);
  const active = useSignal(-1);
  const box = useRef<HTMLDivElement>(null);
  const rows = selectionRows(state);
  const first = Math.max(Math.floor(top.value / ROW_PIXELS) - SPARE_ROWS, 0);
  const last = Math.min(
    Math.ceil((top.value + height.value) / ROW_PIXELS) + SPARE_ROWS,
    rows.length,
  );
  const selected = state.selected[0].value.length + state.selected[1].value.length;

  function onScroll(event: Event): void {
    const element = event.currentTarget as HTMLElement;
    top.value = element.scrollTop;
    height.value = element.clientHeight;
  }
  function onClick(event: MouseEvent): void {
    const at = (event.target as HTMLElement).closest<HTMLElement>(".vv-row")?.dataset.at;
    const row = at === undefined ? undefined : rows[Number(at)];
    if (!row || isHead(row)) return;
    active.value = Number(at);
    pick(state, row);
  }
  function onKey(event: KeyboardEvent): void {
    const row = rows[active.value];
    if ((event.key === "Enter" || event.key === " ") && row && !isHead(row)) {
      pick(state, row);
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    let next = move(event.key, active.value, rows.length);
    if (next === undefined) return;
    const step = next >= active.value ? 1 : -1;
    while (next > 0 && next < rows.length - 1 && isHead(rows[next] as never)) next += step;
    event.preventDefault();
    event.stopPropagation();
    active.value = next;
    const found = rows[next];
    if (found && !isHead(found)) state.looked.value = found;
    const element = box.current;
    if (!element) return;
    const y = next * ROW_PIXELS;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + ROW_PIXELS > element.scrollTop + element.clientHeight) {
      element.scrollTop = y + ROW_PIXELS - element.clientHeight;
    }
  }

  return (
    <aside class="vv-map-list" aria-label="selected features">
      <div class="vv-map-list-head">
        <span>{selected ? `${count(selected)} selected` : "Selection"}</span>
        <span class="vv-grow" />
        {rows.length > 0 && (
          <button type="button" title="save these rows as CSV" onClick={() => save(state)}>
            CSV
          </button>
        )}
        {selected > 0 && (
          <button type="button" onClick={() => state.clear()}>
            Clear
          </button>
        )}
      </div>
      <div
        class="vv-map-rows"
        data-empty={rows.length === 0 ? "" : undefined}
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label="features; arrows move, Enter picks one"
        aria-activedescendant={active.value >= 0 ? `vv-row-${active.value}` : undefined}
        onScroll={onScroll}
        onKeyDown={onKey}
        onClick={onClick}
      >
        {rows.length === 0 && <Hint alone={!state.sides.value[1].n} />}
        <div style={{ height: `${rows.length * ROW_PIXELS}px`, position: "relative" }}>
          {rows.slice(first, last).map((row, i) => {
            const at = first + i;
            const style = { top: `${at * ROW_PIXELS}px` };
            return isHead(row) ? (
              <div class="vv-row-head" style={style} key={`h${at}`}>
                {row.head} <span class="vv-facts">{row.note}</span>
              </div>
            ) : (
              <Feature
                state={state}
                spot={row}
                at={at}
                active={at === active.value}
                key={`${row.which}/${row.index}/${at}`}
              />
            );
          })}
        </div>
      </div>
    </aside>
  );
});

const Hint = ({ alone }: { alone: boolean }) => (
  <p class="vv-map-hint">
    Click a point, or draw around some with the lasso (shift adds, alt takes away).
    {!alone && " What matches them in the other dictionary is listed here too."}
  </p>
);

interface FeatureProps {
  state: MapState;
  spot: Spot;
  at: number;
  active: boolean;
}

const Feature = tracked(({ state, spot, at, active }: FeatureProps) => {
  const side = state.sides.value[spot.which];
  const score = state.matches.value.score[spot.which][spot.index] ?? 0;
  const matched = state.match(spot) !== undefined;
  const own = state.traits.signal("features_of").value === "b" ? 1 : 0;
  const picked =
    spot.which === own && state.traits.signal("selected_features").value.includes(spot.index);
  return (
    <div
      class="vv-row"
      id={`vv-row-${at}`}
      role="option"
      aria-selected={picked}
      tabIndex={-1}
      data-at={at}
      data-active={active ? "" : undefined}
      style={{ top: `${at * ROW_PIXELS}px` }}
      onMouseEnter={() => {
        state.looked.value = spot;
      }}
      onMouseLeave={() => {
        state.looked.value = undefined;
      }}
      title={`${side.name}/${spot.index}: ${side.label(spot.index)}`}
    >
      <span class="vv-key-dot" data-which={spot.which} data-matched={matched ? "" : undefined} />
      <span class="vv-row-index">{spot.index}</span>
      <span class="vv-row-label">
        <Label label={side.label(spot.index)} />
      </span>
      <span class="vv-row-score" title={matched ? "score of its match" : "no match"}>
        {matched ? short(score) : "–"}
      </span>
    </div>
  );
});

/** Pick one feature out of the list: it becomes `selected_features`, the selection stays. */
function pick(state: MapState, spot: Spot): void {
  const own = state.traits.signal("features_of").value === "b" ? 1 : 0;
  const feature = spot.which === own ? spot.index : state.match(spot)?.index;
  state.looked.value = spot;
  if (feature !== undefined) state.traits.set("selected_features", [feature]);
}

function save(state: MapState): void {
  const head = ["section", "dictionary", "feature", "label", "match", "score"];
  let section = "";
  const table: (string | number)[][] = [];
  for (const row of selectionRows(state)) {
    if (isHead(row)) {
      section = row.head;
      continue;
    }
    const side = state.sides.value[row.which];
    const match = state.match(row);
    const score = state.matches.value.score[row.which][row.index] ?? 0;
    table.push([
      section,
      side.name,
      row.index,
      side.label(row.index),
      match ? match.index : "",
      match ? score : "",
    ]);
  }
  download("selection.csv", new Blob([csv(head, table)], { type: "text/csv" }));
}
