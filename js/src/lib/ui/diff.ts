// Which tokens of a text are not in another, in order (longest common subsequence).

const MOST_CELLS = 4_000_000; // beyond, tokens are compared place by place

/** For each token of `other`, whether it is new against `base`. */
export function changedFrom(base: readonly string[], other: readonly string[]): boolean[] {
  const changed = new Array<boolean>(other.length).fill(true);
  let start = 0;
  while (start < base.length && start < other.length && base[start] === other[start]) {
    changed[start++] = false;
  }
  const [n, m] = [base.length - start, other.length - start];
  if (n * m > MOST_CELLS) {
    return changed.map((_, i) => base[i] !== other[i]);
  }
  // lengths[i][j]: longest common subsequence of what follows i and j
  const width = m + 1;
  const lengths = new Uint16Array((n + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] as number;
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      lengths[i * width + j] =
        base[start + i] === other[start + j]
          ? at(i + 1, j + 1) + 1
          : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  for (let i = 0, j = 0; i < n && j < m; ) {
    if (base[start + i] === other[start + j]) {
      changed[start + j] = false;
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return changed;
}
