// The view's state: traits in, derived values, and what the user may do.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { MOST_COLOURED } from "../../lib/ui/colour";
import { type Keys, type Selection, select } from "../../lib/ui/selection";
import { debounced, type Traits } from "../../lib/wire/model";
import { readTokens, type Tokens } from "../../lib/wire/tokens";
import { type Column, partialColumn, readColumns, readStrongest, type Strongest } from "./data";
import { type Listed, list, type Row } from "./rows";
import type { FeatureActivationsRequests, FeatureActivationsTraits } from "./traits";

const TYPING_PAUSE_MS = 250;

/** What the pointer or the keyboard is at. */
export interface Looked {
  chip: number;
  element: HTMLElement | undefined;
}

export interface State {
  traits: Traits<FeatureActivationsTraits, FeatureActivationsRequests>;
  tokens: ReadonlySignal<Tokens>;
  strongest: ReadonlySignal<Strongest>;
  /** The selected features that can be drawn, in their order. */
  chosen: ReadonlySignal<{ feature: number; column: Column }[]>;
  listed: ReadonlySignal<Listed>;
  /** Chips with a selected token. */
  marked: ReadonlySignal<Set<number>>;
  looked: Signal<Looked>;
  label(feature: number): string;
  chooseChip(chip: number, keys: Keys): void;
  clearTokens(): void;
  chooseOnly(feature: number): void;
  toggleFeature(feature: number): void;
  togglePin(feature: number): void;
  setQuery(query: string): void;
  setSort(sortBy: FeatureActivationsTraits["sort_by"]): void;
  setText(text: string): void;
  setTexts(texts: string[]): void;
  askLabels(features: number[]): void;
  /** The list's rows as shown, for CSV. */
  rows(): Row[];
}

export function makeState(
  traits: Traits<FeatureActivationsTraits, FeatureActivationsRequests>,
): State {
  const t = traits.signal;
  const tokens = computed(() =>
    readTokens({
      _token_blob: t("_token_blob").value,
      _token_lengths: t("_token_lengths").value,
      _token_ids: t("_token_ids").value,
      _token_index: t("_token_index").value,
      _token_flags: t("_token_flags").value,
      _text_starts: t("_text_starts").value,
    }),
  );
  const columns = computed(() =>
    readColumns(
      {
        _columns: t("_columns").value,
        _column_mask: t("_column_mask").value,
        _column_values: t("_column_values").value,
        _column_scale: t("_column_scale").value,
      },
      tokens.value.n,
    ),
  );
  const strongest = computed(() =>
    readStrongest({
      _top_features: t("_top_features").value,
      _top_values: t("_top_values").value,
      _top_scale: t("_top_scale").value,
    }),
  );
  const chosen = computed(() =>
    t("selected_features").value.map((feature) => ({
      feature,
      column: columns.value.get(feature) ?? partialColumn(strongest.value, feature, tokens.value.n),
    })),
  );
  // typing filters what is here at once; Python's answer follows
  const typed = signal<string | undefined>(undefined);
  const listed = computed(() =>
    list(
      {
        _list_features: t("_list_features").value,
        _list_stats: t("_list_stats").value,
        _list_bars: t("_list_bars").value,
        _list_facts: t("_list_facts").value,
        _labels: t("_labels").value,
      },
      {
        sortBy: t("sort_by").value,
        query: typed.value ?? t("query").value,
        tokens: t("selected_tokens").value,
        pinned: t("pinned_features").value,
      },
      columns.value,
      strongest.value,
      tokens.value.n,
    ),
  );
  const marked = computed(
    () => new Set(t("selected_tokens").value.map((token) => tokens.value.chipOf[token] ?? -1)),
  );
  let selection: Selection = { items: [], anchor: -1 };

  const held = (feature: number): boolean => columns.value.has(feature);
  function setFeatures(selected_features: number[]): void {
    // a feature whose column is not here yet needs a kernel
    if (selected_features.every(held)) traits.update({ selected_features });
    else traits.tell({ selected_features });
  }
  const sendQuery = debounced((query: string) => {
    traits.set("query", query);
    typed.value = undefined;
  }, 150);
  const sendText = debounced((text: string) => {
    traits.tell({ text, texts: [] });
  }, TYPING_PAUSE_MS);
  const sendTexts = debounced((texts: string[]) => {
    traits.tell({ texts });
  }, TYPING_PAUSE_MS);

  return {
    traits,
    tokens,
    strongest,
    chosen,
    listed,
    marked,
    looked: signal<Looked>({ chip: -1, element: undefined }),
    label: (feature) => t("_labels").value[feature] ?? "",
    chooseChip(chip, keys) {
      selection = select(
        { items: [...marked.value].sort((a, b) => a - b), anchor: selection.anchor },
        chip,
        keys,
      );
      const selected = selection.items.flatMap((i) => {
        const { start, end } = tokens.value.chips[i] ?? { start: 0, end: 0 };
        return Array.from({ length: end - start }, (_, k) => start + k);
      });
      traits.set("selected_tokens", selected);
    },
    clearTokens() {
      if (t("selected_tokens").value.length) traits.set("selected_tokens", []);
    },
    chooseOnly(feature) {
      const now = t("selected_features").value;
      setFeatures(now.length === 1 && now[0] === feature ? [] : [feature]);
    },
    toggleFeature(feature) {
      const now = t("selected_features").value;
      if (now.includes(feature)) setFeatures(now.filter((other) => other !== feature));
      else if (now.length < MOST_COLOURED) setFeatures([...now, feature]);
    },
    togglePin(feature) {
      const now = t("pinned_features").value;
      const pinned = now.includes(feature) ? now.filter((f) => f !== feature) : [...now, feature];
      traits.set("pinned_features", pinned);
    },
    setQuery(query) {
      typed.value = query;
      sendQuery(query);
    },
    setSort: (sortBy) => traits.set("sort_by", sortBy),
    setText: sendText,
    setTexts: sendTexts,
    askLabels(features) {
      const wanted = features.filter((feature) => t("_labels").value[feature] === undefined);
      const labelled = Object.keys(t("_labels").value).length > 0;
      if (wanted.length && labelled && t("_live").value)
        traits.request("labels", { features: wanted });
    },
    rows: () => listed.value.rows,
  };
}
