"""Statistics of angles: how well two sets of angles, or a response around a wheel, agree.

Angles are radians. The last axis counts the angles; leading axes broadcast, so that a thousand
shuffles are one call. What scipy has (``scipy.stats.circmean``, ``circstd``) is not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

# Below this the angles of one side fall on one line: correlation is then undefined, reported as 0.
_NO_SPREAD = 1e-9


def wrap(angles: np.ndarray) -> np.ndarray:
    """Bring angles (radians, any shape) into [-pi, pi)."""
    return (np.asarray(angles) + np.pi) % (2 * np.pi) - np.pi


def circular_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlate two sets of angles, blind to rotation.

    Over all pairs i < j: sum of sin(a_i - a_j) sin(b_i - b_j), divided by the root of the product
    of the two sums of squares. The double sum is computed in O(n) by its closed form.

    Parameters
    ----------
    a, b : array, shape (..., n)
        Radians.

    Returns
    -------
    array, shape (...)
        In [-1, 1]: 1 for a rotation, -1 for a reflection (take the absolute value where the
        reflection is free); 0 where one side has no spread.

    Source: Fisher and Lee (1983), A correlation coefficient for circular data, Biometrika 70.
    This is not the coefficient of ``astropy.stats.circcorrcoef`` (Jammalamadaka and SenGupta),
    which depends on mean directions and is unstable where angles fill the circle.
    """
    n = np.shape(a)[-1]
    ca, sa, cb, sb = np.cos(a), np.sin(a), np.cos(b), np.sin(b)
    over = 4 * ((ca * cb).sum(-1) * (sa * sb).sum(-1) - (ca * sb).sum(-1) * (sa * cb).sum(-1))
    spread_a = n**2 - (ca**2 - sa**2).sum(-1) ** 2 - (2 * ca * sa).sum(-1) ** 2
    spread_b = n**2 - (cb**2 - sb**2).sum(-1) ** 2 - (2 * cb * sb).sum(-1) ** 2
    under = np.sqrt(np.clip(spread_a, 0, None) * np.clip(spread_b, 0, None))
    flat = under < _NO_SPREAD * n**2
    return np.where(flat, 0.0, over / np.where(flat, 1.0, under))


@dataclass(frozen=True)
class Alignment:
    """The rotation and reflection that bring angles `a` closest to angles `b`.

    Attributes
    ----------
    length : array, shape (...)
        Resultant length of the differences after it, in [0, 1]. Biased upward by the choice:
        its null median is about 0.23 at n = 25.
    sign : array, shape (...)
        1, or -1 where `a` is mirrored first.
    rotation : array, shape (...)
        Radians: ``sign * a - rotation`` is aligned with `b`.
    """

    length: np.ndarray
    sign: np.ndarray
    rotation: np.ndarray


def align(a: np.ndarray, b: np.ndarray) -> Alignment:
    """Find the best rotation of `a` onto `b` (radians, shape (..., n)), mirrored or not."""
    same: np.ndarray = np.exp(1j * (np.asarray(a) - b)).mean(-1)
    mirrored: np.ndarray = np.exp(1j * (-np.asarray(a) - b)).mean(-1)
    keep = np.abs(same) >= np.abs(mirrored)
    best = np.where(keep, same, mirrored)
    return Alignment(np.abs(best), np.where(keep, 1, -1), np.angle(best))


def angular_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the median distance (radians, shape (...)) of `a` from `b` once aligned."""
    best = align(a, b)
    turned = best.sign[..., None] * np.asarray(a) - best.rotation[..., None]
    return np.median(np.abs(wrap(turned - b)), axis=-1)


def order_agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare the order of two sets of angles around the circle, blind to distances.

    The mean, over all triples, of the product of their senses of rotation (+1 anticlockwise,
    -1 clockwise): 1 for the same cyclic order, -1 for the mirrored one, 0 by chance.

    Parameters
    ----------
    a, b : array, shape (..., n)
        Radians, n >= 3.

    Source: Fisher and Lee (1982), Nonparametric measures of angular-angular association,
    Biometrika 69.
    """
    i, j, k = np.array(list(combinations(range(np.shape(a)[-1]), 3))).T

    def sense(x: np.ndarray) -> np.ndarray:
        turns = np.sin(x[..., j] - x[..., i]) + np.sin(x[..., k] - x[..., j])
        return np.sign(turns + np.sin(x[..., i] - x[..., k]))

    return (sense(np.asarray(a)) * sense(np.asarray(b))).mean(-1)


@dataclass(frozen=True)
class Harmonic:
    """The first harmonic of a response around the circle, ``mean + amplitude cos(t - peak)``.

    Attributes
    ----------
    peak : array, shape (...)
        Radians in [-pi, pi).
    amplitude : array, shape (...)
        In the unit of the response, half of the distance between crest and trough.
    mean : array, shape (...)
        Of the fitted curve.
    r2 : array, shape (...)
        Share of the response's variance that this one wave explains; 0 for a flat response.
    """

    peak: np.ndarray
    amplitude: np.ndarray
    mean: np.ndarray
    r2: np.ndarray


def first_harmonic(responses: np.ndarray, angles: np.ndarray) -> Harmonic:
    """Fit one wave to responses around the circle by least squares.

    With equally spaced angles this is ``2/K sum y cos``, ``2/K sum y sin``.

    Parameters
    ----------
    responses : array, shape (..., n_angles)
        Any unit.
    angles : array, shape (n_angles,)
        Radians, at least three distinct ones.
    """
    y = np.asarray(responses, dtype=np.float64)
    waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    if np.linalg.matrix_rank(waves) < waves.shape[1]:
        raise ValueError(f"angles: {len(angles)} given, at least three distinct ones are needed")
    weights = y @ np.linalg.pinv(waves).T
    left = ((y - weights @ waves.T) ** 2).sum(-1)
    total = ((y - y.mean(-1, keepdims=True)) ** 2).sum(-1)
    # a constant keeps a rounding error of about 1e-16 of its size: no wave explains that
    flat = total <= (1e-12 * np.abs(y).max(-1)) ** 2 * y.shape[-1]
    r2 = np.where(flat, 0.0, 1 - left / np.where(flat, 1.0, total))
    amplitude = np.hypot(weights[..., 1], weights[..., 2])
    peak = np.arctan2(weights[..., 2], weights[..., 1])
    return Harmonic(peak, amplitude, weights[..., 0], r2)
