// Components that redraw when a signal they read changes, and what they keep between drawings.
//
// @preact/signals does this for every component of a page, for 3 kB of each bundle and through
// Preact's internals, and preact/hooks takes as much again; components wrapped in `tracked` need
// @preact/signals-core alone.
import { effect, type Signal, signal } from "@preact/signals-core";
import { Component, type ComponentChildren, type FunctionComponent } from "preact";

/** May return what undoes it. */
type Action = () => unknown;

/** What one hook of one mounted component keeps. */
interface Slot {
  value?: unknown;
  given?: readonly unknown[] | undefined;
  /** To be run once the drawing is on the page. */
  due?: Action | undefined;
  soon?: boolean;
  end?: unknown;
}

let slots: Slot[] = [];
let next = 0;

function run(slot: Slot): void {
  const { due } = slot;
  if (!due) return;
  slot.due = undefined;
  undo(slot);
  slot.end = due();
}

function undo({ end }: Slot): void {
  if (typeof end === "function") end();
}

/** Make a component follow the signals that it reads while it draws. */
export function tracked<P extends object>(
  draw: (props: P) => ComponentChildren,
): FunctionComponent<P> {
  class Tracked extends Component<P> {
    stop: (() => void) | undefined;
    slots: Slot[] = [];

    override render(): ComponentChildren {
      this.stop?.();
      for (const slot of this.slots) run(slot);
      let drawn: ComponentChildren;
      let first = true;
      this.stop = effect(() => {
        if (first) {
          slots = this.slots;
          next = 0;
          drawn = draw(this.props as P);
        } else this.forceUpdate();
        first = false;
      });
      return drawn;
    }

    override componentDidMount(): void {
      const later = (): void => {
        for (const slot of this.slots) run(slot);
      };
      for (const slot of this.slots) {
        if (!slot.soon) run(slot);
      }
      if (this.slots.some(({ due }) => due)) setTimeout(later);
    }

    override componentDidUpdate(): void {
      this.componentDidMount();
    }

    override componentWillUnmount(): void {
      this.stop?.();
      for (const slot of this.slots) {
        slot.due = undefined;
        undo(slot);
      }
    }
  }
  return Tracked as unknown as FunctionComponent<P>;
}

function slot(): Slot {
  const mine = slots;
  const at = next++;
  mine[at] ??= {};
  return mine[at] as Slot;
}

function after(action: Action, given: readonly unknown[] | undefined, soon: boolean): void {
  const mine = slot();
  const old = mine.given;
  if (given && old?.length === given.length && given.every((value, i) => Object.is(value, old[i])))
    return;
  mine.given = given;
  mine.due = action;
  mine.soon = soon;
}

/** Do something each time the drawing is on the page and one of `given` has changed. */
export function useEffect(action: Action, given?: readonly unknown[]): void {
  after(action, given, true);
}

/** The same, before the page is painted. */
export function useLayoutEffect(action: Action, given?: readonly unknown[]): void {
  after(action, given, false);
}

/** A box that belongs to one mounted component. */
export function useRef<T>(initial: T): { current: T };
export function useRef<T>(initial: T | null): { current: T | null };
export function useRef<T>(): { current: T | undefined };
export function useRef<T>(initial?: T): { current: T | undefined } {
  const mine = slot();
  mine.value ??= { current: initial };
  return mine.value as { current: T | undefined };
}

/** A signal that belongs to one mounted component. */
export function useSignal<T>(initial: T): Signal<T> {
  const mine = slot();
  mine.value ??= signal(initial);
  return mine.value as Signal<T>;
}
