// Components that redraw when a signal they read changes.
//
// @preact/signals does this for every component of a page, for 3 kB of each bundle and through
// Preact's internals; a view that wraps its components in `tracked` can import
// @preact/signals-core alone.
import { effect, type Signal, signal } from "@preact/signals-core";
import { Component, type ComponentChildren, type FunctionComponent } from "preact";
import { useState } from "preact/hooks";

/** Make a component follow the signals that it reads while it draws. */
export function tracked<P extends object>(
  draw: (props: P) => ComponentChildren,
): FunctionComponent<P> {
  class Tracked extends Component<P> {
    stop: (() => void) | undefined;

    override render(): ComponentChildren {
      this.stop?.();
      let drawn: ComponentChildren;
      let first = true;
      this.stop = effect(() => {
        if (first) drawn = draw(this.props as P);
        else this.forceUpdate();
        first = false;
      });
      return drawn;
    }

    override componentWillUnmount(): void {
      this.stop?.();
    }
  }
  return Tracked as unknown as FunctionComponent<P>;
}

/** A signal that belongs to one mounted component. */
export function useSignal<T>(initial: T): Signal<T> {
  return useState(() => signal(initial))[0];
}
