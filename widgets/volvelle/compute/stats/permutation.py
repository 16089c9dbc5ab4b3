"""Permutation tests: shuffles of labels, freely, within blocks or by group, and what they give.

A test says its family: what was shuffled, and over how many measures the largest was taken. A
p without its family cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, prod

import numpy as np

LEVEL = 0.05


def p_value(observed: float, null: np.ndarray) -> float:
    """Return ``(1 + #{null >= observed}) / (N + 1)``, never zero.

    Source: Phipson and Smyth (2010), Permutation p-values should never be zero, Stat. Appl.
    Genet. Mol. Biol. 9.
    """
    # scores of the same arrangement differ by rounding: a tie counts against the observation
    return float((1 + (null >= observed - 1e-12).sum()) / (len(null) + 1))


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """A number beside what shuffles of its labels give.

    Attributes
    ----------
    family : str
        What was shuffled and, where the largest of several measures counts, of how many.
    observed : float
    null : array, shape (n,)
        The same number per shuffle.
    smallest : float
        The smallest p that these shuffles can reach: where it is above .05 the test cannot
        tell, whatever was observed.
    """

    family: str
    observed: float
    null: np.ndarray
    smallest: float = 0.0

    @property
    def p(self) -> float:
        """``(1 + k) / (n + 1)``, k the shuffles at least as large as what was observed."""
        return max(p_value(self.observed, self.null), self.smallest)

    @property
    def can_tell(self) -> bool:
        """Whether a p of .05 is within reach."""
        return max(self.smallest, 1 / (len(self.null) + 1)) <= LEVEL

    @property
    def median(self) -> float:
        """What half of the shuffles stay below."""
        return float(np.median(self.null))

    def limit(self, level: float = LEVEL) -> float:
        """Return what shuffles reach with probability `level`."""
        return float(np.quantile(self.null, 1 - level))

    def __repr__(self) -> str:
        if not self.can_tell:
            return f"PermutationTest({self.family}: {len(self.null)} shuffles cannot tell)"
        return (
            f"PermutationTest({self.family}: {self.observed:.2f}, median {self.median:.2f}, 95 % "
            f"below {self.limit():.2f}, p = {self.p:.2g})"
        )


def largest_of(family: str, observed: np.ndarray, null: np.ndarray) -> PermutationTest:
    """Test the largest of several measures, which pays for having chosen it.

    Parameters
    ----------
    family : str
    observed : array, shape (m,)
        In units that compare: scores, or effects over their spread.
    null : array, shape (m, n)
        The same shuffle in the same column for every measure.
    """
    return PermutationTest(f"{family}, largest of {len(observed)}", observed.max(), null.max(0))


def shuffles(n: int, n_null: int, seed: int) -> np.ndarray:
    """Return permutations (n_null, n), the same for every measure of one seed."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(n), (n_null, 1)), axis=1)


def shuffles_within(blocks: np.ndarray, n_null: int, seed: int) -> np.ndarray:
    """Return permutations (n_null, n) that keep every item in its block.

    What is left under them is what the blocks alone give: a score far above it is about the
    order within blocks.

    Parameters
    ----------
    blocks : int array, shape (n,)
        Block of each item.
    n_null : int
    seed : int
    """
    rng = np.random.default_rng([seed, 3])
    found = np.tile(np.arange(len(blocks)), (n_null, 1))
    for block in np.unique(blocks):
        mine = np.flatnonzero(blocks == block)
        found[:, mine] = rng.permuted(found[:, mine], axis=1)
    return found


def shuffles_by_group(groups: np.ndarray, n_null: int, seed: int) -> np.ndarray:
    """Return permutations (n_null, n) that move whole groups onto each other.

    For items that are not independent within a group (sentences of one word): their labels are
    exchanged together.

    Parameters
    ----------
    groups : int array, shape (n,)
        Group of each item; groups are of one size.
    n_null : int
    seed : int
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    sizes = {len(mine) for mine in members}
    if len(sizes) != 1:
        raise ValueError(f"groups: sizes {sorted(sizes)}, expected one size to exchange them")
    rows = np.stack(members)
    moved = rows[shuffles(len(rows), n_null, seed)]
    found = np.empty((n_null, len(groups)), dtype=np.intp)
    found[:, rows.ravel()] = moved.reshape(n_null, -1)
    return found


def orders_within(blocks: np.ndarray) -> int:
    """Return how many orders there are that keep every item in its block."""
    return prod(
        factorial(int(size)) for size in np.bincount(np.unique(blocks, return_inverse=True)[1])
    )
