// The state of EmotionCircle: traits in, derived values, and what the user may do.
import { computed, type ReadonlySignal } from "@preact/signals-core";
import type { Point } from "../../lib/dial/geometry";
import { type DialState, makeDial } from "../../lib/dial/state";
import type { TokenMark } from "../../lib/dial/trail";
import { decode } from "../../lib/wire/arrays";
import { debounced, type Traits } from "../../lib/wire/model";
import {
  byChance,
  type Chance,
  fromWheel,
  type Layer,
  type Response,
  readLayers,
  readPoints,
  readResponses,
  readTokens,
  type Token,
  type Turned,
  type Written,
} from "./data";
import type { EmotionCircleRequests, EmotionCircleTraits } from "./traits";

const TYPING_PAUSE_MS = 350;

export interface Chances {
  rows: Chance[];
  /** `hand`: the model at this very hand; `late`: at an earlier one; `wheel`: read off the wheel. */
  source: "hand" | "late" | "wheel" | "none";
}

export interface State {
  traits: Traits<EmotionCircleTraits, EmotionCircleRequests>;
  dial: DialState;
  tokens: ReadonlySignal<Token[]>;
  marks: ReadonlySignal<TokenMark[]>;
  means: ReadonlySignal<Point[]>;
  layers: ReadonlySignal<Layer[]>;
  chances: ReadonlySignal<Chances>;
  written: ReadonlySignal<Written | undefined>;
  wheel: ReadonlySignal<Turned | undefined>;
  responses: ReadonlySignal<Response[]>;
  /** Whether something is queued or running. */
  busy: ReadonlySignal<boolean>;
  /** Whether a kernel with a model here may run on every change. */
  local: ReadonlySignal<boolean>;
  setText(text: string): void;
  setTexts(texts: string[]): void;
  setPrompt(prompt: string): void;
}

export function makeState(traits: Traits<EmotionCircleTraits, EmotionCircleRequests>): State {
  const t = traits.signal;
  const dial = makeDial(traits);
  const tokens = computed(() => readTokens(t("_trail").value));
  const wheel = computed(() => {
    const told = t("_wheel").value;
    return told.angles?.length ? (told as Turned) : undefined;
  });
  const responses = computed(() => readResponses(t("_wheel").value));
  const chances = computed((): Chances => {
    const hand = dial.hand.value;
    const expected = t("_expected").value;
    const { words = [], at } = expected;
    const now = decode(expected.now);
    const exact =
      now.length > 0 &&
      at?.angle === hand.angle &&
      at?.strength === hand.strength &&
      at?.plane === t("plane").value &&
      at?.prompt === t("prompt").value;
    const rows = (): Chance[] => byChance(words, decode(expected.base), now);
    if (exact) return { rows: rows(), source: "hand" };
    if (!t("_live").value && wheel.value) {
      const found = fromWheel(responses.value, wheel.value, t("_names").value, hand);
      return { rows: found, source: "wheel" };
    }
    return now.length ? { rows: rows(), source: "late" } : { rows: [], source: "none" };
  });

  return {
    traits,
    dial,
    tokens,
    marks: computed(() => tokens.value.flatMap(({ mark }) => mark ?? [])),
    means: computed(() => readPoints(t("_trail").value.means)),
    layers: computed(() => readLayers(t("_layers").value)),
    chances,
    written: computed(() => {
      const told = t("_written").value;
      return told.base ? (told as Written) : undefined;
    }),
    wheel,
    responses,
    busy: computed(() => ["queued", "running"].includes(t("status").value)),
    local: computed(() => {
      const { model, remote } = dial.facts.value;
      return t("_live").value && model !== undefined && !remote;
    }),
    setText: debounced((text: string) => traits.tell({ text, texts: [] }), TYPING_PAUSE_MS),
    setTexts: debounced((texts: string[]) => traits.tell({ texts, text: "" }), TYPING_PAUSE_MS),
    setPrompt: debounced((prompt: string) => traits.tell({ prompt }), TYPING_PAUSE_MS),
  };
}
