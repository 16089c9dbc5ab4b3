"""What a circular correlation is worth: shuffled labels, random vectors, the choice of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.compute.circles.angles import circular_correlation
from volvelle.compute.circles.planes import N_COMPONENTS, RIDGE, unit_circle
from volvelle.compute.circles.scores import gram, gram_scores, left_out_cosine, ridge_weights
from volvelle.compute.stats.permutation import (
    LEVEL,
    PermutationTest,
    p_value,
    shuffles,
    shuffles_within,
)
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Gaussian matrices cost an eigendecomposition each; above this many classes, and for the
# leave-one-out null, fewer of them are drawn and each is shuffled several times: their rows are
# exchangeable, so a shuffle of one is a draw from the same null.
_MOST_CLASSES_DRAWN_AFRESH = 40
_FEWER = 25

SCORES = Axes(None, kind="f")

# Shuffles scored between two looks at Stop, and cells (times the names) of Gram matrices.
AT_ONCE = 1000
CELLS_AT_ONCE = 2**25
# Normal numbers drawn between two looks.
DRAWN_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class Null:
    """A score beside what chance gives.

    Attributes
    ----------
    score : float
        As observed.
    shuffled : array, shape (n_null,)
        Scores with the reference shuffled among the names.
    random : array, shape (n_null,)
        Scores of Gaussian vectors of the same shape.
    best : array, shape (n_null,), or None
        Where the layer was picked by its score: the best score over all layers, per shuffle.
    n_tried : int
        How many layers it was picked from.
    by_hand : int
        How many layers there were where one was named: nothing pays for that choice. 0 where
        there was none to make.
    within : array, shape (n_null,), or None
        Scores with the reference shuffled within its quadrants: what four groups in order give.
    orders : int
        How many orders there are within the quadrants.
    """

    score: float
    shuffled: Annotated[np.ndarray, SCORES]
    random: Annotated[np.ndarray, SCORES]
    best: Annotated[np.ndarray | None, SCORES] = None
    n_tried: int = 1
    within: Annotated[np.ndarray | None, SCORES] = None
    orders: int = 1
    by_hand: int = 0

    def _check(self) -> None:
        """Raise ValueError where a file's counts are none."""
        if self.orders < 1 or self.n_tried < 1 or self.by_hand < 0:
            raise ValueError("orders and layers tried are counted from 1")

    @property
    def blocks(self) -> PermutationTest | None:
        """The score beside shuffles within quadrants; None where they were not drawn."""
        if self.within is None:
            return None
        return PermutationTest(
            "names shuffled within quadrants", self.score, self.within, 1 / self.orders
        )

    @property
    def p(self) -> float:
        """Share of chance at least as good, the largest over the nulls held."""
        nulls = [self.shuffled, self.random] if self.best is None else [self.best, self.random]
        return max(p_value(self.score, null) for null in nulls if len(null))

    def limit(self, level: float = LEVEL) -> float:
        """Return the score that chance reaches with probability `level` (per layer)."""
        nulls = [null for null in (self.shuffled, self.random) if len(null)]
        return max(float(np.quantile(null, 1 - level)) for null in nulls)

    def __repr__(self) -> str:
        return (
            f"Null(score {self.score:.2f}; 95 % of {len(self.shuffled)} shuffles below "
            f"{np.quantile(self.shuffled, 0.95):.2f}, of random vectors below "
            f"{np.quantile(self.random, 0.95):.2f}; p = {self.p:.2g}{self.paid})"
        )

    @property
    def paid(self) -> str:
        """What p pays for, to be said after it; empty where there was no layer to choose."""
        if self.best is not None:
            return f" over {self.n_tried} layers"
        return (
            f", not corrected for the choice of a layer out of {self.by_hand}"
            if self.by_hand
            else ""
        )


