// The notebook's model as Preact signals: the one place that talks to anywidget.
import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import type { BaseRequests, BaseTraits } from "./traits";

/** The part of anywidget's model that a view uses; the exported page brings its own. */
export interface Model<T> {
  get<K extends keyof T & string>(name: K): T[K];
  set<K extends keyof T & string>(name: K, value: T[K]): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
  save_changes(): void;
}

/** What a drawing gets in place of a notebook. */
export interface Traits<T, R = BaseRequests> {
  /** A signal that follows the trait. */
  signal<K extends keyof T & string>(name: K): ReadonlySignal<T[K]>;
  /** Write a public trait: on screen at once, then to Python. */
  set<K extends keyof T & string>(name: K, value: T[K]): void;
  /** Write several at once, in one message. */
  update(values: Partial<T>): void;
  /** As `update`, and expect a sign of life: `unanswered` tells when none comes. */
  tell(values: Partial<T>): void;
  /** Ask Python for something; answered by traits. Returns the request's serial. */
  request<K extends keyof R & string>(kind: K, fields: R[K]): number;
  /** Serial of the last thing Python was sent that wants an answer. */
  asked: ReadonlySignal<number>;
}

/**
 * Follow a model until `stop` aborts.
 *
 * Several traits of one message change together: the host sets all, then fires each event,
 * so signals are updated in one batch after the last event of a turn.
 */
export function connect<T extends BaseTraits, R = BaseRequests>(
  model: Model<T>,
  stop: AbortSignal,
): Traits<T, R> {
  const signals = new Map<keyof T & string, Signal<unknown>>();
  const changed = new Set<keyof T & string>();
  const asked = signal(0);

  function flush(): void {
    const names = [...changed];
    changed.clear();
    batch(() => {
      for (const name of names) {
        const held = signals.get(name);
        if (held) held.value = model.get(name);
      }
    });
  }

  function follow<K extends keyof T & string>(name: K): Signal<T[K]> {
    const known = signals.get(name);
    if (known) return known as Signal<T[K]>;
    const made = signal(model.get(name));
    const onChange = () => {
      if (changed.size === 0) queueMicrotask(flush);
      changed.add(name);
    };
    model.on(`change:${name}`, onChange);
    stop.addEventListener("abort", () => model.off(`change:${name}`, onChange));
    signals.set(name, made as Signal<unknown>);
    return made;
  }

  function update(values: Partial<T>): void {
    batch(() => {
      for (const [name, value] of Object.entries(values)) {
        model.set(name as keyof T & string, value as T[keyof T & string]);
        follow(name as keyof T & string).value = value as T[keyof T & string];
      }
    });
    model.save_changes();
  }

  function request(kind: string, fields: object, values: Partial<T>): number {
    // counts on from what any earlier page of this notebook has asked
    const last = Number((model.get("_request") as { serial?: number })?.serial ?? 0);
    const serial = Math.max(last, model.get("_answered") ?? 0) + 1;
    asked.value = serial;
    update({ ...values, _request: { ...fields, serial, kind } });
    return serial;
  }

  return {
    signal: follow,
    set: (name, value) => update({ [name]: value } as unknown as Partial<T>),
    update,
    tell: (values) => {
      request("ping", {}, values);
    },
    request: (kind, fields) => request(kind, fields as object, {}),
    asked,
  };
}

/** A view in a notebook: the model's traits joined to its drawing. */
export function widget<T extends BaseTraits, R>(
  draw: (el: HTMLElement, traits: Traits<T, R>, stop: AbortSignal) => void,
) {
  return {
    render({ model, el }: { model: Model<T>; el: HTMLElement }): () => void {
      const stop = new AbortController();
      draw(el, connect(model, stop.signal), stop.signal);
      return () => stop.abort();
    },
  };
}

/** A function that runs `action` once its calls have paused for `wait` milliseconds. */
export function debounced<A extends unknown[]>(action: (...args: A) => void, wait: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const call = (...args: A): void => {
    clearTimeout(timer);
    timer = setTimeout(action, wait, ...args);
  };
  call.cancel = (): void => clearTimeout(timer);
  return call;
}

/** A function that runs `action` at most once per `wait` milliseconds, always with the last call. */
export function throttled<A extends unknown[]>(action: (...args: A) => void, wait: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pending: A | undefined;
  const tick = (): void => {
    timer = undefined;
    if (!pending) return;
    action(...pending);
    pending = undefined;
    timer = setTimeout(tick, wait);
  };
  return (...args: A): void => {
    pending = args;
    if (!timer) tick();
  };
}
