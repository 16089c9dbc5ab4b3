// The text while it is written: every pause encodes it again.
import { tracked, useSignal } from "../../lib/ui/tracked";
import type { State } from "./state";

/** One box for a text; a prompt set has one per row. */
export const Editor = tracked(({ state }: { state: State }) => {
  const sent = state.traits.signal("texts").value;
  const draft = useSignal<string[]>(sent.length ? [...sent] : [state.traits.signal("text").value]);

  function change(next: string[]): void {
    draft.value = next;
    if (next.length === 1) state.setText(next[0] ?? "");
    else state.setTexts(next);
  }

  const texts = draft.value;
  return (
    <div class="vv-editor">
      {texts.map((text, i) => (
        <div class="vv-editor-row" key={i}>
          <textarea
            dir="auto"
            spellcheck={false}
            aria-label={texts.length > 1 ? `text ${i + 1}` : "text"}
            placeholder="type or paste a text"
            rows={texts.length > 1 ? 2 : 5}
            value={text}
            onKeyDown={(event) => event.stopPropagation()}
            onInput={(event) => {
              const { value } = event.currentTarget;
              change(texts.map((old, k) => (k === i ? value : old)));
            }}
          />
          {texts.length > 1 && (
            <button
              type="button"
              aria-label={`remove text ${i + 1}`}
              onClick={() => change(texts.filter((_, k) => k !== i))}
            >
              ×
            </button>
          )}
        </div>
      ))}
      <button type="button" onClick={() => change([...texts, ""])}>
        Add a text
      </button>
    </div>
  );
});
