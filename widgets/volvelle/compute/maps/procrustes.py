"""Bring one picture onto another: rotate, reflect, scale, shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Similarity:
    """A rotation or reflection with one scale and a shift: ``scale * xy @ turn + shift``.

    Attributes
    ----------
    turn : array, shape (2, 2)
        Orthogonal.
    scale : float
    shift : array, shape (2,)
    disparity : float
        Squared distance left over the anchors, as a share of the target's spread: 0...1.
    """

    turn: np.ndarray
    scale: float
    shift: np.ndarray
    disparity: float

    def __call__(self, xy: np.ndarray) -> np.ndarray:
        """Move points, shape (n, 2)."""
        return (self.scale * xy @ self.turn + self.shift).astype(np.float32)


def procrustes(source: np.ndarray, target: np.ndarray) -> Similarity:
    """Fit the similarity that brings `source` nearest to `target`.

    Parameters
    ----------
    source, target : array, shape (n, 2)
        Matched rows, n >= 2. Two give a turn without a reflection that means anything.

    Returns
    -------
    Similarity

    Notes
    -----
    Source: Gower 1975; scale fitted, reflection allowed.
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    middle_s, middle_t = source.mean(0), target.mean(0)
    s, t = source - middle_s, target - middle_t
    u, d, vt = np.linalg.svd(s.T @ t)
    turn = u @ vt
    spread = float((s**2).sum())
    scale = float(d.sum() / spread) if spread > 0 else 1.0
    total = float((t**2).sum())
    left = float(((scale * s @ turn - t) ** 2).sum())
    return Similarity(turn, scale, middle_t - scale * middle_s @ turn, left / total if total else 0)
