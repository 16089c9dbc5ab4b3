"""Fit a circle: the plane, its orientation, its score and its null in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.compute.circles.angles import (
    align,
    angular_error,
    circular_correlation,
    order_agreement,
)
from volvelle.compute.circles.circle import Agreement, FittedCircle
from volvelle.compute.circles.null import Null, quadrants, random_scores, shuffled_scores
from volvelle.compute.circles.planes import Plane, fit_axes, fit_pca, fit_ridge, unit_circle
from volvelle.compute.circles.scores import leave_one_out, left_out_correlation, left_out_cosine
from volvelle.compute.directions.directions import Direction
from volvelle.compute.stats.permutation import orders_within
from volvelle.names import closest, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volvelle.compute.directions.directions import Dictionary

METHODS = ("pca", "ridge", "axes")
# With three names any order is the same order up to a reflection.
FEWEST = 4
# Every name is left out once: the work grows with their fourth power.
MOST_NAMES = 400
# Draws of a null: p goes down to .00001.
MOST_NULL = 100_000


@checked
def fit_circle(
    dictionary: Dictionary,
    reference: Mapping[str, float] | None = None,
    method: str = "pca",
    n_null: int = 1000,
    seed: int = 0,
    *,
    axes: Any = None,
    axis_names: tuple[str, str] = ("0 degrees", "90 degrees"),
) -> FittedCircle:
    """Fit a circle through a dictionary and test it against its null.

    Parameters
    ----------
    dictionary : Dictionary
        At least four names: emotions, weekdays, hours, hues, ...
    reference : mapping of str to float, optional
        Degrees per name. Names it does not hold are placed, not scored. Without it nothing can
        be tested, and the result says so.
    method : str
        ``"pca"``: first two principal components, turned (and perhaps mirrored) onto the
        reference. ``"ridge"``: axes fitted to the reference. ``"axes"``: through `axes`.
    n_null : int
        Draws per null, at least 1.
    seed : int
        Of shuffles and random vectors.
    axes : pair of Direction, str or array
        For ``"axes"``: what lies at 0 and at 90 degrees; strings are names of the dictionary
        (its vector less the mean of all).
    axis_names : tuple of str
        What the axes mean, for titles.

    Raises
    ------
    ValueError
        For fewer than four names (with a reference), an angle that is no number, no spread, or
        an unknown method.
    """
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    if n_null == 0:
        raise ValueError("n_null is 0, expected at least 1: no circle without its null")
    n_null = whole(n_null, "n_null", 1, MOST_NULL)
    if not FEWEST <= len(dictionary) <= MOST_NAMES:
        raise ValueError(
            f"dictionary holds {len(dictionary):,} names, a circle needs {FEWEST} to {MOST_NAMES}"
        )
    seed = whole(seed, "seed")
    axis_names = _names_of(axis_names)
    if dictionary.d_model < 2:
        raise ValueError(f"vectors of width {dictionary.d_model} span no plane")
    angles = _reference_of(dictionary, reference)
    if np.ptp(dictionary.vectors, axis=0).max() == 0:
        raise ValueError("all vectors of the dictionary are the same: they span no plane")
    if method == "ridge" and angles is None:
        raise ValueError("method 'ridge' fits axes to reference=; give {name: degrees}")
    plane = _fit(dictionary, angles, method, axes)
    return circle_from_plane(
        dictionary, plane, angles, method, n_null=n_null, seed=seed, axis_names=axis_names
    )


def _names_of(axis_names: Any) -> tuple[str, str]:
    names: list[Any] = list(axis_names) if type(axis_names) in (list, tuple) else []
    if [type(name) for name in names] != [str, str]:
        raise TypeError(f"axis_names is {axis_names!r}, expected two texts")
    return names[0], names[1]


def circle_from_plane(
    dictionary: Dictionary,
    plane: Plane,
    reference: np.ndarray | None,
    method: str,
    *,
    n_null: int = 1000,
    seed: int = 0,
    axis_names: tuple[str, str] = ("0 degrees", "90 degrees"),
) -> FittedCircle:
    """Place the dictionary's names in a fitted plane and score them.

    Parameters
    ----------
    dictionary : Dictionary
    plane : Plane
    reference : array, shape (n,), or None
        Radians, NaN for names that have none.
    method : str
        How the plane was fitted: ``"pca"``, ``"ridge"`` or ``"axes"``. It says which score counts
        and what a null redraws.
    n_null : int
        Draws per null.
    seed : int
        Of shuffles and random vectors.
    axis_names : tuple of str
        What 0 and 90 degrees mean.
    """
    xy = plane.project(dictionary.vectors)
    found = np.arctan2(xy[:, 1], xy[:, 0])
    null, agreement, score = None, Agreement(), float("nan")
    if reference is not None:
        known = np.isfinite(reference)
        target, vectors = reference[known], dictionary.vectors[known].astype(np.float64)
        agreement = _agreement(xy[known], target, vectors, method)
        score = agreement.cosine if method == "ridge" else agreement.correlation
        # a plane of components through unscored names too, or a given one, stays as it is
        fixed = method == "axes" or (method == "pca" and not known.all())
        blocks, given = quadrants(target), xy[known] if fixed else None
        shuffled, within = (
            shuffled_scores(
                vectors, target, method, n_null=n_null, seed=seed, plane=given, blocks=kept
            )
            for kept in (None, blocks)
        )
        random = random_scores(
            target, dictionary.d_model, "axes" if fixed else method, n_null=n_null, seed=seed
        )
        null = Null(score, shuffled, random, within=within, orders=orders_within(blocks))
    return FittedCircle(
        dictionary=dictionary,
        mean=_frozen(plane.mean),
        plane=_frozen(plane.axes),
        angles=_frozen(np.degrees(found) % 360),
        radii=_frozen(np.hypot(*xy.T)),
        reference=None if reference is None else _frozen(np.degrees(reference)),
        score=score,
        null=null,
        explained=plane.explained,
        agreement=agreement,
        method=method,
        orientation=plane.orientation,
        axis_names=axis_names,
    )


def with_choice(circle: FittedCircle, best: np.ndarray, n_tried: int) -> FittedCircle:
    """Return the circle with a null that pays for its layer having been picked."""
    if circle.null is None:
        return circle
    return replace(
        circle, null=replace(circle.null, best=_frozen(best), n_tried=n_tried, by_hand=0)
    )


def with_layer(circle: FittedCircle, n_layers: int) -> FittedCircle:
    """Return the circle with a null that says its layer was named, out of so many."""
    if circle.null is None:
        return circle
    return replace(circle, null=replace(circle.null, by_hand=n_layers))


def _frozen(x: np.ndarray) -> np.ndarray:
    x = np.array(x)
    x.flags.writeable = False
    return x


def _fit(dictionary: Dictionary, reference: np.ndarray | None, method: str, axes: Any) -> Plane:
    vectors = dictionary.vectors
    if method == "axes":
        if axes is None or len(axes) != 2:
            raise ValueError("method 'axes' needs axes=(first, second): two directions or names")
        return fit_axes(vectors, np.stack([_axis(dictionary, axis) for axis in axes]))
    if axes is not None:
        raise ValueError(f"axes= is for method 'axes', method is {method!r}")
    if method == "ridge" and reference is not None:
        return fit_ridge(vectors, reference)
    return fit_pca(vectors, reference, dictionary.names)


def _axis(dictionary: Dictionary, axis: Any) -> np.ndarray:
    if isinstance(axis, str):
        return dictionary[axis].vector - dictionary.vectors.mean(axis=0)
    given = axis.vector if isinstance(axis, Direction) else axis
    vector = np.asarray(given, dtype=np.float64)
    if vector.shape != (dictionary.d_model,):
        raise ValueError(f"axes: shape {vector.shape}, expected ({dictionary.d_model},)")
    return vector


def _reference_of(
    dictionary: Dictionary, reference: Mapping[str, float] | None
) -> np.ndarray | None:
    """Return radians per name, NaN where the reference has none."""
    if reference is None:
        return None
    for name, angle in reference.items():
        if not np.isfinite(angle):
            raise ValueError(f"reference: {name!r} is at {angle}, expected degrees; leave it out")
    degrees = np.array([float(reference.get(name, np.nan)) for name in dictionary.names])
    n = int(np.isfinite(degrees).sum())
    if n < FEWEST:
        missing = next(name for name in dictionary.names if name not in reference)
        near = closest(missing, reference)
        hint = f"; {missing!r} has none, {near!r} has" if near else f"; {missing!r} has none"
        raise ValueError(
            f"reference gives an angle to {n} of {len(dictionary)} names, {FEWEST} are needed{hint}"
        )
    return np.radians(degrees)


def _agreement(
    xy: np.ndarray, reference: np.ndarray, vectors: np.ndarray, method: str
) -> Agreement:
    found = np.arctan2(xy[:, 1], xy[:, 0])
    # a plane through given axes has seen no name: leaving one out changes nothing
    left = xy if method == "axes" else leave_one_out(vectors, reference, method)
    return Agreement(
        correlation=float(np.abs(circular_correlation(found, reference))),
        leave_one_out=float(left_out_correlation(left, reference)),
        cosine=float(left_out_cosine(left, reference)),
        resultant=float(align(found, reference).length),
        error=float(np.degrees(angular_error(found, reference))),
        order=float(np.abs(order_agreement(found, reference))),
        axes=axis_correlations(xy, reference),
        axes_left_out=axis_correlations(left, reference),
        n=len(reference),
    )


def axis_correlations(xy: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Return Pearson's r of coordinates (n, 2) with cos and sin of the reference (radians)."""
    targets = unit_circle(reference)
    pairs = zip(xy.T - xy.mean(0)[:, None], targets.T - targets.mean(0)[:, None], strict=True)
    # the smallest normal number keeps 0 / 0 at 0
    r = [float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-300)) for a, b in pairs]
    return r[0], r[1]
