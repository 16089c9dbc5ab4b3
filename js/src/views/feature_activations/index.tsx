// FeatureActivations: a text as tokens, and beside it the features that fire.

import { effect, type ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import base from "../../lib/ui/base.css";
import { count } from "../../lib/ui/numbers";
import { Status, unanswered } from "../../lib/ui/status";
import { download } from "../../lib/ui/table";
import { addStyles, darkness } from "../../lib/ui/theme";
import { tracked, useEffect, useRef, useSignal } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { Card } from "./card";
import cardSheet from "./card.css";
import { Editor } from "./editor";
import { Legend } from "./legend";
import { FeatureList } from "./list";
import listSheet from "./list.css";
import { BARE, manyFeatures, oneFeature } from "./paint";
import { picture } from "./png";
import { makeState, type State } from "./state";
import { drawStrip } from "./strip";
import sheet from "./style.css";
import type { FeatureActivationsRequests, FeatureActivationsTraits } from "./traits";

/** Draw the view into `el` until `stop` aborts. */
export function drawFeatureActivations(
  el: HTMLElement,
  traits: Traits<FeatureActivationsTraits, FeatureActivationsRequests>,
  stop: AbortSignal,
): void {
  const state = makeState(traits);
  const root = document.createElement("div");
  root.className = "vv vv-feature_activations";
  el.append(root);
  addStyles(el, base, sheet, listSheet, cardSheet);
  const dark = darkness(el, stop);
  const late = unanswered(traits, stop);
  render(<View state={state} dark={dark} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

interface ViewProps {
  state: State;
  dark: ReadonlySignal<boolean>;
  late: ReadonlySignal<boolean>;
}

const View = tracked(({ state, dark, late }: ViewProps) => {
  const body = useRef<HTMLDivElement>(null);
  const page = useRef<HTMLDivElement>(null);
  const editing = useSignal(false);
  const { traits } = state;
  const facts = traits.signal("_facts").value;
  const live = traits.signal("_live").value;
  const chosen = traits.signal("selected_tokens").value.length;

  async function save(): Promise<void> {
    const root = page.current?.closest<HTMLElement>(".vv");
    if (!root) return;
    const parts = [".vv-title", ".vv-legend", ".vv-strip"];
    const found = parts.flatMap((part) => root.querySelector<HTMLElement>(part) ?? []);
    root.dataset.still = ""; // lays out what is scrolled away
    const image = await picture(found, getComputedStyle(root).backgroundColor);
    delete root.dataset.still;
    if (image) download("activations.png", image);
  }

  return (
    <>
      <div class="vv-head">
        <Title state={state} />
        <span class="vv-grow" />
        {chosen > 0 && (
          <button type="button" onClick={() => state.clearTokens()}>
            Clear {count(chosen)} selected
          </button>
        )}
        {facts.editable && live && (
          <button
            type="button"
            aria-pressed={editing.value}
            onClick={() => {
              editing.value = !editing.value;
            }}
          >
            Edit
          </button>
        )}
        <button type="button" onClick={save} title="save the text as a picture">
          PNG
        </button>
      </div>
      <Status traits={traits} late={late} verb="encoding" runs />
      {facts.note && <div class="vv-note">{facts.note}</div>}
      <Legend state={state} dark={dark.value} />
      <div class="vv-body" ref={body}>
        <div class="vv-text">
          {editing.value && <Editor state={state} />}
          <Strip state={state} dark={dark} page={page} />
        </div>
        <FeatureList state={state} />
        <Card state={state} frame={() => body.current} />
      </div>
    </>
  );
});

const Title = tracked(({ state }: { state: State }) => {
  const facts = state.traits.signal("_facts").value;
  const tokens = state.tokens.value;
  const texts = tokens.rows.length - 1;
  const numbers = [
    `${count(tokens.n)} tokens`,
    texts > 1 && `${texts} texts`,
    facts.n_features && `${count(facts.n_features)} ${facts.hand_made ? "values" : "features"}`,
    typeof facts.l0 === "number" && `L0 ${facts.l0.toFixed(1)}`,
    typeof facts.fve === "number" &&
      `FVE ${facts.fve.toFixed(2)} of ${texts > 1 ? "these texts" : "this text"}, first tokens left out`,
  ].filter(Boolean);
  const title = [facts.model, facts.point, facts.dictionary].filter(Boolean).join(" · ");
  return (
    <>
      <span class="vv-title">{title || "Values on tokens"}</span>
      {tokens.n > 0 && (
        <span
          class="vv-facts"
          title="L0: features per token. FVE: fraction of the variance that the dictionary explains, without tokens of extreme norm"
        >
          {numbers.join(" · ")}
        </span>
      )}
    </>
  );
});

interface StripProps {
  state: State;
  dark: ReadonlySignal<boolean>;
  page: { current: HTMLDivElement | null };
}

/** Holds the strip, which is plain DOM, and keeps it up to date. */
const Strip = tracked(({ state, dark, page }: StripProps) => {
  const n = state.tokens.value.n;
  const status = state.traits.signal("status").value;
  const plan = state.traits.signal("_plan").value;
  useEffect(() => {
    const root = page.current;
    if (!root) return undefined;
    // one effect redraws, the others only repaint
    let strip: ReturnType<typeof drawStrip> | undefined;
    const redraw = effect(() => {
      strip?.remove();
      state.looked.value = { chip: -1, element: undefined };
      strip = drawStrip(root, state.tokens.value, {
        choose: state.chooseChip,
        clear: state.clearTokens,
        look: (chip, element) => {
          state.looked.value = { chip, element };
        },
      });
    });
    const repaint = effect(() => {
      const { chips } = state.tokens.value;
      const chosen = state.chosen.value;
      const first = chosen[0];
      if (!first)
        strip?.paint(
          chips.map(() => BARE),
          0,
        );
      else if (chosen.length === 1) {
        strip?.paint(oneFeature(chips, first.column, first.column.signed, dark.value), 0);
      } else {
        const columns = chosen.map(({ column }) => column);
        strip?.paint(manyFeatures(chips, columns, [...columns.keys()]), columns.length);
      }
    });
    const remark = effect(() => {
      void state.tokens.value; // a new strip is unmarked
      strip?.mark(state.marked.value);
    });
    return () => {
      for (const end of [redraw, repaint, remark]) end();
      strip?.remove();
    };
  }, []);
  return (
    <>
      <div
        class="vv-strip"
        ref={page}
        role="listbox"
        tabIndex={0}
        aria-multiselectable="true"
        aria-orientation="horizontal"
        aria-label="tokens of the text; arrows move, Space selects, shift with arrows selects a range"
      />
      {n === 0 && (
        <p class="vv-empty">
          {status === "queued" || status === "running"
            ? "encoding the text…"
            : plan
              ? "not run yet"
              : "no text yet: Edit, and write one"}
        </p>
      )}
    </>
  );
});
