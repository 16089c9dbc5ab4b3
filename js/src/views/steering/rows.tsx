// The controls of each direction: on or off, how strong, in what unit, by what method, where.
import { Label } from "../../lib/ui/label";
import { short, tidy } from "../../lib/ui/numbers";
import { Slider } from "../../lib/ui/slider";
import { tracked } from "../../lib/ui/tracked";
import { named } from "../../lib/wire/named";
import type { State } from "./state";
import type { MethodSettings, RowWire } from "./traits";

const UNITS: Record<string, string> = {
  norm: "× |h|",
  raw: "× v",
  max_act: "× max act.",
};
const UNIT_TITLES: Record<string, string> = {
  norm: "multiples of the median norm of the residual stream at the point, along the unit vector",
  raw: "multiples of the vector as given",
  max_act: "multiples of the feature's largest activation",
};
/** What a method takes where nothing is set. */
const PLACEHOLDERS: Record<string, string> = { c: "2", target: "largest" };
const TARGET_UNITS: Record<string, string> = { raw: "activation", max_act: "× max act." };

export const Rows = tracked(({ state }: { state: State }) => {
  const rows = state.traits.signal("_rows").value;
  return (
    <div class="vv-rows" role="group" aria-label="directions">
      {rows.map((row) => (
        <DirectionRow state={state} row={row} key={row.name} />
      ))}
      {rows.length === 0 && (
        <p class="vv-empty">
          No direction yet: search a feature below, or call <code>w.add(direction)</code>.
        </p>
      )}
    </div>
  );
});

