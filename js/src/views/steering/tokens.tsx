// A stretch of tokens: underlined where steered, tinted where it is not the unsteered text.

import { tracked } from "../../lib/ui/tracked";
import { segments } from "../../lib/wire/tokens";
import type { State } from "./state";

interface TextProps {
  state: State;
  serial: number;
  /** -1 for the prompt. */
  column: number;
  label: string;
  strings: readonly string[];
  steered: ArrayLike<number> | undefined;
  changed: readonly boolean[] | undefined;
  /** Whose each token is, of the prompt of a chat. */
  turns?: readonly string[];
  /** Leave out what is the chat template's. */
  folded?: boolean;
}

/** What nobody wrote: the template's own tokens, and its system prompt, by what they are called. */
export const OWN: Record<string, string> = {
  template: "the chat template's own",
  hidden: "a system prompt that the template puts there",
};

export const Text = tracked((props: TextProps) => {
  const { state, serial, column, label, strings, steered, changed, turns, folded } = props;
  const own = (i: number): boolean => (turns?.[i] ?? "") in OWN;
  const kept = [...strings.keys()].filter((i) => !folded || !own(i));
  const seen = state.looked.value;
  const active = seen?.serial === serial && seen.column === column ? seen.token : -1;
  const look = (list: Element, token: number): void => {
    const element = list.querySelector<HTMLElement>(`[data-i="${token}"]`);
    if (element) state.looked.value = { serial, column, token, element };
  };
  return (
    <div
      class="vv-written"
      role="listbox"
      tabIndex={0}
      aria-label={`${label}; arrows move from token to token`}
      onPointerOver={(event) => {
        const token = (event.target as Element).closest<HTMLElement>(".vv-tok")?.dataset.i;
        if (token !== undefined) look(event.currentTarget, Number(token));
      }}
      onPointerLeave={() => {
        state.looked.value = undefined;
      }}
      onBlur={() => {
        state.looked.value = undefined;
      }}
      onKeyDown={(event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, Home: -kept.length, End: kept.length };
        const by = step[event.key as keyof typeof step];
        if (event.key === "Escape") state.looked.value = undefined;
        if (by === undefined) return;
        event.preventDefault();
        const at = Math.min(Math.max(kept.indexOf(active) + by, 0), kept.length - 1);
        look(event.currentTarget, kept[at] ?? -1);
      }}
    >
      {kept.map((i) => (
        <span
          key={i}
          class="vv-tok"
          role="option"
          tabIndex={-1}
          data-i={i}
          aria-selected={i === active}
          data-steered={steered?.[i] ? "" : undefined}
          data-changed={changed?.[i] ? "" : undefined}
          data-own={own(i) ? turns?.[i] : undefined}
        >
          {segments(strings[i] ?? "").map((part, k) =>
            part.kind === "text" || part.kind === "space" ? (
              part.text
            ) : (
              <span class="vv-sign" data-sign={part.sign} key={k}>
                {part.text}
              </span>
            ),
          )}
        </span>
      ))}
    </div>
  );
});
