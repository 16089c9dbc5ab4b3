// What a map shows and what is done to it. Everything here works without a kernel.
import {
  computed,
  effect,
  type ReadonlySignal,
  type Signal,
  signal,
  untracked,
} from "@preact/signals-core";
import { type Camera, fitted, HOME, type Rect } from "../../lib/scatter/camera";
import {
  bounds,
  COUNTERPART,
  DIM,
  FOUND,
  has,
  type Layer,
  MATCHED,
  makeLayer,
  SELECTED,
} from "../../lib/scatter/points";
import {
  combined,
  type How,
  inverted,
  packSelection,
  unpackSelection,
} from "../../lib/scatter/selection";
import { MOST_COLOURED, type RGB } from "../../lib/ui/colour";
import { decode, type WireArray } from "../../lib/wire/arrays";
import { debounced, type Traits } from "../../lib/wire/model";
import { clusterNames } from "./cluster_names";
import { type Legend, paintColours, sideColours } from "./colours";
import {
  lines,
  type Matches,
  NAMES,
  readMatches,
  readSide,
  type Side,
  type Spot,
  type Which,
} from "./data";
import { type Section, selectionRows } from "./rows";
import { type Hits, search } from "./search";
import type { DualUMAPRequests, DualUMAPTraits, MapFacts, MapRegion } from "./traits";

export type Tool = "pan" | "lasso" | "box";

export interface MapState {
  traits: Traits<DualUMAPTraits, DualUMAPRequests>;
  sides: ReadonlySignal<[Side, Side]>;
  /** What is drawn of each side: its points; of a very large map some, until all have come. */
  layers: ReadonlySignal<[Layer, Layer]>;
  facts: ReadonlySignal<MapFacts>;
  matches: ReadonlySignal<Matches>;
  regions: ReadonlySignal<MapRegion[]>;
  selected: [ReadonlySignal<Uint32Array>, ReadonlySignal<Uint32Array>];
  hits: ReadonlySignal<Hits>;
  legend: ReadonlySignal<Legend>;
  /** Rows of the list. */
  sections: ReadonlySignal<Section[]>;
  /** What a point sent to the picture last: grows when the points must be drawn again. */
  painted: ReadonlySignal<number>;
  camera: Signal<Camera>;
  tool: Signal<Tool>;
  /** The point under the pointer, or reached by keys. */
  looked: Signal<Spot | undefined>;
  /** Where the last lasso was, in world coordinates; what is "here instead" refers to it. */
  lasso: Signal<Float64Array | undefined>;
  dark: ReadonlySignal<boolean>;
  /** Two panels, or one with both dictionaries. */
  split: ReadonlySignal<boolean>;
  select(caught: [Uint32Array?, Uint32Array?], how: How): void;
  invert(): void;
  clear(): void;
  /** Click on a point. */
  choose(spot: Spot, how: How): void;
  match(spot: Spot): Spot | undefined;
  fit(): void;
  /** A frame of a layout on its way: quantised places. */
  frame(xy: [DataView, DataView]): void;
}

const NOTHING = new Uint32Array(0);

