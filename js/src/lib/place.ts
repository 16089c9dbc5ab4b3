// Where a card goes so that it stays inside its view and off what it explains.

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Left and top of a card near `target`, in the coordinates of `frame`. */
export function place(
  target: Box,
  card: { width: number; height: number },
  frame: Box,
  gap = 6,
): { left: number; top: number } {
  const room = frame.right - frame.left - card.width - gap;
  const left = Math.min(Math.max(target.left - frame.left, gap), Math.max(room, gap));
  const below = target.bottom - frame.top + gap;
  const above = target.top - frame.top - gap - card.height;
  const fits = below + card.height <= frame.bottom - frame.top;
  return { left, top: fits || above < 0 ? below : above };
}
