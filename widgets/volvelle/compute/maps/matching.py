"""Which feature of one dictionary is which of another: mutual nearest, against two nulls.

Scores are cosines of directions, or correlations of activations over the same tokens. A match is
above the null of permuted directions or tokens; one by cosine also stands apart from its family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.compute.maps.counterparts import (
    Best,
    best_by_correlation,
    best_by_cosine,
    best_cosines,
    sizes,
)
from volvelle.compute.maps.families import N_KIN, kin_of, stand_apart, strangers, tested
from volvelle.compute.maps.scrambled import Scrambler
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp

# Tokens a feature must fire on before its correlations say anything.
FEWEST_FIRINGS = 10
# Best scores drawn for the null: its 95 % point then moves by less than .2 % of its rank.
NULL_SCORES = 20_000
# Share of chance that is let through, by either null.
LEVEL = 0.05
# Rows of a side up to which every row of a permutation is compared.
MOST_PAIRED = 2 * NULL_SCORES


@dataclass(frozen=True, eq=False)
class Matching:
    """Pairs of features and how far chance goes.

    Attributes
    ----------
    a, b : int32 array, shape (n_pairs,)
        Every pair where one is among the other's best, one to many, best score first.
    score : float32 array, shape (n_pairs,)
        Cosine or correlation, -1...1.
    rank_a, rank_b : int8 array, shape (n_pairs,)
        Place of b among the best of a, and of a among the best of b, from 1; 0 beyond those kept.
    mutual : bool array, shape (n_pairs,)
        Each is the other's best.
    above : bool array, shape (n_pairs,)
        The score is above `threshold`.
    threshold : float
        95 % of best scores under the permutation null are below; the stricter of both ways.
    null_median : float
        Half of them are below.
    n_null : int
        Permutations drawn.
    compared_a, compared_b : int
        Features that could match at all: by activation, those that fired often enough.
    n_expected : float
        Pairs that would be certain if b held strangers in the same families (by correlation: if
        its tokens were others), on average: what is found where there is nothing to find.
    apart : float32 array, shape (n_pairs,)
        How far a mutual pair above `threshold` stands apart from the pairs between its two
        families, in their spread (`families.stand_apart`); NaN for other pairs, and where
        families were not tested.
    apart_threshold : float
        95 % of mutual pairs with strangers of the same families are below. NaN where families
        were not tested: matches by correlation, fewer than 16 rows.
    """

    a: Annotated[np.ndarray, Axes("n_pairs", kind="iu")]
    b: Annotated[np.ndarray, Axes("n_pairs", kind="iu")]
    score: Annotated[np.ndarray, Axes("n_pairs", kind="f")]
    rank_a: Annotated[np.ndarray, Axes("n_pairs", kind="iu")]
    rank_b: Annotated[np.ndarray, Axes("n_pairs", kind="iu")]
    mutual: Annotated[np.ndarray, Axes("n_pairs", kind="b")]
    above: Annotated[np.ndarray, Axes("n_pairs", kind="b")]
    threshold: float
    null_median: float
    n_null: int
    compared_a: int
    compared_b: int
    n_expected: float = float("nan")
    apart: Annotated[np.ndarray | None, Axes("n_pairs", kind="f")] = None
    apart_threshold: float = float("nan")

    @property
    def families_tested(self) -> bool:
        """Whether pairs were held against their families."""
        return self.apart is not None and bool(np.isfinite(self.apart_threshold))

    @property
    def certain(self) -> np.ndarray:
        """The matches: mutual, above the threshold, and apart from their families; bool."""
        found = self.mutual & self.above
        if self.apart is None or not self.families_tested:
            return found
        return found & (self.apart > self.apart_threshold)

    @property
    def of_one_family(self) -> np.ndarray:
        """Mutual pairs above the threshold that are no nearer than their families are; bool."""
        return self.mutual & self.above & ~self.certain


def n_permutations(n: int) -> int:
    """Return how many permutations give `NULL_SCORES` best scores: 1...200."""
    return int(np.clip(np.ceil(NULL_SCORES / max(n, 1)), 1, 200))


def match_by_cosine(
    a: np.ndarray,
    b: np.ndarray,
    *,
    found: Best | None = None,
    kin: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    n_null: int | None = None,
    device: str = "cpu",
) -> Matching:
    """Match directions by cosine, against scrambled directions and against their families.

    Parameters
    ----------
    a, b : float32 array, shape (n_a, d) and (n_b, d)
        Rows of length one, decoder or encoder.
    found : Best, optional
        What `best_by_cosine` found for them, where it is known already.
    kin : two int arrays, shape (n_a, 8 or more) and (n_b, 8 or more), optional
        Nearest siblings of each row within its own side, where they are known already.
    seed : int
        Of the permutations.
    n_null : int, optional
        Default: `n_permutations` of the smaller side.
    device : str
        Where products run.

    Notes
    -----
    Two nulls, for two ways in which chance makes directions near: `Scrambler` (a space that most
    directions share) gives `threshold`, `FamilyScrambler` (clusters that both sides
    share) gives `apart_threshold`.
    """
    random = np.random.default_rng(seed)
    n_null = n_permutations(min(len(a), len(b))) if n_null is None else n_null
    scramble = Scrambler(b)
    null = [_chance(a, scramble(random), random, device) for _ in looking(range(n_null), 1)]
    del scramble  # as large as b: what follows makes another
    found = found or best_by_cosine(a, b, device=device)
    pairs = _matching(found, null, (len(a), len(b)))
    if not tested(a, b) or not np.isfinite(pairs.threshold):
        return pairs
    kin = kin or (kin_of(a, device), kin_of(b, device))
    kin = (kin[0][:, :N_KIN], kin[1][:, :N_KIN])
    chance = strangers(a, b, kin[0], random, seed=seed, device=device)
    which = pairs.mutual & pairs.above
    one, other = pairs.a[which], pairs.b[which]
    apart = np.full(len(pairs.a), np.nan, np.float32)
    apart[which] = stand_apart(a, b, (one, other), (kin[0][one], kin[1][other]))
    level = chance.threshold(LEVEL)
    n_expected = chance.n_expected(pairs.threshold, level)
    return replace(pairs, apart=apart, apart_threshold=level, n_expected=n_expected)


def _chance(
    a: np.ndarray, b: np.ndarray, random: np.random.Generator, device: str
) -> tuple[np.ndarray, ...]:
    """Return best cosines both ways, and of mutual pairs; of a part of the rows where many."""
    if max(len(a), len(b)) <= MOST_PAIRED:
        return best_cosines(a, b, device)  # one product serves both ways
    rows = [
        v[random.choice(len(v), NULL_SCORES, replace=False)] if len(v) > NULL_SCORES else v
        for v in (a, b)
    ]
    of_a, of_b = best_cosines(rows[0], b, device)[0], best_cosines(a, rows[1], device)[1]
    return of_a, of_b, np.array([np.nan])


def match_by_correlation(
    a: sp.csr_array,
    b: sp.csr_array,
    *,
    seed: int = 0,
    n_null: int | None = None,
    fewest: int = FEWEST_FIRINGS,
    on_progress: Callable[[float], None] | None = None,
) -> Matching:
    """Match features by the correlation of their activations, against shuffled tokens.

    Parameters
    ----------
    a, b : scipy.sparse.csr_array, shape (n_tokens, n_a) and (n_tokens, n_b)
        Activations at the same tokens.
    seed : int
        Of the permutations: b's tokens are shuffled, whole rows, so that what fires together
        in b still does.
    n_null : int, optional
        Default: `n_permutations` of the smaller side, at most 20.
    fewest : int
        Features that fire on fewer tokens match nothing: two that fire once, on one token,
        correlate by 1, and so do two in the null.
    on_progress : callable, optional
        Gets the fraction done.
    """
    random = np.random.default_rng(seed)
    if n_null is None:
        n_null = min(n_permutations(min(sizes(a)[1], sizes(b)[1])), 20)

    def part(n: int) -> Callable[[float], None] | None:
        return share(on_progress, n / (n_null + 1), (n + 1) / (n_null + 1))

    (a, compared_a), (b, compared_b) = _often(a, fewest), _often(b, fewest)
    found = best_by_correlation(a, b, on_progress=part(0))
    null: list[tuple[np.ndarray, ...]] = []
    for i in range(n_null):
        shuffled = b[random.permutation(sizes(b)[0])]
        chance = best_by_correlation(a, shuffled, 1, on_progress=part(i + 1))
        null.append((chance.score_a, chance.score_b, _mutual(chance)))
    return _matching(found, null, (compared_a, compared_b))


def _mutual(best: Best) -> np.ndarray:
    """Return the scores of the rows of a that are the best of their best, where there are."""
    if not best.of_a.size or not best.of_b.size:
        return np.zeros(0, np.float32)
    other = best.of_a[:, 0]
    found = (other >= 0) & (best.of_b[other, 0] == np.arange(len(other)))
    return best.score_a[found, 0]


def _often(codes: sp.csr_array, fewest: int) -> tuple[sp.csr_array, int]:
    """Empty the columns that fire too seldom; the codes, and how many columns are left."""
    counts = np.bincount(codes.indices[codes.data != 0], minlength=sizes(codes)[1])
    kept = counts >= fewest
    if kept.all():
        return codes, len(kept)
    out = codes.copy()
    out.data *= kept[out.indices]
    out.eliminate_zeros()
    return out, int(kept.sum())


def _matching(
    found: Best, null: list[tuple[np.ndarray, ...]], compared: tuple[int, int]
) -> Matching:
    """Join both ways into one table of pairs and hold it against the null's best scores."""
    sides = [np.concatenate([np.zeros(0), *(np.ravel(pair[i]) for pair in null)]) for i in (0, 1)]
    drawn = [side[np.isfinite(side)] for side in sides]
    threshold = max((float(np.quantile(d, 0.95)) for d in drawn if len(d)), default=float("nan"))
    median = max((float(np.median(d)) for d in drawn if len(d)), default=float("nan"))
    counts = [
        (pair[2] > threshold).sum() if np.isfinite(pair[2]).all() else np.nan for pair in null
    ]
    n_expected = float(np.mean(counts)) if counts and np.isfinite(threshold) else float("nan")
    n_a, n_b = len(found.of_a), len(found.of_b)
    forward = _pairs(found.of_a, found.score_a)
    backward = _pairs(found.of_b, found.score_b)
    a = np.concatenate([forward[0], backward[1]])
    b = np.concatenate([forward[1], backward[0]])
    score = np.concatenate([forward[2], backward[2]])
    key, first = np.unique(a.astype(np.int64) * max(n_b, 1) + b, return_index=True)
    order = first[np.argsort(-score[first], kind="stable")]
    rank_a, rank_b = np.zeros(len(key), np.int8), np.zeros(len(key), np.int8)
    rank_a[np.searchsorted(key, forward[0].astype(np.int64) * max(n_b, 1) + forward[1])] = (
        forward[3] + 1
    )
    rank_b[np.searchsorted(key, backward[1].astype(np.int64) * max(n_b, 1) + backward[0])] = (
        backward[3] + 1
    )
    place = np.argsort(-score[first], kind="stable")
    rank_a, rank_b = rank_a[place], rank_b[place]
    # the best is whoever comes first: of two equal counterparts one is taken
    best_a = np.full(n_a, -1, np.int64)
    best_b = np.full(n_b, -1, np.int64)
    if found.of_a.shape[1] and found.of_b.shape[1]:
        best_a, best_b = found.of_a[:, 0].astype(np.int64), found.of_b[:, 0].astype(np.int64)
    pair_a, pair_b, pair_score = a[order], b[order], score[order]
    mutual = (best_a[pair_a] == pair_b) & (best_b[pair_b] == pair_a)
    return Matching(
        pair_a.astype(np.int32),
        pair_b.astype(np.int32),
        pair_score.astype(np.float32),
        rank_a,
        rank_b,
        mutual,
        pair_score > threshold if np.isfinite(threshold) else np.zeros(len(order), bool),
        threshold,
        median,
        len(null),
        *compared,
        n_expected,
    )


def _pairs(
    index: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return row, counterpart, score and place of everything that was found."""
    row, place = np.nonzero(index >= 0)
    return row, index[row, place], score[row, place], place
