// Follow the notebook's theme. Style sheets use light-dark() and need none of this;
// canvases and computed colours ask here.
import { type ReadonlySignal, signal } from "@preact/signals-core";

/** Whether the element is shown on a dark page now. */
export function isDark(el: Element): boolean {
  const scheme = getComputedStyle(el).colorScheme ?? "";
  if (scheme.includes("dark") && !scheme.includes("light")) return true;
  if (scheme.includes("light") && !scheme.includes("dark")) return false;
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

/** A signal of `isDark`, until `stop` aborts. */
export function darkness(el: Element, stop: AbortSignal): ReadonlySignal<boolean> {
  const dark = signal(isDark(el));
  const look = (): void => {
    dark.value = isDark(el);
  };
  const watcher = new MutationObserver(look);
  const attributeFilter = ["data-jp-theme-light", "class", "style", "data-theme"];
  for (const target of [document.documentElement, document.body]) {
    watcher.observe(target, { attributes: true, attributeFilter });
  }
  const media = globalThis.matchMedia?.("(prefers-color-scheme: dark)");
  media?.addEventListener("change", look, { signal: stop });
  stop.addEventListener("abort", () => watcher.disconnect());
  requestAnimationFrame(look); // the element is in the page by then
  return dark;
}

export function prefersLessMotion(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}

/** Put style sheets beside a view's root, inside a shadow root where there is one. */
export function addStyles(el: Element, ...sheets: string[]): void {
  const style = document.createElement("style");
  style.textContent = sheets.join("\n");
  el.prepend(style);
}
