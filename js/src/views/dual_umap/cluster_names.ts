// Names of clusters: the tokens that are commoner in one than elsewhere.
import { SEPARATOR } from "../../lib/ui/label";
import type { Side } from "./data";

/** At most so many points are read: the names of eight clusters need no more. */
const MOST_READ = 40_000;
const N_CLUSTERS = 8;

export function clusterNames(sides: [Side, Side]): string[] {
  const counts = Array.from({ length: N_CLUSTERS }, () => new Map<string, number>());
  const sizes = new Array<number>(N_CLUSTERS).fill(0);
  const everywhere = new Map<string, number>();
  let total = 0;
  for (const side of sides) {
    const stride = Math.max(1, Math.ceil(side.n / MOST_READ));
    for (let i = 0; i < side.cluster.length; i += stride) {
      const cluster = side.cluster[i] as number;
      const own = counts[cluster];
      if (!own) continue;
      sizes[cluster] = (sizes[cluster] as number) + 1;
      total += 1;
      const label = side.label(i).toLowerCase();
      if (!label.includes(SEPARATOR)) continue;
      for (const token of new Set(label.split(SEPARATOR))) {
        own.set(token, (own.get(token) ?? 0) + 1);
        everywhere.set(token, (everywhere.get(token) ?? 0) + 1);
      }
    }
  }
  return counts.flatMap((own, cluster) => {
    const size = sizes[cluster] as number;
    if (!size) return [];
    const rated = [...own]
      .filter(([token, n]) => n > 1 && /[\p{L}\p{N}]/u.test(token))
      .map(([token, n]): [string, number] => [
        token,
        surprise(n, (everywhere.get(token) as number) * (size / total)),
      ])
      .filter(([, rate]) => rate > 1)
      .sort((x, y) => y[1] - x[1]);
    const best = rated.slice(0, 3).map(([token]) => token);
    return [best.join(SEPARATOR) || `cluster ${cluster + 1}`];
  });
}

/** How far a count is above what chance gives, in its standard deviations. */
function surprise(count: number, expected: number): number {
  return (count - expected) / Math.sqrt(expected + 1);
}
