// What is written and where the steers act: prompt or chat, places, seed, temperature, length.
import { tracked } from "../../lib/ui/tracked";
import { readAnswers, readNumbers, writeAnswers } from "./fields";
import type { State } from "./state";
import type { ChatMessage, WherePlaces } from "./traits";

const ROLES = ["system", "user", "assistant"];
const TURNS = ["last user", ...ROLES, "think", "answer", "all"];

export const Prompt = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const messages = traits.signal("messages").value;
  const chat = traits.signal("chat").value;
  const prompt = traits.signal("prompt").value;
  const template = traits.signal("_facts").value.template;
  const put = (i: number, part: Partial<ChatMessage>): void =>
    state.change({ messages: messages.map((m, k) => (k === i ? { ...m, ...part } : m)) });
  const runs = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    (event.currentTarget as HTMLElement).blur(); // writes what was typed
    state.run();
  };
  if (messages.length > 0) {
    return (
      <div class="vv-prompt" role="group" aria-label="chat">
        {messages.map((message, i) => (
          <div class="vv-message" key={i}>
            <select
              aria-label={`role of message ${i + 1}`}
              value={message.role}
              onChange={(event) => put(i, { role: event.currentTarget.value })}
            >
              {ROLES.map((role) => (
                <option key={role}>{role}</option>
              ))}
            </select>
            <textarea
              rows={1}
              aria-label={`message ${i + 1}`}
              value={message.content}
              onChange={(event) => put(i, { content: event.currentTarget.value })}
              onKeyDown={runs}
            />
            <button
              type="button"
              class="vv-plain"
              aria-label={`remove message ${i + 1}`}
              onClick={() => state.change({ messages: messages.filter((_, k) => k !== i) })}
            >
              ×
            </button>
          </div>
        ))}
        <button
          type="button"
          onClick={() => {
            const last = messages.at(-1)?.role;
            const role = last === "user" ? "assistant" : "user";
            traits.set("messages", [...messages, { role, content: "" }]);
          }}
        >
          Add a message
        </button>
      </div>
    );
  }
  return (
    <div class="vv-prompt">
      <textarea
        rows={2}
        aria-label="prompt"
        placeholder="a text to continue"
        value={prompt}
        onChange={(event) => state.change({ prompt: event.currentTarget.value })}
        onKeyDown={runs}
      />
      {template && (
        <span class="vv-chat">
          <label>
            <input type="checkbox" checked={chat} onChange={() => state.change({ chat: !chat })} />{" "}
            chat template
          </label>
          {chat && (
            <button
              type="button"
              onClick={() =>
                traits.update({ messages: [{ role: "user", content: prompt }], prompt: "" })
              }
            >
              several messages
            </button>
          )}
        </span>
      )}
    </div>
  );
});