export function makeState(
  traits: Traits<DualUMAPTraits, DualUMAPRequests>,
  dark: ReadonlySignal<boolean>,
  stop: AbortSignal,
): MapState {
  const read = <K extends keyof DualUMAPTraits & string>(name: K): DualUMAPTraits[K] =>
    traits.signal(name).value;
  const facts = computed(() => read("_facts"));
  const painted = signal(0);
  const repaint = (): void => {
    painted.value = untracked(() => painted.value) + 1;
  };
  const ends: (() => void)[] = [];
  const follow = (action: () => void): void => {
    ends.push(effect(action));
  };

  // a side is read again when its size or what is known of its points changes, not its places
  const size = [
    computed(() => read("_xy_a").shape[0] ?? 0),
    computed(() => read("_xy_b").shape[0] ?? 0),
  ];
  let before: [Side, Side] | undefined;
  const sides = computed((): [Side, Side] => {
    const made = ([0, 1] as const).map((which) => {
      const key = NAMES[which];
      void size[which]?.value;
      const wires = Object.fromEntries(
        (["labels", "promoted", "density", "cluster", "near", "near_score"] as const).map(
          (name) => [`_${name}_${key}`, read(`_${name}_${key}`)],
        ),
      );
      const xy = untracked(() => read(`_xy_${key}`));
      return readSide(
        which,
        { ...wires, [`_xy_${key}`]: xy } as unknown as DualUMAPTraits,
        facts.value,
        before?.[which],
      );
    }) as [Side, Side];
    before = made;
    return made;
  });
  const matches = computed(() =>
    readMatches(read("_pairs"), read("_pair_scores"), [sides.value[0].n, sides.value[1].n]),
  );
  const selected: MapState["selected"] = [
    computed(() => within(unpackSelection(read("selected_a")), sides.value[0].n)),
    computed(() => within(unpackSelection(read("selected_b")), sides.value[1].n)),
  ];
  const hits = computed(() => search(read("query"), sides.value));
  const names = computed(() => clusterNames(sides.value));

  for (const which of [0, 1] as const) {
    follow(() => {
      const wire = read(`_xy_${NAMES[which]}`);
      place(sides.value[which], wire);
      repaint();
    });
  }
  function place(side: Side, wire: WireArray): void {
    const xy = decode(wire);
    if (xy.length !== side.layer.xy.length) return;
    side.layer.xy.set(xy);
    side.layer.version.xy += 1;
  }

  const pinned = computed(() => new Set(read("selected_features")));
  follow(() => {
    paintState(sides.value, matches.value, [selected[0].value, selected[1].value], hits.value, {
      of: read("features_of") === "b" ? 1 : 0,
      features: pinned.value,
    });
    repaint();
  });
  const legend = signal<Legend>({ title: "" });
  follow(() => {
    legend.value = paintColours({
      by: read("color_by"),
      sides: sides.value,
      matches: matches.value,
      values: [decode(read("values_a")), decode(read("values_b"))],
      valuesName: read("values_name"),
      facts: facts.value,
      // read by who colours by cluster only: it takes every label apart
      get clusterNames() {
        return names.value;
      },
      dark: dark.value,
    });
    repaint();
  });
  stop.addEventListener("abort", () => {
    for (const end of ends) end();
  });

  const looked = signal<Spot | undefined>(undefined);
  const camera = signal(HOME);
  const lasso = signal<Float64Array | undefined>(undefined);
  const layers = computed((): [Layer, Layer] => {
    const some = NAMES.map((key) => decode(read(`_some_${key}`)) as Uint16Array);
    const own = sides.value.map(({ layer }) => layer) as [Layer, Layer];
    if (sides.value[0].n + sides.value[1].n || !some.some(({ length }) => length)) return own;
    return some.map((xy, which) => standIn(xy, sideColours(dark.value)[which as Which])) as [
      Layer,
      Layer,
    ];
  });
  const alone = computed(() => layers.value[1].state.length === 0);

  function write(a: Uint32Array, b: Uint32Array, more: Partial<DualUMAPTraits> = {}): void {
    traits.update({ selected_a: packSelection(a), selected_b: packSelection(b), ...more });
  }

  const state: MapState = {
    traits,
    sides,
    layers,
    facts,
    matches,
    regions: computed(() => read("_regions")),
    selected,
    hits,
    legend,
    sections: computed(() => selectionRows(state)),
    painted,
    camera,
    tool: signal<Tool>("pan"),
    looked,
    lasso,
    dark,
    split: computed(() => read("panels") === "two" && !alone.value),
    select(caught, how) {
      const next = ([0, 1] as const).map((which) => {
        const some = caught[which];
        // a replacing lasso in one panel empties the other: its matches are shown there
        if (!some) return how === "replace" ? NOTHING : selected[which].value;
        return combined(selected[which].value, some, how);
      }) as [Uint32Array, Uint32Array];
      write(...next);
    },
    invert() {
      const some = selected.some((each) => each.value.length > 0);
      const next = ([0, 1] as const).map((which) => {
        const { n, layer } = sides.value[which];
        // of two panels only the one with a selection is turned round
        if (some && selected[which].value.length === 0) return NOTHING;
        return inverted(selected[which].value, n, (i) => has(layer, i));
      }) as [Uint32Array, Uint32Array];
      lasso.value = undefined;
      write(...next);
    },
    clear() {
      lasso.value = undefined;
      write(NOTHING, NOTHING, { selected_features: [] });
    },
    choose(spot, how) {
      lasso.value = undefined;
      const caught: [Uint32Array?, Uint32Array?] = [];
      caught[spot.which] = Uint32Array.of(spot.index);
      const own = read("features_of") === "b" ? 1 : 0;
      const feature = spot.which === own ? spot.index : state.match(spot)?.index;
      const kept = read("selected_features");
      const features =
        feature === undefined || how === "subtract"
          ? kept.filter((i) => i !== feature)
          : how === "add"
            ? [...kept.filter((i) => i !== feature), feature].slice(-MOST_COLOURED)
            : [feature];
      const next = ([0, 1] as const).map((which) => {
        const some = caught[which];
        if (!some) return how === "replace" ? NOTHING : selected[which].value;
        return combined(selected[which].value, some, how);
      }) as [Uint32Array, Uint32Array];
      write(next[0], next[1], { selected_features: features });
    },
    match(spot) {
      const other = matches.value.of[spot.which][spot.index] ?? -1;
      return other < 0 ? undefined : { which: (1 - spot.which) as Which, index: other };
    },
    fit() {
      const [a, b] = [selected[0].value, selected[1].value];
      const found = bounds([
        [sides.value[0].layer, a],
        [sides.value[1].layer, b],
      ]);
      camera.value = found ? fitted(...found) : HOME;
    },
    frame(xy) {
      for (const which of [0, 1] as const) {
        const data = xy[which];
        place(sides.value[which], { dtype: "<u2", shape: [data.byteLength / 4, 2], data });
      }
      repaint();
    },
  };
  return state;
}

