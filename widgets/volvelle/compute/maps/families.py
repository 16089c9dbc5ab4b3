"""Whether two features are nearer than their families are: a null that keeps clusters.

Directions come in families: all verbs, all digits. Two dictionaries that share nothing but the
middle of each family have pairs far nearer than scrambled directions, and who is whose mutual
nearest within a family is then chance. So a pair must also stand apart from the other pairs
between its two families, and how far strangers of the same families do is the null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.maps.neighbours import Neighbours, nearest, product
from volvelle.compute.maps.scrambled import FamilyScrambler
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nearest siblings that stand for a family, at two scales: a pair must stand apart at both. With
# eight alone, of families of five 64 of 120 strangers stood apart; with four and eight 17.
SCALES = (4, 8)
N_KIN = SCALES[-1]
# A side of fewer rows has no family and a rest to tell it from.
FEWEST_ROWS = 2 * N_KIN
# Rows of strangers asked: of a third of them, which are mutual, the 95 % is known to .1.
NULL_ROWS, ROWS_AT_ONCE = 4000, 2000
MOST_DRAWS = 50
# Cosines held at once, and numbers gathered at once where a table of all would be larger.
TABLE_CELLS, GATHERED = 8_000_000, 4_000_000
# Fisher's z of equal directions, which would be infinite, and the least spread that is no rounding.
MOST_COSINE, LEAST_SPREAD = 1 - 1e-6, 1e-3


@dataclass(frozen=True, eq=False)
class Strangers:
    """Mutual pairs of `a` with strangers in the families of `b`.

    Attributes
    ----------
    cosines, apart : float32 array, shape (n,)
        Their cosines, and how far they stand apart.
    per_draw : float
        How many pairs of two whole dictionaries each of these stands for.
    """

    cosines: np.ndarray
    apart: np.ndarray
    per_draw: float

    def threshold(self, level: float) -> float:
        """Return what a share `1 - level` of strangers stays below; NaN without any."""
        return float(np.quantile(self.apart, 1 - level)) if len(self.apart) else float("nan")

    def n_expected(self, cosine: float, apart: float) -> float:
        """Return how many pairs of strangers are beyond both thresholds, on average."""
        return float(((self.cosines > cosine) & (self.apart > apart)).sum() * self.per_draw)


def tested(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether both sides have rows enough to tell a family from the rest."""
    return min(len(a), len(b)) >= FEWEST_ROWS


def kin_of(rows: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Return the nearest siblings of each row of one dictionary, nearest first, int32."""
    return nearest(rows, None, N_KIN, device=device).indices


def stand_apart(
    a: np.ndarray,
    b: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    kin: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Measure how far pairs stand apart from the pairs between their two families.

    The Fisher z of a pair's cosine, less the median of those between a row and its kin on one
    side and a row and its kin on the other, over their spread (1.48 median deviations, which
    other twins in the families do not move); the smaller of two scales of family.

    Parameters
    ----------
    a, b : float32 array, shape (n_a, d) and (n_b, d)
        Rows of length one.
    pairs : two int arrays, shape (n,)
        Rows of a and of b.
    kin : two int arrays, shape (n, 8)
        Nearest siblings of either row of each pair, in its own dictionary, nearest first.

    Returns
    -------
    float32 array, shape (n,)

    Notes
    -----
    Source: the spread of a correlation is the same everywhere on the scale of arctanh, Fisher
    1921 (Metron 1).
    """
    rows = [np.hstack([own[:, None], its]) for own, its in zip(pairs, kin, strict=True)]
    out = np.empty(len(rows[0]), np.float32)
    for part, cosines in _blocks(a, b, rows[0], rows[1]):
        z = np.arctanh(np.clip(cosines, -MOST_COSINE, MOST_COSINE))
        out[part] = np.minimum.reduce([_over_spread(z[:, : k + 1, : k + 1]) for k in SCALES])
    return out


def _over_spread(z: np.ndarray) -> np.ndarray:
    """Return the first cell of each block less the median of the others, over their spread."""
    cells = z.reshape(len(z), -1)
    others = cells[:, 1:]
    middle = np.median(others, axis=1)
    spread = 1.4826 * np.median(np.abs(others - middle[:, None]), axis=1)
    return (cells[:, 0] - middle) / np.maximum(spread, LEAST_SPREAD)


def _blocks(
    a: np.ndarray, b: np.ndarray, rows_a: np.ndarray, rows_b: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Give the cosines between rows of a and rows of b, (n, k, k), some pairs at a time."""
    n, k = rows_a.shape
    table = product(a, b.T) if len(a) * len(b) <= TABLE_CELLS else None
    step = max(GATHERED // (2 * k * (k if table is not None else a.shape[1])), 1)
    for start in looking(range(0, n, step), 1):
        part = slice(start, min(start + step, n))
        if table is not None:
            yield part, table[rows_a[part][:, :, None], rows_b[part][:, None, :]]
        else:
            yield part, a[rows_a[part]] @ b[rows_b[part]].swapaxes(1, 2)


def strangers(
    a: np.ndarray,
    b: np.ndarray,
    kin_a: np.ndarray,
    random: np.random.Generator,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> Strangers:
    """Pair `a` with strangers in the families of `b`, several times.

    Parameters
    ----------
    a, b : float32 array, shape (n_a, d) and (n_b, d)
        Rows of length one.
    kin_a : int array, shape (n_a, 8)
        As `kin_of` returns it.
    random : numpy Generator
        Of the permutations and of the rows asked.
    seed : int
        Of the clusters.
    device : str
        Where products run.
    """
    scramble = FamilyScrambler(b, seed)
    fewer = min(len(a), len(b), ROWS_AT_ONCE)
    draws = int(np.clip(np.ceil(NULL_ROWS / fewer), 1, MOST_DRAWS))
    cosines: list[np.ndarray] = []
    apart: list[np.ndarray] = []
    asked = min(len(a), ROWS_AT_ONCE)
    for _ in looking(range(draws), 1):
        drawn = scramble(random)
        rows = random.choice(len(a), asked, replace=False) if asked < len(a) else np.arange(asked)
        found = nearest(a[rows], drawn, 1, device=device)
        other = found.indices[:, 0]
        mutual = nearest(drawn[other], a, 1, device=device).indices[:, 0] == rows
        rows, other = rows[mutual], other[mutual]
        pairs, kin = (rows, other), (kin_a[rows], _kin_among(drawn, other, device))
        cosines.append(found.cosines[mutual, 0])
        apart.append(stand_apart(a, drawn, pairs, kin))
    return Strangers(np.concatenate(cosines), np.concatenate(apart), len(a) / asked / draws)


def _kin_among(vectors: np.ndarray, rows: np.ndarray, device: str) -> np.ndarray:
    """Return the nearest siblings of some rows among all."""
    found: Neighbours = nearest(vectors[rows], vectors, N_KIN + 1, device=device)
    own = found.indices == rows[:, None]
    own[~own.any(axis=1), -1] = True  # of equal rows another may have come in its place
    return found.indices[~own].reshape(len(rows), N_KIN)
