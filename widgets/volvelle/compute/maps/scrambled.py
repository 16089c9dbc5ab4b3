"""Directions that mean nothing, as spread as given ones: over all, or within their clusters."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from volvelle.compute.maps.neighbours import product, unit_rows
from volvelle.compute.maps.scores import clusters
from volvelle.compute.tensors import tensor
from volvelle.progress import aside

# Members of a cluster that the null keeps: larger families are kept in parts, and of smaller ones
# a few together. Of 256 clusters a search costs little beside that of neighbours.
MEMBERS, FEWEST_MEMBERS, MOST_CLUSTERS = 24, 8, 256
# Rounds of reassignment: after five the pairs of strangers stand apart as after fifteen.
N_ROUNDS = 5


class Scrambler:
    """Makes directions as spread as the given ones, each of pieces of all.

    In the basis of the principal axes each column is permuted over the rows by itself: the mean
    and the variance along every axis stay (a space that most directions share is no evidence of
    a match), which values meet in one row does not.

    Parameters
    ----------
    vectors : float32 array, shape (n, d)
        Rows of length one.

    Notes
    -----
    Source: the column permutation of parallel analysis (Horn 1965; Buja & Eyuboglu 1992).
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self.mean = vectors.mean(axis=0)
        centred = vectors - self.mean
        self.axes = axes_of(centred)
        self.pieces = product(centred, self.axes)

    def __call__(self, random: np.random.Generator) -> np.ndarray:
        """Return one permutation, rows of length one, shape (n, d)."""
        pieces = self.pieces.copy()
        random.permuted(pieces, axis=0, out=pieces)
        rows = product(pieces, self.axes.T)
        rows += self.mean
        return unit_rows(rows, rows)


class FamilyScrambler:
    """Makes strangers of the same families: the middle of each cluster, and pieces of all rows.

    What a row has beside the middle of its cluster is permuted over all rows, each principal
    axis by itself, as `Scrambler` does with whole directions.

    Parameters
    ----------
    vectors : float32 array, shape (n, d)
        Rows of length one.
    seed : int
        Of the clusters.
    """

    def __init__(self, vectors: np.ndarray, seed: int = 0) -> None:
        self.label = _clustered(vectors, seed)
        self.middles = _means(vectors, self.label)
        rest = vectors - self.middles[self.label]
        self.axes = axes_of(rest)
        self.pieces = product(rest, self.axes)

    def __call__(self, random: np.random.Generator) -> np.ndarray:
        """Return one permutation, rows of length one, shape (n, d)."""
        pieces = self.pieces.copy()
        random.permuted(pieces, axis=0, out=pieces)
        rows = product(pieces, self.axes.T)
        for cluster, middle in enumerate(self.middles):  # no further array as large as all rows
            rows[self.label == cluster] += middle
        return unit_rows(rows, rows)


def _clustered(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return the cluster of each row; small clusters join the nearest large one."""
    n_clusters = min(max(len(vectors) // MEMBERS, 1), MOST_CLUSTERS)
    label = clusters(vectors, n_clusters, seed=seed, n_rounds=N_ROUNDS).astype(np.intp)
    counts = np.bincount(label)
    large = np.flatnonzero(counts >= FEWEST_MEMBERS)
    strays = ~np.isin(label, large)
    if len(large) and strays.any():
        centres = unit_rows(_means(vectors, label)[large])
        label[strays] = large[product(vectors[strays], centres.T).argmax(axis=1)]
    return label


def _means(vectors: np.ndarray, label: np.ndarray) -> np.ndarray:
    total = np.zeros((int(label.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(total, label, vectors)
    return total / np.maximum(np.bincount(label), 1)[:, None].astype(np.float32)


def axes_of(centred: np.ndarray, *, thin: bool | None = None) -> np.ndarray:
    """Return the principal axes of centred rows, the strongest last.

    Parameters
    ----------
    centred : float32 array, shape (n, d)
    thin : bool, optional
        Whether to work in the space of the rows; by default where they are fewer than columns.

    Returns
    -------
    float32 array, shape (d, d), or (d, n) where thin
        Orthonormal columns. The thin ones leave out axes along which no row differs. Costs
        n * min(n, d) * max(n, d) and, beyond the input, no more than its result in memory.
    """
    n, d = centred.shape
    if n < d if thin is None else thin:
        linalg = cast("Any", torch.linalg)  # torch gives it no types
        basis, within = aside(lambda: linalg.qr(tensor(np.ascontiguousarray(centred.T))))
        turn = aside(lambda: np.linalg.eigh((within @ within.T).numpy()))[1].astype(np.float32)
        return product(basis.numpy(), turn)
    return aside(lambda: np.linalg.eigh(product(centred.T, centred)))[1].astype(np.float32)
