"""Placebo planes: what turning means nothing, and what is merely anywhere among the emotions."""

from __future__ import annotations

import numpy as np

from volvelle.progress import looking

KINDS = ("random", "span")
# Of the harder kind as many as can tell: with 25 the smallest p is .038, with 10 it is .09. What
# random planes do lies far below, and ten show it.
# Planes of a kind: with so many the smallest p is .001.
MOST_PLANES = 1000
# Planes drawn between two looks at Stop.
AT_ONCE = 100
N_PLANES = {"random": 10, "span": 25}


def placebo_planes(kind: str, n: int, vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw planes to compare a circle's plane with.

    Parameters
    ----------
    kind : str
        ``"random"``: uniform in the whole space. ``"span"``: uniform in the span of the
        centred class vectors, the harder control: such planes hold emotions too, only in no
        particular order.
    n : int
    vectors : array, shape (n_classes, d_model)
    seed : int

    Returns
    -------
    array, shape (n, 2, d_model)
        Orthonormal pairs.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    if kind == "random":
        drawn = rng.standard_normal((n, 2, vectors.shape[1]))
    else:
        basis = _span(vectors)
        drawn = rng.standard_normal((n, 2, len(basis))) @ basis
    for start in looking(range(0, n, AT_ONCE), 1):
        frames, r = np.linalg.qr(drawn[start : start + AT_ONCE].swapaxes(1, 2))
        # uniform over frames, not over the solver's choice of signs
        frames = frames * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
        drawn[start : start + AT_ONCE] = frames.swapaxes(1, 2)
    return drawn


def _span(vectors: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (k, d_model) of the centred rows."""
    x = np.asarray(vectors, dtype=np.float64)
    _, s, rows = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return rows[s > 1e-6 * s[0]]


def turned(plane: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return the unit vectors (n_angles, d_model) at angles within a plane (2, d_model)."""
    turn = np.radians(np.asarray(degrees, dtype=np.float64))[:, None]
    return np.cos(turn) * plane[0] + np.sin(turn) * plane[1]
