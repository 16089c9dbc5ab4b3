"""Planes through labelled vectors: how they are fitted and what fixes their orientation.

Fits that are repeated thousands of times (leave-one-out, nulls, bootstrap) work on the Gram
matrix of the vectors, whose size does not depend on the width of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.circles.angles import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

# Supervised fits: how many components are read, and how strongly they are held back (in units
# where the first component's scores have standard deviation one).
N_COMPONENTS = 8
RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through a set of vectors.

    Attributes
    ----------
    mean : array, shape (d_model,)
        Its origin.
    axes : array, shape (2, d_model)
        Orthonormal rows: 0 and 90 degrees.
    explained : float
        Share of the vectors' variance that lies in it, in [0, 1].
    orientation : str
        What fixed rotation and reflection.
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: float
    orientation: str

    def project(self, x: np.ndarray) -> np.ndarray:
        """Return the coordinates (..., 2) of states (..., d_model) in the plane."""
        return (np.asarray(x, dtype=np.float64) - self.mean) @ self.axes.T


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the rows of a matrix.

    Attributes
    ----------
    mean : array, shape (d_model,)
    rows : array, shape (k, d_model)
        Orthonormal, by falling variance; the sign of each makes its largest score positive.
    scores : array, shape (n, k)
    shares : array, shape (k,)
        Share of the total variance.
    """

    mean: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    shares: np.ndarray


def principal_components(vectors: np.ndarray) -> Components:
    """Return the principal components of `vectors` (n, d_model), mean removed."""
    x = np.asarray(vectors, dtype=np.float64)
    mean = x.mean(axis=0)
    u, s, rows = np.linalg.svd(x - mean, full_matrices=False)
    signs = np.sign(u[np.abs(u).argmax(axis=0), np.arange(u.shape[1])])
    signs[signs == 0] = 1
    total = (s**2).sum()
    return Components(mean, rows * signs[:, None], u * s * signs, s**2 / total if total else s * 0)


def unit_circle(angles: np.ndarray) -> np.ndarray:
    """Return (cos, sin) of angles in radians, shape (..., 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def rotation_to(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the rotation, possibly with a reflection, that brings scores onto targets.

    Parameters
    ----------
    scores, targets : array, shape (..., n, 2)

    Returns
    -------
    array, shape (..., 2, 2)
        Orthogonal Q with ``scores @ Q`` nearest to ``targets`` (orthogonal Procrustes).
    """
    u, _, vt = np.linalg.svd(np.swapaxes(scores, -1, -2) @ targets)
    return u @ vt


def rotation_by_rule(scores: np.ndarray) -> np.ndarray:
    """Return the (2, 2) that puts row 0 at angle 0 and lets the rows run anticlockwise.

    Without reference angles, the order in which the names were given is all there is.
    """
    angles = np.arctan2(scores[:, 1], scores[:, 0])
    steps = np.sin(wrap(np.diff(angles, append=angles[:1])))
    sense = -1.0 if steps.sum() < 0 else 1.0
    c, s = np.cos(angles[0]), np.sin(angles[0])
    return np.array([[c, -s], [s, c]]) @ np.diag([1.0, sense])


def orthonormal_pair(pair: np.ndarray) -> np.ndarray:
    """Return the orthonormal (2, d_model) nearest to `pair`: neither axis is preferred."""
    u, s, vt = np.linalg.svd(pair, full_matrices=False)
    if s[1] <= 1e-9 * max(s[0], 1e-300):
        raise ValueError("the two axes point the same way: they span no plane")
    return u @ vt


def fit_pca(vectors: np.ndarray, reference: np.ndarray | None, names: Sequence[str]) -> Plane:
    """Fit the plane of the first two principal components.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
        Class means; every class counts the same.
    reference : array, shape (n,), or None
        Radians, NaN where there is none: turns the plane, never chooses it.
    names : sequence of str
        For the sentence that says the orientation.
    """
    parts = principal_components(vectors)
    scores = parts.scores[:, :2]
    if reference is None:
        q = rotation_by_rule(scores)
        said = f"by rule: {names[0]!r} at 0 degrees, names in the order given run anticlockwise"
    else:
        known = np.isfinite(reference)
        q = rotation_to(scores[known], unit_circle(reference[known]))
        said = "one rotation and at most one reflection taken from the reference angles"
    return Plane(parts.mean, (parts.rows[:2].T @ q).T, float(parts.shares[:2].sum()), said)


def fit_ridge(
    vectors: np.ndarray,
    reference: np.ndarray,
    n_components: int = N_COMPONENTS,
    ridge: float = RIDGE,
) -> Plane:
    """Fit the plane whose axes predict cos and sin of the reference angles.

    Ridge regression on the scores of the first components (divided by the first one's standard
    deviation), then the nearest orthonormal pair. In-sample agreement of this plane means
    nothing: with 12 classes in 200 dimensions it is high on noise. Use `leave_one_out`.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
    reference : array, shape (n,)
        Radians, NaN for rows that are placed but not fitted.
    """
    parts = principal_components(vectors)
    known = np.isfinite(reference)
    fitted = principal_components(vectors[known])
    k = min(n_components, int(known.sum()) - 2, fitted.rows.shape[0])
    targets = unit_circle(reference[known])
    centred: np.ndarray = targets - targets.mean(axis=0)
    scores: np.ndarray = fitted.scores[:, :k] / fitted.scores[:, 0].std()
    weights = np.linalg.solve(scores.T @ scores + ridge * np.eye(k), scores.T @ centred)
    axes = orthonormal_pair((fitted.rows[:k].T @ weights).T)
    return Plane(parts.mean, axes, share_in(vectors, axes), "axes fitted to the reference angles")


def fit_axes(vectors: np.ndarray, pair: np.ndarray) -> Plane:
    """Take the plane through two given axes, the second made orthogonal to the first.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
    pair : array, shape (2, d_model)
        The directions of 0 and (before orthogonalisation) 90 degrees.
    """
    first, second = np.asarray(pair, dtype=np.float64)
    length = np.linalg.norm(first)
    if length == 0:
        raise ValueError("axes: the first axis is zero and points nowhere")
    u = first / length
    rest = second - (second @ u) * u
    if np.linalg.norm(rest) <= 1e-9 * np.linalg.norm(second):
        raise ValueError("axes: the second axis points the same way as the first")
    axes = np.stack([u, rest / np.linalg.norm(rest)])
    mean = np.asarray(vectors, dtype=np.float64).mean(axis=0)
    said = "axes as given, the second made orthogonal to the first"
    return Plane(mean, axes, share_in(vectors, axes), said)


def share_in(vectors: np.ndarray, axes: np.ndarray) -> float:
    """Return the share of the rows' variance that lies in orthonormal `axes` (2, d_model)."""
    x = np.asarray(vectors, dtype=np.float64)
    x = x - x.mean(axis=0)
    total = (x**2).sum()
    return float(((x @ axes.T) ** 2).sum() / total) if total else 0.0
