"""Every layer of a model at once: where its circle is, with a null that pays for the choice.

All points shown are one family: a score is as good as the best of every shuffle over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.compute.circles.angles import circular_correlation
from volvelle.compute.circles.null import AT_ONCE, pick, shuffled_scores
from volvelle.compute.circles.planes import unit_circle
from volvelle.compute.circles.scores import gram, gram_scores, left_out_cosine, ridge_weights
from volvelle.compute.stats.permutation import LEVEL, p_value, shuffles
from volvelle.progress import looking


@dataclass(frozen=True, eq=False)
class LayerScores:
    """How circular each layer is, and what can be read from it.

    Attributes
    ----------
    points : tuple of str
        The embedding first, where it is among them; it is shown and never picked.
    score : array, shape (n_points,)
        Absolute circular correlation of the plane of components; for ``"ridge"`` the mean cosine
        of left-out predictions minus reference.
    limit : array, shape (n_points,)
        What 95 % of shuffles stay below, per layer: nothing pays for having looked at the others.
    explained : array, shape (n_points,)
        Share of the variance between classes in the plane of components.
    axes : array, shape (n_points, 2)
        Left-out read-out: Pearson r of predicted and reference cos (valence) and sin (arousal).
    axes_limit : array, shape (n_points, 2)
        What 95 % of shuffles stay below, per layer.
    best : array, shape (n_null,)
        The best score over the layers, per shuffle.
    picked : int
        Index of the layer of the best score.
    method : str
        ``"pca"`` or ``"ridge"``.
    largest : array, shape (n_null,), or None
        The best score over all points, the embedding among them, per shuffle.
        None where it is not known; `best` stands in for it.
    """

    points: Annotated[tuple[str, ...], Axes("n_points")]
    score: Annotated[np.ndarray, Axes("n_points", kind="f")]
    limit: Annotated[np.ndarray, Axes("n_points", kind="f")]
    explained: Annotated[np.ndarray, Axes("n_points", kind="f")]
    axes: Annotated[np.ndarray, Axes("n_points", 2, kind="f")]
    axes_limit: Annotated[np.ndarray, Axes("n_points", 2, kind="f")]
    best: Annotated[np.ndarray, Axes(None, kind="f")]
    picked: int
    method: str
    largest: Annotated[np.ndarray | None, Axes(None, kind="f")] = None

    @property
    def corrected(self) -> np.ndarray:
        """Corrected p of every point, shape (n_points,): against the best of every shuffle."""
        return np.array([p_value(float(score), self._family) for score in self.score])

    @property
    def corrected_limit(self) -> float:
        """What the best over all points stays below in 95 % of shuffles."""
        return float(np.quantile(self._family, 1 - LEVEL))

    @property
    def _family(self) -> np.ndarray:
        return self.best if self.largest is None else self.largest

    @property
    def p(self) -> float:
        """Corrected p of the picked layer: its score against the best of every shuffle."""
        return p_value(float(self.score[self.picked]), self.best)

    @property
    def n_tried(self) -> int:
        """How many layers could have been picked."""
        return sum(point != "embed" for point in self.points)

    def __repr__(self) -> str:
        return (
            f"LayerScores({self.n_tried} layers, best {self.points[self.picked]}: "
            f"{self.score[self.picked]:.2f}, corrected p = {self.p:.2g})"
        )


def score_layers(
    points: tuple[str, ...],
    means: np.ndarray,
    reference: np.ndarray,
    *,
    method: str = "pca",
    n_null: int = 1000,
    seed: int = 0,
) -> LayerScores:
    """Score every layer against the same shuffles.

    Parameters
    ----------
    points : tuple of str
    means : array, shape (n_points, n_classes, d_model)
    reference : array, shape (n_classes,)
        Radians, no NaN.
    method : str
        What the layer is picked by: ``"pca"`` or ``"ridge"`` (left out).
    n_null : int
        Shuffles.
    seed : int
        Of the shuffles.
    """
    grams = gram(means)
    scores = gram_scores(grams)
    angles = np.arctan2(scores[..., 1], scores[..., 0])
    total = np.trace(grams, axis1=1, axis2=2)
    weights = ridge_weights(grams)
    targets = unit_circle(reference)
    left = weights @ targets
    if method == "ridge":
        score = left_out_cosine(left, reference)
    else:
        score = np.abs(circular_correlation(angles, reference))
    nulls = shuffled_scores(means, reference, method, n_null=n_null, seed=seed)
    order = shuffles(len(reference), n_null, seed)
    axes_null = np.concatenate(
        [
            _pearson(weights[:, None] @ targets[part], targets[part])
            for start in looking(range(0, n_null, AT_ONCE), 1)
            for part in (order[start : start + AT_ONCE],)
        ],
        axis=1,
    )
    layers = np.array([point != "embed" for point in points])
    index, best = pick(score[layers], nulls[layers])
    return LayerScores(
        points=points,
        score=score,
        limit=np.quantile(nulls, 0.95, axis=1),
        explained=(scores**2).sum((1, 2)) / np.where(total > 0, total, 1),
        axes=_pearson(left, targets),
        axes_limit=np.quantile(axes_null, 0.95, axis=1),
        best=best,
        picked=int(np.flatnonzero(layers)[index]),
        method=method,
        largest=nulls.max(axis=0),
    )


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlate along the second last axis: (..., n, 2) and (..., n, 2) to (..., 2)."""
    a = a - a.mean(-2, keepdims=True)
    b = b - b.mean(-2, keepdims=True)
    under = np.sqrt((a**2).sum(-2) * (b**2).sum(-2))
    return (a * b).sum(-2) / np.where(under > 0, under, np.inf)
