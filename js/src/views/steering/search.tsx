// Adding a direction: search in the labels of a dictionary's features.
import { move } from "../../lib/ui/keyboard";
import { Label } from "../../lib/ui/label";
import { tracked, useRef, useSignal } from "../../lib/ui/tracked";
import { debounced } from "../../lib/wire/model";
import type { State } from "./state";

const WAIT = 150;

export const Search = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const dictionary = traits.signal("_facts").value.dictionary;
  const query = traits.signal("query").value;
  const found = traits.signal("_found").value;
  const active = useSignal(0);
  const open = useSignal(false);
  const ask = useRef(debounced((text: string) => traits.tell({ query: text }), WAIT)).current;
  if (!dictionary || !state.live) return null;
  const there = new Set(traits.signal("_rows").value.map((row) => row.feature));
  const listed = found.filter((each) => !there.has(each.feature));

  function add(feature: number | undefined): void {
    if (feature === undefined) return;
    traits.request("add", { feature });
    open.value = false;
  }

  return (
    <div
      class="vv-search"
      onFocusOut={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node)) open.value = false;
      }}
    >
      <input
        type="search"
        role="combobox"
        aria-label={`add a feature of ${dictionary}`}
        aria-expanded={open.value && listed.length > 0}
        aria-controls="vv-found"
        placeholder={`add a feature of ${dictionary}: search its tokens, or a number`}
        value={query}
        onInput={(event) => {
          ask(event.currentTarget.value);
          active.value = 0;
          open.value = true;
        }}
        onFocus={() => {
          open.value = true;
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") add(listed[active.value]?.feature);
          else if (event.key === "Escape") open.value = false;
          else if (event.key !== "Home" && event.key !== "End") {
            const next = move(event.key, active.value, listed.length);
            if (next === undefined) return;
            active.value = next;
          } else return;
          event.preventDefault();
        }}
      />
      {open.value && query.trim() && (
        <div class="vv-found" role="listbox" aria-label="features found">
          {listed.map((each, i) => (
            <button
              type="button"
              role="option"
              key={each.feature}
              aria-selected={i === active.value}
              onClick={() => add(each.feature)}
            >
              <span class="vv-index">{each.feature}</span>
              <Label label={each.label} />
            </button>
          ))}
          {listed.length === 0 && <p class="vv-empty">no feature matches</p>}
        </div>
      )}
    </div>
  );
});
