// What a Steering view shows and what is done to it.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { debounced, type Traits, throttled } from "../../lib/wire/model";
import { named } from "../../lib/wire/named";
import { canonical, readRun, readStream, type Shown } from "./data";
import type { RowWire, SteeringRequests, SteeringTraits } from "./traits";

/** A token that is looked at. */
export interface Looked {
  /** Of which run: the shown one, or the one beside it. */
  serial: number;
  /** Column, or -1 for the prompt. */
  column: number;
  token: number;
  element: HTMLElement;
}

/** What a slider of an additive strength spans, in multiples of the residual norm. */
const SPAN = 1;
const LIVE_WAIT = 350; // ms: several keys, or a second slider, make one run

export interface State {
  traits: Traits<SteeringTraits, SteeringRequests>;
  /** Whether a kernel can act. */
  live: boolean;
  busy: ReadonlySignal<boolean>;
  shown: ReadonlySignal<Shown | undefined>;
  compared: ReadonlySignal<Shown | undefined>;
  /** Names of controls that have changed since the shown run. */
  stale: ReadonlySignal<string[]>;
  looked: Signal<Looked | undefined>;
  /** Whether the chat template's tokens are left out of the prompt. */
  folded: Signal<boolean>;
  run(): void;
  /** Write controls; a live view runs once they rest. */
  change(values: Partial<SteeringTraits>): void;
  move(name: string, strength: number): void;
  release(name: string, strength: number): void;
  strength(name: string): number;
  method(row: RowWire): string;
  unit(row: RowWire): string;
  setUnit(row: RowWire, unit: string): void;
  /** Length of one unit of a row's strength, in raw units; 0 where it is not known. */
  length(row: RowWire, unit: string): number;
  span(row: RowWire): { min: number; max: number };
}

export function makeState(traits: Traits<SteeringTraits, SteeringRequests>): State {
  const get = <K extends keyof SteeringTraits & string>(name: K): SteeringTraits[K] =>
    traits.signal(name).value;
  const live = get("_live") !== false;
  const dragged = signal<Record<string, number>>({});
  const busy = computed(() => get("status") === "queued" || get("status") === "running");
  const runs = computed(() => new Map(get("_runs").map((run) => [run.serial, readRun(run)])));
  const shown = computed(() => readStream(get("_stream")) ?? runs.value.get(get("_shown")));
  const stale = computed(() => {
    const run = runs.value.get(get("_shown"))?.run;
    if (!run || !shown.value?.finished) return [];
    return Object.entries(run.controls)
      .filter(([name, value]) => {
        const now = traits.signal(name as keyof SteeringTraits & string).value;
        return canonical(now) !== canonical(value);
      })
      .map(([name]) => name);
  });

  const run = (): void => {
    soon.cancel();
    traits.request("run", {});
  };
  const soon = debounced(run, LIVE_WAIT);
  const settle = (): void => {
    if (live && get("live") && !get("_facts").remote) soon();
  };
  const change = (values: Partial<SteeringTraits>): void => {
    traits.update(values);
    settle();
  };
  const all = (): Record<string, number> => ({ ...get("strengths"), ...dragged.value });
  const send = throttled(() => {
    if (Object.keys(dragged.value).length) traits.set("strengths", all());
  }, 120);

  const strength = (name: string): number => named(all(), name) ?? 0;
  const method = (row: RowWire): string => {
    const chosen = named(get("methods"), row.name) ?? get("method");
    return row.methods.includes(chosen) ? chosen : (row.methods[0] ?? chosen);
  };
  const unit = (row: RowWire): string => {
    const chosen = named(get("units"), row.name) ?? "norm";
    const known = row.units[method(row)] ?? [];
    return known.includes(chosen) ? chosen : (known[0] ?? "");
  };
  const length = (row: RowWire, which: string): number => {
    if (which === "raw") return row.raw;
    if (which === "max_act") return row.max_act;
    const [point] = row.points;
    return get("_norms")[named(get("points"), row.name) ?? point ?? ""] ?? 0;
  };

  return {
    traits,
    live,
    busy,
    shown,
    compared: computed(() => {
      const wanted = get("compare");
      return wanted !== get("_shown") || !shown.value?.finished
        ? runs.value.get(wanted)
        : undefined;
    }),
    stale,
    looked: signal(undefined),
    folded: signal(false),
    run,
    change,
    strength,
    method,
    unit,
    length,
    move(name, value) {
      dragged.value = { ...dragged.value, [name]: value };
      send();
    },
    release(name, value) {
      const strengths = { ...all(), [name]: value };
      dragged.value = {};
      change({ strengths });
    },
    setUnit(row, next) {
      const units = { ...get("units"), [row.name]: next };
      if (method(row) !== "add") return change({ units });
      // the same vector, said in another unit; without a known norm it starts at zero
      const [from, to] = [length(row, unit(row)), length(row, next)];
      const value = from && to ? Number(((strength(row.name) * from) / to).toPrecision(4)) : 0;
      change({ units, strengths: { ...all(), [row.name]: value } });
    },
    span(row) {
      const value = strength(row.name);
      if (method(row) !== "add") return { min: Math.min(0, value), max: Math.max(1, value) };
      const [norm, own] = [length(row, "norm"), length(row, unit(row))];
      const wide = unit(row) === "norm" || !own || !norm ? SPAN : (SPAN * norm) / own;
      // two leading digits, so that steps are round
      const most = Number(Math.max(wide, Math.abs(value)).toPrecision(2));
      return { min: -most, max: most };
    },
  };
}
