// The text as chips: plain DOM, made once per text and repainted when features change.
import type { Keys } from "../../lib/ui/selection";
import {
  type Chip,
  LEFT_OUT,
  OUTLIER,
  SPECIAL,
  segments,
  spoken,
  type Tokens,
  WINDOW,
} from "../../lib/wire/tokens";
import type { Look } from "./paint";

export interface StripEvents {
  /** A chip was chosen with the pointer or the keyboard. */
  choose(chip: number, keys: Keys): void;
  /** The pointer or the keyboard is at a chip; -1 when it left. */
  look(chip: number, element: HTMLElement | undefined): void;
  clear(): void;
}

export interface Strip {
  paint(looks: Look[], lanes: number): void;
  /** Mark chips as selected. */
  mark(chips: Set<number>): void;
  chip(i: number): HTMLElement | undefined;
  remove(): void;
}

// A paragraph longer than this goes on in another block at its next word: a block is laid out
// whole as soon as a line of it is in view, and ten thousand chips take seconds.
const MOST_CHIPS = 400;
const LINE = 25; // pixels, and chips to a line: what is not laid out yet is about this high
const CHIPS_PER_LINE = 16;

let strips = 0;

/** Draw `tokens` into `root`, which takes the focus and the keys for all chips. */
export function drawStrip(root: HTMLElement, tokens: Tokens, events: StripEvents): Strip {
  const prefix = `vv-strip-${++strips}`;
  const chips: HTMLElement[] = [];
  const looks: Look[] = [];
  let marked = new Set<number>();
  let active = -1;
  const stop = new AbortController();

  const page = document.createDocumentFragment();
  const many = tokens.rows.length > 2;
  for (let row = 0; row + 1 < tokens.rows.length; row++) {
    const [from, to] = [tokens.rows[row] ?? 0, tokens.rows[row + 1] ?? 0];
    page.append(drawRow(tokens.chips.slice(from, to), from, many ? row : undefined));
  }
  root.replaceChildren(page);

  function drawRow(row: Chip[], from: number, number: number | undefined): HTMLElement {
    const element = make("div", "vv-row");
    if (number !== undefined) {
      element.setAttribute("role", "group");
      element.setAttribute("aria-label", `text ${number + 1}`);
      element.dataset.number = String(number + 1);
    }
    let start = 0;
    const close = (stop: number): void => {
      const paragraph = make("p", "vv-par");
      paragraph.dir = "auto";
      paragraph.append(
        ...row.slice(start, stop).map((chip, i) => drawChip(chip, from + start + i)),
      );
      const lines = Math.ceil((stop - start) / CHIPS_PER_LINE);
      paragraph.style.containIntrinsicHeight = `auto ${lines * LINE}px`;
      element.append(paragraph);
      start = stop;
    };
    // a paragraph ends where the text breaks the line: what is out of view is then not laid out
    row.forEach((chip, i) => {
      const held = i + 1 - start;
      const next = row[i + 1]?.text ?? "";
      const word = /^\s/.test(next); // some scripts have no spaces
      const full = held >= MOST_CHIPS * (word ? 1 : 2);
      if (full || /^(\n|\r(?!\n))/.test(chip.text.slice(-1) + next)) close(i + 1);
    });
    if (start < row.length || row.length === 0) close(row.length);
    return element;
  }

  function drawChip(chip: Chip, i: number): HTMLElement {
    const element = make("span", "vv-chip");
    element.id = `${prefix}-${i}`;
    element.dataset.i = String(i);
    element.setAttribute("role", "option");
    element.setAttribute("aria-selected", "false");
    if (chip.flags & WINDOW) element.dataset.window = "";
    if (chip.flags & LEFT_OUT) element.dataset.out = "";
    if (chip.flags & OUTLIER) element.dataset.outlier = "";
    if (chip.flags & SPECIAL) element.dataset.special = "";
    const parts = segments(chip.text);
    if (parts.every((part) => part.kind !== "text")) {
      element.setAttribute("aria-label", spoken(chip.text));
    }
    for (const part of parts) {
      if (part.kind === "text") {
        element.append(part.text);
        continue;
      }
      const sign = make("i", `vv-${part.kind}`);
      if (part.kind !== "space") sign.dataset.sign = part.sign;
      sign.textContent = part.text;
      element.append(sign);
    }
    chips[i] = element;
    return element;
  }

  function activate(i: number, scroll: boolean): void {
    chips[active]?.removeAttribute("data-active");
    active = i;
    const element = chips[i];
    if (!element) {
      root.removeAttribute("aria-activedescendant");
      events.look(-1, undefined);
      return;
    }
    element.dataset.active = "";
    root.setAttribute("aria-activedescendant", element.id);
    if (scroll) element.scrollIntoView({ block: "nearest" });
    events.look(i, element);
  }

  /** The chip on the line above (-1) or below (+1) nearest to the active one. */
  function vertical(direction: 1 | -1): number {
    const here = chips[active]?.getBoundingClientRect();
    if (!here) return 0;
    const x = (here.left + here.right) / 2;
    let line: number | undefined;
    let best = active;
    let distance = Number.POSITIVE_INFINITY;
    for (let i = active + direction; i >= 0 && i < chips.length; i += direction) {
      const box = (chips[i] as HTMLElement).getBoundingClientRect();
      if (Math.abs(box.top - here.top) < 4) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) >= 4) break;
      const away = Math.abs((box.left + box.right) / 2 - x);
      if (away < distance) [best, distance] = [i, away];
    }
    return best;
  }

  function target(key: string): number | undefined {
    const last = chips.length - 1;
    if (last < 0) return undefined;
    const rightToLeft = chips[Math.max(active, 0)]?.parentElement?.matches(":dir(rtl)") ?? false;
    const forward = rightToLeft ? "ArrowLeft" : "ArrowRight";
    if (key === "ArrowLeft" || key === "ArrowRight") {
      if (active < 0) return 0;
      return Math.min(Math.max(active + (key === forward ? 1 : -1), 0), last);
    }
    if (key === "ArrowDown") return vertical(1);
    if (key === "ArrowUp") return vertical(-1);
    if (key === "Home") return 0;
    if (key === "End") return last;
    return undefined;
  }

  function chipAt(event: Event): number {
    const at = (event.target as Element | null)?.closest?.<HTMLElement>(".vv-chip");
    return at?.dataset.i === undefined ? -1 : Number(at.dataset.i);
  }

  const listen = { signal: stop.signal };
  let pressed = { x: 0, y: 0 };
  root.addEventListener(
    "keydown",
    (event) => {
      const next = target(event.key);
      if (next !== undefined && !event.altKey && !event.metaKey) {
        event.preventDefault();
        event.stopPropagation(); // the notebook has its own arrow keys
        if (event.shiftKey && active >= 0) events.choose(next, { shift: true, add: false });
        activate(next, true);
      } else if ((event.key === " " || event.key === "Enter") && active >= 0) {
        event.preventDefault();
        event.stopPropagation();
        events.choose(active, { shift: event.shiftKey, add: event.key === " " || event.ctrlKey });
      } else if (event.key === "Escape") {
        event.stopPropagation();
        events.clear();
        activate(-1, false);
      }
    },
    listen,
  );
  root.addEventListener("focus", () => active < 0 && chips.length && activate(0, false), listen);
  root.addEventListener("blur", () => activate(-1, false), listen);
  root.addEventListener("pointerover", (e) => look(chipAt(e)), listen);
  root.addEventListener("pointerleave", () => look(-1), listen);
  root.addEventListener(
    "pointerdown",
    (event) => {
      pressed = { x: event.clientX, y: event.clientY };
      // a shift-click would select text; here it selects tokens
      if (event.shiftKey) document.getSelection()?.removeAllRanges();
    },
    listen,
  );
  root.addEventListener("mousedown", (e) => e.shiftKey && e.preventDefault(), listen);
  root.addEventListener(
    "click",
    (event) => {
      const i = chipAt(event);
      // a drag selects text, not tokens
      const dragged = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > 4;
      if (i < 0 || (dragged && event.detail > 0)) return;
      root.focus({ preventScroll: true });
      activate(i, false);
      events.choose(i, { shift: event.shiftKey, add: event.ctrlKey || event.metaKey });
    },
    listen,
  );

  function look(i: number): void {
    events.look(i, chips[i]);
  }

  return {
    paint(next, lanes) {
      root.style.setProperty("--lanes", String(lanes));
      chips.forEach((element, i) => {
        const [old, now] = [looks[i], next[i]];
        if (!now || (old && old.background === now.background && old.color === now.color)) return;
        element.style.background = now.background;
        element.style.color = now.color;
        looks[i] = now;
      });
    },
    mark(next) {
      for (const i of marked) if (!next.has(i)) chips[i]?.setAttribute("aria-selected", "false");
      for (const i of next) if (!marked.has(i)) chips[i]?.setAttribute("aria-selected", "true");
      marked = new Set(next);
    },
    chip: (i) => chips[i],
    remove() {
      stop.abort();
      root.replaceChildren();
    },
  };
}

function make(tag: "div" | "p" | "span" | "i", name: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
