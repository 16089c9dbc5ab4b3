// The strip as a picture: what the page has laid out, drawn again on a canvas.

const SCALE = 2; // pixels per CSS pixel, for print
const BASELINE = 0.78; // of a line's height, in the fonts that notebooks use
const MOST_PIXELS = 16_000; // side of a canvas that every browser makes

interface Fragment {
  text: string;
  box: DOMRect;
}

/** A text node's stretches, one per line it is broken over. */
function fragments(node: Text): Fragment[] {
  const range = document.createRange();
  range.selectNodeContents(node);
  const whole = [...range.getClientRects()];
  const only = whole[0];
  if (whole.length === 1 && only) return [{ text: node.data, box: only }];
  const found: Fragment[] = [];
  let at = 0;
  for (const character of node.data) {
    range.setStart(node, at);
    at += character.length;
    range.setEnd(node, at);
    const box = range.getClientRects()[0];
    if (!box) continue;
    const last = found.at(-1);
    if (last && Math.abs(last.box.top - box.top) < 2) {
      last.text += character;
      last.box = new DOMRect(last.box.x, last.box.y, box.right - last.box.x, last.box.height);
    } else {
      found.push({ text: character, box });
    }
  }
  return found;
}

function background(ink: CanvasRenderingContext2D, style: CSSStyleDeclaration, box: DOMRect): void {
  if (style.backgroundColor !== "rgba(0, 0, 0, 0)") {
    ink.fillStyle = style.backgroundColor;
    ink.fillRect(box.x, box.y, box.width, box.height);
  }
  if (style.backgroundImage === "none") return;
  const images = style.backgroundImage.split(/,\s*(?=(?:repeating-)?linear-gradient)/);
  const offsets = style.backgroundPositionY.split(/,\s*/);
  const sizes = style.backgroundSize.split(/,\s*/);
  images.forEach((image, i) => {
    const colour = /(rgba?\([^)]*\)|color\([^)]*\))/.exec(image)?.[1];
    if (!colour) return;
    const height = Number.parseFloat((sizes[i] ?? "").split(" ")[1] ?? "3") || 3;
    const up = Number.parseFloat(/-\s*([\d.]+)px/.exec(offsets[i] ?? "")?.[1] ?? "0");
    const y = box.bottom - up - height;
    ink.fillStyle = colour;
    if (!image.startsWith("repeating")) ink.fillRect(box.x, y, box.width, height);
    else for (let x = box.x; x < box.right; x += 4) ink.fillRect(x, y, 2, height);
  });
}

function write(ink: CanvasRenderingContext2D, root: Element): void {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent || parent.closest("button")) continue;
    const style = getComputedStyle(parent);
    ink.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    ink.fillStyle = style.color;
    ink.direction = style.direction as CanvasDirection;
    ink.textAlign = "left";
    const sign = parent.dataset.sign; // drawn before the character that has no ink
    ink.globalAlpha = parent.tagName === "I" ? 0.45 : 1;
    if (sign) {
      const box = parent.getClientRects()[0];
      if (box) ink.fillText(sign, box.x, box.y + box.height * BASELINE);
      continue;
    }
    for (const { text, box } of fragments(node as Text)) {
      const shown = parent.className === "vv-space" ? "·".repeat(text.length) : text;
      ink.fillText(shown, box.x, box.y + box.height * BASELINE);
    }
  }
  ink.globalAlpha = 1;
}

/** Draw title, legend and the whole strip, also what is scrolled out of view. */
export async function picture(parts: HTMLElement[], paper: string): Promise<Blob | null> {
  const canvas = document.createElement("canvas");
  const widths = parts.map((part) => part.clientWidth);
  const heights = parts.map((part) => part.scrollHeight);
  const width = Math.max(...widths) + 24;
  const height = heights.reduce((a, b) => a + b, 0) + 24;
  const scale = Math.min(SCALE, MOST_PIXELS / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const ink = canvas.getContext("2d");
  if (!ink) return null;
  ink.scale(scale, scale);
  ink.fillStyle = paper;
  ink.fillRect(0, 0, width, height);
  ink.textBaseline = "alphabetic";
  let y = 12;
  parts.forEach((part, i) => {
    const origin = part.getBoundingClientRect();
    ink.save();
    ink.translate(12 - origin.left, y - origin.top + part.scrollTop);
    for (const element of part.querySelectorAll<HTMLElement>(".vv-chip, .vv-swatch")) {
      const style = getComputedStyle(element);
      for (const box of element.getClientRects()) background(ink, style, box as DOMRect);
    }
    write(ink, part);
    ink.restore();
    y += heights[i] ?? 0;
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
