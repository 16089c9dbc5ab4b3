// Title, search, and the buttons of a map.

import { count } from "../../lib/ui/numbers";
import { tracked, useEffect, useRef, useSignal } from "../../lib/ui/tracked";
import type { Drawing } from "./canvases";
import type { ColorBy } from "./data";
import { savePNG, saveSVG } from "./picture";
import { hitIndices } from "./search";
import { type MapState, queryWriter, type Tool } from "./state";

export const Title = tracked(({ state }: { state: MapState }) => {
  const facts = state.facts.value;
  const sides = state.sides.value;
  // of a very large map the numbers come before the points
  const [a, b] = [facts.n_a ?? sides[0].n, facts.n_b ?? sides[1].n];
  const points = [facts.point_a, facts.point_b].filter(Boolean);
  const same = points.length === 2 && points[0] === points[1];
  const named = (name: string | undefined, point: string | undefined): string =>
    [name, same ? "" : point].filter(Boolean).join(" at ");
  const title = [
    facts.model,
    same ? points[0] : "",
    [named(facts.name_a, facts.point_a), b ? named(facts.name_b, facts.point_b) : ""]
      .filter(Boolean)
      .join(" and "),
  ].filter(Boolean);
  const alive = (n: number, of: number): string =>
    n === of ? count(of) : `${count(n)} alive of ${count(of)}`;
  return (
    <>
      <span class="vv-title">{title.join(" · ") || "Map of features"}</span>
      {a > 0 && (
        <span class="vv-facts" title={facts.left_out ? `left out: ${facts.left_out}` : undefined}>
          {[alive(facts.alive_a ?? a, a), b > 0 && alive(facts.alive_b ?? b, b)]
            .filter(Boolean)
            .join(" and ")}{" "}
          features{facts.mode && facts.mode !== "alone" ? ` · ${facts.mode}` : ""}
        </span>
      )}
    </>
  );
});

const TOOLS: [Tool, string, string][] = [
  ["pan", "Move", "drag moves the map; shift and drag draws a lasso"],
  ["lasso", "Lasso", "drag around points; shift adds, alt takes away"],
  ["box", "Box", "drag a box over points; shift adds, alt takes away"],
];

interface ToolbarProps {
  state: MapState;
  map(): Drawing | undefined;
}

export const Toolbar = tracked(({ state, map }: ToolbarProps) => {
  const [, b] = state.layers.value;
  const { traits } = state;
  return (
    <div class="vv-tools" role="toolbar" aria-label="map">
      <Search state={state} />
      <span class="vv-group">
        {TOOLS.map(([tool, name, title]) => (
          <button
            type="button"
            key={tool}
            title={title}
            aria-pressed={state.tool.value === tool}
            onClick={() => {
              state.tool.value = tool;
            }}
          >
            {name}
          </button>
        ))}
      </span>
      <span class="vv-group">
        <button
          type="button"
          aria-label="zoom in"
          title="zoom in (+)"
          onClick={() => map()?.zoom(1.5)}
        >
          +
        </button>
        <button
          type="button"
          aria-label="zoom out"
          title="zoom out (-)"
          onClick={() => map()?.zoom(1 / 1.5)}
        >
          −
        </button>
        <button type="button" title="show the selection, or all (0)" onClick={() => state.fit()}>
          Fit
        </button>
      </span>
      <button type="button" title="select what is not selected" onClick={() => state.invert()}>
        Invert
      </button>
      <Colour state={state} />
      {b.state.length > 0 && (
        <button
          type="button"
          aria-pressed={!state.split.value}
          title="both dictionaries in one panel"
          onClick={() => traits.set("panels", state.split.value ? "one" : "two")}
        >
          Overlay
        </button>
      )}
      <span class="vv-group">
        <button type="button" onClick={() => map() && savePNG(state, map() as Drawing)}>
          PNG
        </button>
        <button type="button" onClick={() => map() && saveSVG(state, map() as Drawing)}>
          SVG
        </button>
      </span>
    </div>
  );
});

const Search = tracked(({ state }: { state: MapState }) => {
  const query = state.traits.signal("query").value;
  const typed = useSignal(query);
  const write = useRef(queryWriter(state.traits));
  useEffect(() => {
    typed.value = query;
  }, [query]);
  const hits = state.hits.value;
  const found = hits.count[0] + hits.count[1];
  return (
    <span class="vv-search">
      <input
        type="search"
        class="vv-query"
        placeholder="label, token, index"
        aria-label="search features"
        value={typed.value}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          write.current(typed.value);
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") {
            write.current.cancel();
            state.traits.set("query", "");
            (
              event.currentTarget.closest(".vv-map-root")?.querySelector(".vv-stage") as HTMLElement
            )?.focus();
          }
        }}
      />
      {query && (
        <button
          type="button"
          disabled={found === 0}
          title="select what was found"
          onClick={() => state.select([hitIndices(hits.of[0]), hitIndices(hits.of[1])], "replace")}
        >
          {found === 0 ? "none" : `${count(found)} found`}
        </button>
      )}
    </span>
  );
});

const Colour = tracked(({ state }: { state: MapState }) => {
  const by = state.traits.signal("color_by").value;
  const values =
    state.traits.signal("values_a").value.shape[0] ||
    state.traits.signal("values_b").value.shape[0];
  const choices: [ColorBy, string][] = [
    ["dictionary", "dictionary"],
    ["match", "match score"],
    ["density", "density"],
    ["cluster", "cluster"],
  ];
  if (values || by === "values") {
    choices.push(["values", state.traits.signal("values_name").value || "values"]);
  }
  return (
    <label class="vv-colour">
      colour{" "}
      <select
        value={by}
        onChange={(event) => state.traits.set("color_by", event.currentTarget.value as ColorBy)}
      >
        {choices.map(([value, text]) => (
          <option value={value} key={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
});
