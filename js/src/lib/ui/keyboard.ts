// Moving through a list with the keyboard (WAI-ARIA authoring practices, listbox).

/** The next active index for a key, or undefined when the key moves nothing. */
export function move(key: string, active: number, n: number, page = 8): number | undefined {
  if (n === 0) return undefined;
  const clamp = (i: number): number => Math.min(Math.max(i, 0), n - 1);
  switch (key) {
    case "ArrowDown":
      return clamp(active + 1);
    case "ArrowUp":
      return clamp(active < 0 ? n - 1 : active - 1);
    case "PageDown":
      return clamp(active + page);
    case "PageUp":
      return clamp(active - page);
    case "Home":
      return 0;
    case "End":
      return n - 1;
    default:
      return undefined;
  }
}
