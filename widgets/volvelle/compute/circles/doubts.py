"""What speaks against the plane of components: a supervised fit that finds more, one far name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.circles.angles import circular_correlation
from volvelle.compute.circles.null import shuffled_scores
from volvelle.compute.circles.planes import N_COMPONENTS, principal_components, unit_circle
from volvelle.compute.circles.scores import gram, left_out_cosine, ridge_weights
from volvelle.compute.stats.closure import FEWEST, closure
from volvelle.compute.stats.permutation import LEVEL, p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

N_NULL = 400
# A name this many times as far from the others' mean as the median name turns a component
# towards itself. Of 24 names of a circle with noise of half its radius none is beyond 1.5.
FAR = 2.5


def doubts(
    vectors: np.ndarray,
    reference: np.ndarray,
    names: Sequence[str],
    method: str,
    *,
    found: bool,
    closes: bool,
) -> tuple[str, ...]:
    """Return sentences on what another fit of the same vectors says.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
    reference : array, shape (n,)
        Radians, no NaN.
    names : sequence of str
    method : str
        ``"pca"`` or ``"ridge"``: how the circle was fitted.
    found : bool
        Whether it beats chance.
    closes : bool
        Whether its verdict is "circular".
    """
    if len(reference) < FEWEST:
        return ()
    said: list[str] = []
    other = "ridge" if method == "pca" else "pca"
    score, p, closed = _scored(vectors, reference, other)
    if (p < LEVEL) != found or (closed and p < LEVEL) != closes:
        what = "finds an order" if p < LEVEL else "finds none"
        what = "finds a circle" if p < LEVEL and closed else what
        how = "left-out cosine" if other == "ridge" else "circular correlation"
        said.append(f"the fits disagree: {other} {what} ({how} {score:.2f}, p = {p:.2g})")
    far = _far(vectors)
    if far is not None and not closes and len(reference) > FEWEST:
        score, p, closed = _scored(
            np.delete(vectors, far, axis=0), np.delete(reference, far), method
        )
        if p < LEVEL and (closed or not found):
            what = "a circle" if closed else "an order"
            said.append(f"without {names[far]}, which lies far out, there is {what} (p = {p:.2g})")
    return tuple(said)


def _scored(vectors: np.ndarray, reference: np.ndarray, method: str) -> tuple[float, float, bool]:
    """Return score, p of shuffled names, and whether the order closes."""
    if method == "ridge":
        score = float(
            left_out_cosine(ridge_weights(gram(vectors)) @ unit_circle(reference), reference)
        )
        xy = principal_components(vectors).scores[:, :N_COMPONENTS]
    else:
        xy = principal_components(vectors).scores[:, :2]
        score = float(np.abs(circular_correlation(np.arctan2(xy[:, 1], xy[:, 0]), reference)))
    p = p_value(score, shuffled_scores(vectors, reference, method, n_null=N_NULL))
    return score, p, closure(xy, reference).shape == "closed"


def _far(vectors: np.ndarray) -> int | None:
    """Return the name that lies far out, None where there is none."""
    away = np.linalg.norm(vectors - np.median(vectors, axis=0), axis=1)
    far = int(away.argmax())
    return far if away[far] > FAR * np.median(away) else None
