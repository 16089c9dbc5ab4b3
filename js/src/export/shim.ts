// A stand-in for the notebook's model where there is no notebook: get, set, on, off.

/** Binary buffers travel as {"$base64": text}; here they become what a notebook delivers. */
export function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  const packed = (value as { $base64?: string }).$base64;
  if (typeof packed === "string") {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new DataView(bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}

type Callback = () => void;

/** A model that fires change:* events and never reaches a kernel. */
export function makeModel(packed: Record<string, unknown>) {
  const state = revive(packed) as Record<string, unknown>;
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
