// What a dial shows and what its user does, for every view that has one.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { axis, decode, type WireArray } from "../wire/arrays";
import { type Traits, throttled } from "../wire/model";
import type { BaseTraits } from "../wire/traits";
import { away, type Hand, nearest } from "./geometry";

/** The traits of views/circles/dial.py. */
export interface DialTraits extends BaseTraits {
  angle: number;
  strength: number;
  rim: number;
  snap: boolean;
  selected: string[];
  _names: string[];
  _places: WireArray;
  _facts: Facts;
}

/** What is known of a circle, for titles. */
export interface Facts {
  model?: string;
  remote?: boolean;
  point?: string;
  layer?: number;
  source?: string;
  axes?: string[];
  verdict?: string;
  found?: boolean;
  scored?: boolean;
  method?: string;
  orientation?: string;
  n?: number;
  n_null?: number;
  seed?: number;
  ring?: number;
}

export interface Place {
  name: string;
  angle: number;
  /** 1 is the ring. */
  radius: number;
  reference: number | undefined;
  /** Where 95 % of bootstrap draws lie, degrees; from below `angle` to above it. */
  spread: [number, number] | undefined;
}

/** A token or a name that the pointer or the keyboard is at. */
export interface Lit {
  name: number;
  token: number;
}

const NOTHING: Lit = { name: -1, token: -1 };
/** While the hand is dragged, Python hears of it about this often. */
const DRAG_MS = 140;

export function readPlaces(names: string[], wire: WireArray): Place[] {
  const values = decode(wire);
  const width = axis(wire, 1);
  const known = (value: number | undefined): number | undefined =>
    value === undefined || Number.isNaN(value) ? undefined : value;
  return names.map((name, i) => {
    const [angle, radius, reference, below, above] = values.slice(i * width, (i + 1) * width);
    const spread = known(below) === undefined ? undefined : ([below, above] as [number, number]);
    return {
      name,
      angle: angle ?? 0,
      radius: radius ?? 0,
      reference: known(reference),
      spread: spread && [(angle ?? 0) - spread[0], (angle ?? 0) + spread[1]],
    };
  });
}

export interface DialState {
  traits: Traits<DialTraits>;
  places: ReadonlySignal<Place[]>;
  facts: ReadonlySignal<Facts>;
  /** The hand as it is drawn: dragged, or as Python has it. */
  hand: ReadonlySignal<Hand>;
  dragging: ReadonlySignal<boolean>;
  lit: Signal<Lit>;
  /** While the pointer is down; `live` sends it to Python now and then. */
  drag(hand: Hand, live: boolean): void;
  /** Let go, or stepped by a key. */
  release(hand: Hand): void;
  toggle(name: string): void;
  nearestName(angle: number): string;
}

export function makeDial(traits: Traits<DialTraits>): DialState {
  const t = traits.signal;
  const places = computed(() => readPlaces(t("_names").value, t("_places").value));
  const facts = computed(() => t("_facts").value);
  const dragged = signal<Hand | undefined>(undefined);
  const hand = computed(
    () => dragged.value ?? { angle: t("angle").value, strength: t("strength").value },
  );
  const send = throttled((next: Hand) => {
    // a late call must not undo what was let go of since
    if (dragged.value) traits.update({ ...next });
  }, DRAG_MS);

  function snapped(next: Hand): Hand {
    if (!t("snap").value) return next;
    const angles = places.value.map((place) => place.angle);
    return { ...next, angle: Math.round(nearest(next.angle, angles) * 10) / 10 };
  }

  return {
    traits,
    places,
    facts,
    hand,
    dragging: computed(() => dragged.value !== undefined),
    lit: signal<Lit>(NOTHING),
    drag(next, live) {
      dragged.value = snapped(next);
      if (live) send(dragged.value);
    },
    release(next) {
      traits.tell({ ...next });
      dragged.value = undefined;
    },
    toggle(name) {
      const now = t("selected").value;
      const selected = now.includes(name) ? now.filter((n) => n !== name) : [...now, name];
      traits.set("selected", selected);
    },
    nearestName(angle) {
      let best = "";
      let least = Number.POSITIVE_INFINITY;
      for (const place of places.value) {
        const off = Math.abs(away(angle, place.angle));
        if (off < least) [best, least] = [place.name, off];
      }
      return best;
    },
  };
}

/** Let go of names and tokens. */
export function unlit(dial: DialState): void {
  dial.lit.value = NOTHING;
}
