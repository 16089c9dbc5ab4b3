// The list beside the map. Only the rows in sight are in the page, so a million can be selected.

import { move } from "../../lib/ui/keyboard";
import { Label } from "../../lib/ui/label";
import { count, short } from "../../lib/ui/numbers";
import { csv, download } from "../../lib/ui/table";
import { tracked, useRef, useSignal } from "../../lib/ui/tracked";
import type { Spot } from "./data";
import { isHead, rowAt, rowCount } from "./rows";
import type { MapState } from "./state";

const ROW_PIXELS = 26;
const SPARE_ROWS = 6;

export const SelectionList = tracked(({ state }: { state: MapState }) => {
  const top = useSignal(0);
  const height = useSignal(360);
  const active = useSignal(-1);
  const box = useRef<HTMLDivElement>(null);
  const sections = state.sections.value;
  const n = rowCount(sections);
  const row = (at: number) => rowAt(sections, at);
  const first = Math.max(Math.floor(top.value / ROW_PIXELS) - SPARE_ROWS, 0);
  const last = Math.min(Math.ceil((top.value + height.value) / ROW_PIXELS) + SPARE_ROWS, n);
  const selected = state.selected[0].value.length + state.selected[1].value.length;

  function onScroll(event: Event): void {
    const element = event.currentTarget as HTMLElement;
    top.value = element.scrollTop;
    height.value = element.clientHeight;
  }
  function onClick(event: MouseEvent): void {
    const at = (event.target as HTMLElement).closest<HTMLElement>(".vv-row")?.dataset.at;
    const spot = at === undefined ? undefined : row(Number(at));
    if (!spot || isHead(spot)) return;
    active.value = Number(at);
    pick(state, spot);
  }
  function onKey(event: KeyboardEvent): void {
    const now = row(active.value);
    if ((event.key === "Enter" || event.key === " ") && now && !isHead(now)) {
      pick(state, now);
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    let next = move(event.key, active.value, n);
    if (next === undefined) return;
    const step = next >= active.value ? 1 : -1;
    const onHead = (at: number): boolean => {
      const found = row(at);
      return found !== undefined && isHead(found);
    };
    while (next > 0 && next < n - 1 && onHead(next)) next += step;
    event.preventDefault();
    event.stopPropagation();
    active.value = next;
    const found = row(next);
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
        {n > 0 && (
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
        data-empty={n === 0 ? "" : undefined}
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label="features; arrows move, Enter picks one"
        aria-activedescendant={active.value >= 0 ? `vv-row-${active.value}` : undefined}
        onScroll={onScroll}
        onKeyDown={onKey}
        onClick={onClick}
      >
        {n === 0 && <Hint alone={!state.sides.value[1].n} />}
        <div style={{ height: `${n * ROW_PIXELS}px`, position: "relative" }}>
          {Array.from({ length: Math.max(last - first, 0) }, (_, i) => {
            const at = first + i;
            const style = { top: `${at * ROW_PIXELS}px` };
            const here = row(at);
            if (!here) return null;
            return isHead(here) ? (
              <div class="vv-row-head" style={style} key={`h${at}`}>
                {here.head} <span class="vv-facts">{here.note}</span>
              </div>
            ) : (
              <Feature
                state={state}
                spot={here}
                at={at}
                active={at === active.value}
                key={`${here.which}/${here.index}/${at}`}
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
  const table: (string | number)[][] = [];
  for (const { head: section, which, indices } of state.sections.value) {
    const side = state.sides.value[which];
    for (let j = 0; j < indices.length; j++) {
      const index = indices[j] as number;
      const match = state.match({ which, index })?.index ?? "";
      const score = match === "" ? "" : (state.matches.value.score[which][index] ?? "");
      table.push([section, side.name, index, side.label(index), match, score]);
    }
  }
  download("selection.csv", new Blob([csv(head, table)], { type: "text/csv" }));
}