/** Points of which only the places are known. */
function standIn(xy: Uint16Array, colour: RGB): Layer {
  const layer = makeLayer(xy.length / 2);
  layer.xy.set(xy);
  layer.state.fill(MATCHED);
  for (let i = 0; i < layer.colour.length; i++) layer.colour[i] = colour[i % 3] as number;
  return layer;
}

function within(indices: Uint32Array, n: number): Uint32Array {
  return indices.length && (indices[indices.length - 1] as number) >= n
    ? indices.filter((i) => i < n)
    : indices;
}

/** Set every point's bits: matched, selected, counterpart of a selected one, dimmed. */
function paintState(
  sides: [Side, Side],
  matches: Matches,
  selected: [Uint32Array, Uint32Array],
  hits: Hits,
  pinned: { of: Which; features: Set<number> },
): void {
  const chosen = selected[0].length + selected[1].length > 0;
  for (const side of sides) {
    const { state, version } = side.layer;
    const found = hits.of[side.which];
    const of = matches.of[side.which];
    for (let i = 0; i < side.n; i++) {
      const dim = found ? found[i] === 0 : chosen;
      state[i] = ((of[i] as number) >= 0 ? MATCHED : 0) | (dim ? DIM : found ? FOUND : 0);
    }
    version.state += 1;
  }
  const lift = (which: Which, i: number, bit: number): void => {
    const { state } = sides[which].layer;
    if (i < state.length) state[i] = (state[i] as number) | bit;
  };
  for (const which of [0, 1] as const) {
    const other = (1 - which) as Which;
    for (const i of selected[which]) {
      lift(which, i, SELECTED);
      const matched = matches.of[which][i] as number;
      if (matched >= 0) lift(other, matched, COUNTERPART);
    }
  }
  for (const i of pinned.features) lift(pinned.of, i, SELECTED);
}

/** Write the query to Python once typing pauses; the search itself is done here at once. */
export function queryWriter(traits: Traits<DualUMAPTraits, DualUMAPRequests>) {
  return debounced((text: string) => traits.set("query", text), 200);
}

export { lines, type Rect };
