// Turning: what the hand does to the next word, or to written text, and the placebo beside it.
import { css, cyclic } from "../../lib/ui/colour";
import { percent } from "../../lib/ui/numbers";
import { tracked, useSignal } from "../../lib/ui/tracked";
import { segments } from "../../lib/wire/tokens";
import type { State } from "./state";
import type { EmotionCircleTraits } from "./traits";

const PLANES: Record<EmotionCircleTraits["plane"], [string, string]> = {
  circle: ["the circle", "the plane of the circle"],
  random: ["placebo: random plane", "a plane drawn at random from the whole space"],
  span: [
    "placebo: plane in the span",
    "a random plane in the span of the emotion vectors: holds emotions too, in no order",
  ],
};
const ROW = 19;
const MOST_ROWS = 16;

export const Turning = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const typed = useSignal<string | undefined>(undefined);
  const prompt = typed.value ?? traits.signal("prompt").value;
  const mode = traits.signal("mode").value;
  const plane = traits.signal("plane").value;
  const live = traits.signal("_live").value;
  const { remote } = state.dial.facts.value;
  const busy = state.busy.value;
  return (
    <section class="vv-part" aria-label="turn the model">
      <h3>Turn</h3>
      <div class="vv-tools">
        <input
          class="vv-prompt"
          type="text"
          aria-label="prompt"
          disabled={!live}
          value={prompt}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
            state.setPrompt(event.currentTarget.value);
          }}
          onBlur={() => {
            typed.value = undefined;
          }}
        />
        {live && remote && (
          <button type="button" disabled={busy} onClick={() => traits.request("run", {})}>
            Run
          </button>
        )}
      </div>
      <div class="vv-tools">
        <fieldset class="vv-choice" aria-label="what turning shows">
          {(["words", "text"] as const).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={mode === each}
              onClick={() => traits.tell({ mode: each })}
            >
              {each === "words" ? "next word" : "written text"}
            </button>
          ))}
        </fieldset>
        <fieldset class="vv-choice" aria-label="what is turned">
          {Object.entries(PLANES).map(([each, [name, title]]) => (
            <button
              key={each}
              type="button"
              title={title}
              aria-pressed={plane === each}
              disabled={!live}
              onClick={() => traits.tell({ plane: each as EmotionCircleTraits["plane"] })}
            >
              {name}
            </button>
          ))}
        </fieldset>
      </div>
      {mode === "words" ? <Words state={state} /> : <Text state={state} />}
    </section>
  );
});

const SOURCES = {
  hand: "",
  late: "of an earlier hand",
  wheel: "read off the wheel, mean over its prompts",
  none: "",
};

const Words = tracked(({ state }: { state: State }) => {
  const { rows, source } = state.chances.value;
  const angles = new Map(state.dial.places.value.map((place) => [place.name, place.angle]));
  const shown = rows.slice(0, MOST_ROWS);
  // in the order of the names, so that a row keeps its element and moves
  const order = [...shown.keys()].sort((a, b) =>
    (shown[a]?.word ?? "").localeCompare(shown[b]?.word ?? ""),
  );
  const most = Math.max(...rows.map((row) => Math.max(row.now, row.base)), 1e-12);
  if (rows.length === 0) return <p class="vv-facts">turn the hand to see what it changes</p>;
  return (
    <>
      <ol
        class="vv-words"
        data-late={source === "late" ? "" : undefined}
        style={{ height: `${shown.length * ROW}px` }}
        aria-label="probability of each word as the next token"
      >
        {order.map((i) => {
          const { word, base, now } = shown[i] as (typeof shown)[number];
          const colour = css(cyclic(angles.get(word) ?? 0));
          return (
            <li key={word} data-word={word} style={{ transform: `translateY(${i * ROW}px)` }}>
              <span class="vv-word">{word}</span>
              <span class="vv-word-bar">
                <i style={{ width: `${(100 * now) / most}%`, background: colour }} />
                <b style={{ left: `${(100 * base) / most}%` }} />
              </span>
              <span class="vv-num">{percent(now)}</span>
              <span class="vv-num vv-facts">×{times(now / base)}</span>
            </li>
          );
        })}
      </ol>
      <div class="vv-facts">
        next-token probability; mark: unsteered; ×: change
        {SOURCES[source] && ` · ${SOURCES[source]}`}
      </div>
    </>
  );
});

function times(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toPrecision(2);
}

const Text = tracked(({ state }: { state: State }) => {
  const written = state.written.value;
  const hand = state.dial.hand.value;
  if (!written) return <p class="vv-facts">let go of the hand to write with it</p>;
  const { at } = written;
  const late =
    at.angle !== hand.angle ||
    at.strength !== hand.strength ||
    at.plane !== state.traits.signal("plane").value;
  const plane = PLANES[at.plane as EmotionCircleTraits["plane"]][0];
  return (
    <div class="vv-written" data-late={late ? "" : undefined}>
      <div>
        <h4>unsteered</h4>
        <Continued prompt={at.prompt} strings={written.base} />
      </div>
      <div>
        <h4>
          {at.angle}°, {at.strength} × norm, {plane}
        </h4>
        <Continued prompt={at.prompt} strings={written.steered} />
      </div>
      {written.ratio !== undefined && (
        <div class="vv-facts">
          |δ|/|h| {written.ratio.toFixed(2)} · perplexity, unsteered model:{" "}
          {(written.perplexity ?? []).map((p) => (p === null ? "–" : p.toFixed(1))).join(" → ")} ·
          one text says little: single texts often do not move
        </div>
      )}
    </div>
  );
});

function Continued({ prompt, strings }: { prompt: string; strings: string[] }) {
  const text = segments(strings.join(""))
    .map((part) => (part.kind === "unseen" ? part.sign : part.text))
    .join("");
  return (
    <p>
      <span class="vv-facts">{prompt}</span>
      {text}
    </p>
  );
}
