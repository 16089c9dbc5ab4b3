// Where a card goes so that it stays inside its view and off what it explains.

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/**
 * Left and top of a card near `target`, in the coordinates of `frame`: below it, else above it,
 * else beside it.
 */
export function place(
  target: Box,
  card: { width: number; height: number },
  frame: Box,
  gap = 6,
): { left: number; top: number } {
  const right = Math.max(frame.right - frame.left - card.width - gap, gap);
  const bottom = Math.max(frame.bottom - frame.top - card.height - gap, gap);
  const left = Math.min(Math.max(target.left - frame.left, gap), right);
  const below = target.bottom - frame.top + gap;
  const above = target.top - frame.top - gap - card.height;
  if (below <= bottom) return { left, top: below };
  if (above >= 0) return { left, top: above };
  const beside = target.right - frame.left + gap;
  const before = target.left - frame.left - gap - card.width;
  return { left: beside <= right ? beside : Math.max(before, gap), top: bottom };
}
