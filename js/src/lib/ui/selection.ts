// Selecting items in a row: click, shift for a range, ctrl to add; the same with keys.

export interface Keys {
  shift: boolean;
  /** Ctrl, or Command on a Mac. */
  add: boolean;
}

export interface Selection {
  /** Sorted indices. */
  items: number[];
  /** Where a range begins. */
  anchor: number;
}

/** The selection after `item` is clicked. A click on the only selected item clears it. */
export function select(before: Selection, item: number, keys: Keys): Selection {
  const { items, anchor } = before;
  if (keys.shift && anchor >= 0) {
    const range = between(anchor, item);
    return { items: keys.add ? union(items, range) : range, anchor };
  }
  if (keys.add) {
    const left = items.filter((i) => i !== item);
    return { items: left.length < items.length ? left : union(items, [item]), anchor: item };
  }
  if (items.length === 1 && items[0] === item) return { items: [], anchor: item };
  return { items: [item], anchor: item };
}

function between(a: number, b: number): number[] {
  const [low, high] = a <= b ? [a, b] : [b, a];
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

function union(a: number[], b: number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}