const DirectionRow = tracked(({ state, row }: { state: State; row: RowWire }) => {
  const { traits } = state;
  const { name } = row;
  const muted = traits.signal("muted").value;
  const on = !muted.includes(name);
  const value = state.strength(name);
  const method = state.method(row);
  const unit = state.unit(row);
  const facts = traits.signal("_facts").value;
  const { min, max } = state.span(row);
  const unitText = method === "add" ? (UNITS[unit] ?? unit) : "of the change";
  const layers = Array.from({ length: facts.n_layers ?? 0 }, (_, i) => `resid_post.${i}`);
  const [own = ""] = row.points;
  const point = named(traits.signal("points").value, name) ?? own;
  const points = [...new Set([own, point, ...layers])];

  function put<K extends "methods" | "points">(trait: K, chosen: string): void {
    state.change({ [trait]: { ...traits.signal(trait).value, [name]: chosen } });
  }

  return (
    <div class="vv-direction" data-off={on ? undefined : ""} role="group" aria-label={name}>
      <label class="vv-on">
        <input
          type="checkbox"
          checked={on}
          aria-label={`${name} on`}
          onChange={() =>
            state.change({ muted: on ? [...muted, name] : muted.filter((other) => other !== name) })
          }
        />
        <span class="vv-name" title={name}>
          {name}
        </span>
      </label>
      <span class="vv-dial">
        <Slider
          label={`strength of ${name}`}
          value={value}
          min={min}
          max={max}
          step={max / 100}
          text={`${tidy(value)} ${unitText}`}
          disabled={!on}
          onMove={(to) => state.move(name, to)}
          onRelease={(to) => state.release(name, to)}
        />
        <input
          type="number"
          class="vv-typed"
          step="any"
          aria-label={`strength of ${name}, typed`}
          value={Number(value.toPrecision(4))}
          disabled={!on}
          onChange={(event) => {
            const typed = event.currentTarget.valueAsNumber;
            if (Number.isFinite(typed)) state.release(name, typed);
          }}
        />
        {method === "add" && row.units.add?.length ? (
          <select
            aria-label={`unit of ${name}`}
            title={UNIT_TITLES[unit]}
            value={unit}
            onChange={(event) => state.setUnit(row, event.currentTarget.value)}
          >
            {row.units.add.map((each) => (
              <option key={each} value={each}>
                {UNITS[each]}
              </option>
            ))}
          </select>
        ) : (
          <span class="vv-facts">{unitText}</span>
        )}
      </span>
      <span class="vv-choices">
        <select
          aria-label={`method of ${name}`}
          value={method}
          disabled={row.methods.length < 2}
          onChange={(event) => put("methods", event.currentTarget.value)}
        >
          {row.methods.map((each) => (
            <option key={each} value={each}>
              {each.replaceAll("_", " ")}
            </option>
          ))}
        </select>
        {row.movable && method !== "clamp" ? (
          <select
            aria-label={`point of ${name}`}
            title={`its own point is ${own}`}
            value={point}
            onChange={(event) => put("points", event.currentTarget.value)}
          >
            {points.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        ) : (
          <span class="vv-facts">
            {row.points.length > 1 ? `${row.points.length} points` : own}
          </span>
        )}
        {state.live && (
          <button
            type="button"
            class="vv-plain"
            aria-label={`remove ${name}`}
            onClick={() => traits.request("remove", { name })}
          >
            ×
          </button>
        )}
      </span>
      <Line state={state} row={row} />
    </div>
  );
});

/** The formula, the method's own numbers, and the strength in every unit. */
const Line = tracked(({ state, row }: { state: State; row: RowWire }) => {
  const { traits } = state;
  const { name } = row;
  const method = state.method(row);
  const unit = state.unit(row);
  const facts = traits.signal("_facts").value;
  const own = facts.own?.[method] ?? [];
  const settings = named(traits.signal("settings").value, name) ?? {};
  const value = state.strength(name);
  // no bound was set or taken away: the cap starts at a change that can be seen
  const starts = settings.min === undefined && settings.max === undefined;
  const moved = named(traits.signal("points").value, name);
  const raw = value * state.length(row, unit);
  const others = method === "add" ? Object.keys(UNITS).filter((each) => each !== unit) : [];
  const said = others.flatMap((each) => {
    const length = state.length(row, each === "raw" ? "raw" : each);
    // |v| itself is the raw reading a person can compare with |h|
    if (each === "raw") return raw ? [`|v| ${short(Math.abs(raw))}`] : [];
    return length && raw ? [`${short(raw / length)} ${UNITS[each]}`] : [];
  });
  const set = (key: string, to: number | string | null): void => {
    const all = traits.signal("settings").value;
    state.change({ settings: { ...all, [name]: { ...settings, [key]: to } } });
  };
  return (
    <div class="vv-line">
      {own.map((key) =>
        method === "swap" ? (
          <label key={key}>
            swap in{" "}
            <select
              aria-label={`target of ${name}`}
              value={String(settings.target ?? "")}
              onChange={(event) => set(key, event.currentTarget.value)}
            >
              {(facts.targets ?? [])
                .filter((target) => target !== name)
                .map((target) => (
                  <option key={target} value={target}>
                    {target}
                  </option>
                ))}
            </select>
          </label>
        ) : (
          <label key={key}>
            {key}{" "}
            <input
              type="number"
              step="any"
              class="vv-typed"
              aria-label={`${key} of ${name}`}
              placeholder={PLACEHOLDERS[key] ?? (key === "max" && starts ? "0" : "none")}
              value={settings[key as keyof MethodSettings] ?? ""}
              onChange={(event) => {
                const typed = event.currentTarget.valueAsNumber;
                set(key, Number.isFinite(typed) ? typed : null);
              }}
            />
          </label>
        ),
      )}
      {method !== "add" && (row.units[method]?.length ?? 0) > 1 && (
        <select
          aria-label={`unit of ${name}`}
          value={unit}
          onChange={(event) => state.setUnit(row, event.currentTarget.value)}
        >
          {row.units[method]?.map((each) => (
            <option key={each} value={each}>
              {method === "clamp" ? TARGET_UNITS[each] : UNITS[each]}
            </option>
          ))}
        </select>
      )}
      <span class="vv-formula" title="s scales the change: h' = h + s · (method(h) − h)">
        {facts.methods?.[method]?.formula}
      </span>
      {moved && moved !== row.points[0] && <span>moved from {row.points[0]}</span>}
      <span>neutral: {facts.methods?.[method]?.neutral}</span>
      {said.length > 0 && <span>= {said.join(" = ")}</span>}
      {row.label && <Label label={row.label} />}
    </div>
  );
});
