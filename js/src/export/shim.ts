// A stand-in for the notebook's model where there is no notebook: get, set, on, off.

/** A view's traits in a file: JSON, and its binary buffers beside it with their places. */
export interface Packed {
  state: Record<string, unknown>;
  buffers: [place: (string | number)[], base64: string][];
}

type Held = Record<string | number, unknown>;

/** The state with its buffers where a notebook delivers them. */
export function revive({ state, buffers }: Packed): Record<string, unknown> {
  for (const [place, text] of buffers) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    // JSON.parse makes own properties of all names, "__proto__" too: these are found, and set
    let held: Held = state;
    for (const name of place.slice(0, -1)) held = held[name] as Held;
    held[place.at(-1) as string | number] = new DataView(bytes.buffer);
  }
  return state;
}

type Callback = () => void;

/** A model that fires change:* events and never reaches a kernel. */
export function makeModel(state: Record<string, unknown>) {
  const listeners = new Map<string, Set<Callback>>();
  return {
    get: (name: string): unknown => state[name],
    set(name: string, value: unknown): void {
      if (state[name] === value) return;
      state[name] = value;
      for (const callback of [...(listeners.get(`change:${name}`) ?? [])]) callback();
      for (const callback of [...(listeners.get("change") ?? [])]) callback();
    },
    on(event: string, callback: Callback): void {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event)?.add(callback);
    },
    off(event: string, callback?: Callback): void {
      if (callback) listeners.get(event)?.delete(callback);
      else listeners.delete(event);
    },
    save_changes(): void {},
    send(): void {},
  };
}