export const Settings = tracked(({ state }: { state: State }) => {
  const { traits } = state;
  const where = traits.signal("where").value;
  const { targets = [], template } = traits.signal("_facts").value;
  const place = (part: Partial<WherePlaces>): void =>
    state.change({ where: { ...where, ...part } });
  const help = 'all · none · 0, 3, -1 · 2:8 · -5: · " cat" · any of them after not';
  return (
    <details class="vv-settings">
      <summary>
        <span>
          <b>where</b> prompt {where.prompt}, generated {where.generated}
          {where.turns && `, turns ${where.turns}`}
          {where.special && ", special tokens too"}
          {where.first && ", first token too"}
          {where.when && `, when ${where.when} > ${where.above}`}
        </span>
        <span>
          <b>columns</b> {traits.signal("multiples").value.join(", ")} × the sliders
        </span>
        <span>
          <b>placebos</b> {traits.signal("placebo").value}
        </span>
        <span>
          <b>seed</b> {traits.signal("seed").value}
        </span>
        <span>
          <b>temperature</b> {traits.signal("temperature").value}
        </span>
        <span>
          <b>length</b> {traits.signal("max_new_tokens").value}
        </span>
      </summary>
      <div class="vv-fields">
        <label title={help}>
          prompt tokens{" "}
          <input
            type="text"
            aria-label="where in the prompt"
            value={where.prompt}
            onChange={(event) => place({ prompt: event.currentTarget.value })}
          />
        </label>
        <label title={help}>
          generated tokens{" "}
          <input
            type="text"
            aria-label="where in the generated text"
            value={where.generated}
            onChange={(event) => place({ generated: event.currentTarget.value })}
          />
        </label>
        {(template || where.turns) && (
          <label title="whose words of a chat; several between commas. think and answer are the two sides of <think>…</think>; a system prompt that the template puts there is steered by system and by all">
            turns{" "}
            <input
              type="text"
              list="vv-turns"
              aria-label="whose turns of a chat"
              placeholder="those given"
              value={where.turns}
              onChange={(event) => place({ turns: event.currentTarget.value })}
            />
            <datalist id="vv-turns">
              {TURNS.map((turns) => (
                <option key={turns}>{turns}</option>
              ))}
            </datalist>
          </label>
        )}
        <label title="beginning and end of text, marks of the chat and all its template writes">
          <input
            type="checkbox"
            checked={where.special}
            onChange={() => place({ special: !where.special })}
          />{" "}
          special tokens too
        </label>
        <label title="position 0, whose state is far longer than any other">
          <input
            type="checkbox"
            checked={where.first}
            onChange={() => place({ first: !where.first })}
          />{" "}
          first token too
        </label>
        <label>
          only when{" "}
          <select
            aria-label="only when this direction is active"
            value={where.when}
            onChange={(event) => place({ when: event.currentTarget.value })}
          >
            <option value="">always</option>
            {targets.map((target) => (
              <option key={target}>{target}</option>
            ))}
          </select>
          {where.when && (
            <>
              {" > "}
              <input
                type="number"
                step="any"
                class="vv-typed"
                aria-label="threshold"
                value={where.above}
                onChange={(event) => place({ above: event.currentTarget.valueAsNumber || 0 })}
              />
            </>
          )}
        </label>
        <label title="how many times the sliders' strengths, one column each; unsteered is always there">
          columns{" "}
          <input
            type="text"
            aria-label="columns, multiples of the strengths"
            value={traits.signal("multiples").value.join(", ")}
            onChange={(event) => {
              const read = readNumbers(event.currentTarget.value);
              if (read) state.change({ multiples: read });
            }}
          />
        </label>
        <label title='answers to follow; a bare word gets its leading space, quotes keep a text of one or more tokens as it is (" a mess"), bars count spellings together (yes|Yes)'>
          watch{" "}
          <input
            type="text"
            aria-label="watched answers"
            value={writeAnswers(traits.signal("watch").value)}
            onChange={(event) => state.change({ watch: readAnswers(event.currentTarget.value) })}
          />
        </label>
        <Numeric state={state} trait="placebo" label="placebos" step={1} />
        <Numeric state={state} trait="seed" label="seed" step={1} />
        <Numeric state={state} trait="temperature" label="temperature" step={0.1} />
        <Numeric state={state} trait="max_new_tokens" label="length (tokens)" step={1} />
      </div>
    </details>
  );
});

interface NumericProps {
  state: State;
  trait: "placebo" | "seed" | "temperature" | "max_new_tokens";
  label: string;
  step: number;
}

const Numeric = tracked(({ state, trait, label, step }: NumericProps) => (
  <label>
    {label}{" "}
    <input
      type="number"
      class="vv-typed"
      aria-label={label}
      min={0}
      step={step}
      value={state.traits.signal(trait).value}
      onChange={(event) => {
        const typed = event.currentTarget.valueAsNumber;
        if (Number.isFinite(typed)) state.change({ [trait]: typed });
      }}
    />
  </label>
));