def quadrants(reference: np.ndarray) -> np.ndarray:
    """Return the quadrant (0 to 3) of each angle (radians): the blocks of the second null."""
    return (reference % (2 * np.pi) // (np.pi / 2)).astype(int)


def shuffled_scores(
    vectors: np.ndarray,
    reference: np.ndarray,
    method: str,
    *,
    n_null: int = 1000,
    seed: int = 0,
    plane: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
) -> np.ndarray:
    """Score a fit against shuffled labels.

    A plane of components does not know the labels: a shuffle leaves it as it is.

    Parameters
    ----------
    vectors : array, shape (..., n, d_model)
        Leading axes are layers, all shuffled alike.
    reference : array, shape (n,)
        Radians.
    method : str
        ``"pca"``, ``"ridge"`` (leave-one-out) or ``"axes"``.
    n_null : int
        How many shuffles.
    seed : int
        Of the shuffles.
    plane : array, shape (n, 2), optional
        Coordinates in a plane that is not fitted to these rows.
    blocks : int array, shape (n,), optional
        Labels are shuffled within these only.

    Returns
    -------
    array, shape (..., n_null)
    """
    n = len(reference)
    order = shuffles(n, n_null, seed) if blocks is None else shuffles_within(blocks, n_null, seed)
    if method == "ridge":
        weights = ridge_weights(gram(vectors))[..., None, :, :]

        def score(shuffled: np.ndarray) -> np.ndarray:
            return left_out_cosine(weights @ unit_circle(shuffled), shuffled)
    else:
        scores = gram_scores(gram(vectors)) if plane is None else plane
        angles = np.arctan2(scores[..., 1], scores[..., 0])

        def score(shuffled: np.ndarray) -> np.ndarray:
            return np.abs(circular_correlation(angles[..., None, :], shuffled))

    return in_parts(score, reference[order])


def in_parts(
    score: Callable[[np.ndarray], np.ndarray], shuffled: np.ndarray, most: int = AT_ONCE
) -> np.ndarray:
    """Score shuffles (n_null, n) some at a time; scores (..., n_null), their last axis joined."""
    parts = [
        score(shuffled[start : start + most])
        for start in looking(range(0, max(len(shuffled), 1), most), 1)
    ]
    return np.concatenate(parts, axis=-1)


def random_scores(
    reference: np.ndarray,
    d_model: int,
    method: str,
    *,
    n_null: int = 1000,
    seed: int = 0,
    n_components: int = N_COMPONENTS,
    ridge: float = RIDGE,
) -> np.ndarray:
    """Score Gaussian vectors of the same shape.

    In a plane that was not fitted to them (``"axes"``) their angles are uniform.

    Parameters
    ----------
    reference : array, shape (n,)
        Radians.
    d_model : int
        Width of the vectors.
    method : str
        ``"pca"``, ``"ridge"`` (leave-one-out) or ``"axes"``.
    n_null : int
        How many scores. Above 40 names, and for ``"ridge"``, they come from 25 sets of vectors,
        each shuffled several times.
    seed : int
        Of vectors and shuffles.
    n_components, ridge
        As in `ridge_weights`, for ``"ridge"``.

    Returns
    -------
    array, shape (n_null,)
    """
    n = len(reference)
    rng = np.random.default_rng([seed, 1])
    if method == "axes":
        drawn = rng.uniform(-np.pi, np.pi, size=(n_null, n))
        return np.abs(circular_correlation(drawn, reference))
    few = method == "ridge" or n > _MOST_CLASSES_DRAWN_AFRESH
    times = -(-n_null // _FEWER) if few else 1
    grams = _gaussian_grams(-(-n_null // times), n, d_model, rng)
    shuffled = reference[rng.permuted(np.tile(np.arange(n), (times, 1)), axis=1)]
    found: list[np.ndarray] = []
    for part in _grams_at_once(grams, times):
        if method == "ridge":
            weights = ridge_weights(part, n_components, ridge)[:, None]
            scores = left_out_cosine(weights @ unit_circle(shuffled), shuffled)
        else:
            drawn = gram_scores(part)
            angles = np.arctan2(drawn[..., 1], drawn[..., 0])
            scores = np.abs(circular_correlation(angles[:, None], shuffled))
        found.append(scores.ravel())
    return np.concatenate(found)[:n_null]


def _grams_at_once(grams: np.ndarray, times: int) -> Iterator[np.ndarray]:
    """Give Gram matrices (n_draws, n, n) some at a time, as many as a moment's work."""
    step = max(1, min(AT_ONCE // times, CELLS_AT_ONCE // grams.shape[-1] ** 3))
    for start in looking(range(0, len(grams), step), 1):
        yield grams[start : start + step]


def _gaussian_grams(n_draws: int, n: int, d_model: int, rng: np.random.Generator) -> np.ndarray:
    """Return centred Gram matrices of Gaussian (n, d_model), by Bartlett's decomposition."""
    width, i = min(n, d_model), np.arange(n)
    step = max(1, DRAWN_AT_ONCE // (n * width))
    parts = [slice(start, start + step) for start in range(0, n_draws, step)]
    found = np.empty((n_draws, n, n))
    if d_model < n:
        for part in looking(parts, 1):
            found[part] = gram(rng.standard_normal((len(found[part]), n, d_model)))
        return found
    # all normal numbers come before all others, in as many parts as it may be
    for part in looking(parts, 1):
        found[part] = np.tril(rng.standard_normal(found[part].shape), -1)
    for part in looking(parts, 1):
        lower = found[part]
        lower[:, i, i] = np.sqrt(rng.chisquare(d_model - i, size=lower.shape[:2]))
        centred = lower - lower.mean(axis=1, keepdims=True)
        found[part] = centred @ centred.swapaxes(1, 2)
    return found


def pick(scores: np.ndarray, nulls: np.ndarray) -> tuple[int, np.ndarray]:
    """Pick the layer of the best score, with the null that pays for the choice.

    Parameters
    ----------
    scores : array, shape (n_layers,)
    nulls : array, shape (n_layers, n_null)
        The same shuffle in the same column for every layer.

    Returns
    -------
    The layer's index, and the best score over the layers per shuffle, shape (n_null,).
    """
    return int(scores.argmax()), nulls.max(axis=0)
