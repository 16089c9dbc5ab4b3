"""Two-dimensional layouts of neighbour graphs: principal axes at once, then UMAP's epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.linalg
import scipy.sparse
import torch

from volvelle.compute.maps.epochs import Epochs, compiled
from volvelle.compute.tensors import tensor
from volvelle.progress import aside, look, looking

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.compute.maps.neighbours import Neighbours

# Edges of the square the layout starts in, as umap-learn scales it.
START_SIZE = 10.0
# Multiplications up to which principal axes come from the covariance (0.3 s at 24 k x 768).
COVARIANCE_UP_TO = 5e10


def principal_axes(x: np.ndarray, n_axes: int = 2, seed: int = 0) -> np.ndarray:
    """Project rows on their first principal axes.

    Parameters
    ----------
    x : float32 array, shape (n, d)
    n_axes : int
    seed : int
        Of the random start above `COVARIANCE_UP_TO`; ten rounds leave little of it.

    Returns
    -------
    float32 array, shape (n, n_axes)
        Missing axes (fewer rows or columns than `n_axes`) are zero. The largest entry of each
        axis is positive, which fixes the sign.

    Notes
    -----
    Source: Halko, Martinsson & Tropp 2011, subspace iteration with eight spare directions.
    """
    # eigenvectors of some thousand rows are seconds in one call
    return aside(lambda: _principal_axes(x, n_axes, seed))


def _principal_axes(x: np.ndarray, n_axes: int, seed: int) -> np.ndarray:
    rows = tensor(np.ascontiguousarray(x, dtype=np.float32))
    scores = np.zeros((len(rows), n_axes), np.float32)
    n, d = rows.shape
    if n < 2 or d == 0:
        return scores
    mean = rows.mean(0)
    linalg = cast("Any", torch.linalg)  # torch gives it no types
    if n < d and n * n * d <= COVARIANCE_UP_TO:
        # in the space of the rows: no d x d array
        basis, within = linalg.qr((rows - mean).T)
        inner = (within @ within.T).numpy()
        first = max(n - n_axes, 0)
        turn = scipy.linalg.eigh(inner, subset_by_index=(first, n - 1))[1]
        axes = basis.numpy() @ turn
    elif n * d * d <= COVARIANCE_UP_TO:
        covariance = (rows.T @ rows - n * torch.outer(mean, mean)).numpy()
        first = max(d - n_axes, 0)
        axes = scipy.linalg.eigh(covariance, subset_by_index=(first, d - 1))[1]
    else:
        basis = torch.randn(d, n_axes + 8, generator=torch.Generator().manual_seed(seed))
        for _ in looking(range(10), 1):
            centred = rows @ basis - mean @ basis
            basis, _ = linalg.qr(rows.T @ centred - torch.outer(mean, centred.sum(0)))
        centred = (rows @ basis - mean @ basis).numpy()
        turn = np.linalg.eigh(centred.T @ centred)[1]
        axes = basis.numpy() @ turn[:, -n_axes:]
    axes = axes[:, ::-1].copy()
    found = (rows @ tensor(axes) - mean @ tensor(axes)).numpy()
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    scores[:, : found.shape[1]] = found * np.where(largest < 0, -1, 1)
    return scores


def _bandwidths(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's distance to its nearest distinct row and its kernel width.

    Vectorised form of ``umap.umap_.smooth_knn_dist``: 64 halvings towards
    ``sum(exp(-(d - rho) / sigma)) = log2(k + 1)``. umap's rows hold themselves at distance 0,
    which its sum leaves out and its means count.
    """
    k = distances.shape[1]
    positive = np.where(distances > 0, distances, np.inf).min(axis=1, initial=np.inf)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    low, high, mid = np.zeros(len(rho)), np.full(len(rho), np.inf), np.ones(len(rho))
    excess = np.maximum(distances - rho[:, None], 0).astype(np.float64)
    target = np.log2(k + 1)
    for _ in looking(range(64), 1):
        total = np.exp(-excess / mid[:, None]).sum(axis=1)
        if np.all(np.abs(total - target) < 1e-5):
            break
        above = total > target
        high = np.where(above, mid, high)
        low = np.where(above, low, mid)
        mid = np.where(np.isinf(high), mid * 2, (low + high) / 2)
    own: np.ndarray = distances.sum(axis=1) / (k + 1)
    floor = np.where(rho > 0, own, own.mean()) * 1e-3
    return rho, np.maximum(mid, floor)


def fuzzy_graph(found: Neighbours) -> scipy.sparse.coo_matrix:
    """Return umap's graph of a neighbour search: symmetric, weights 0...1.

    Parameters
    ----------
    found : Neighbours
        Without the rows themselves; umap counts a row as its own first neighbour, so k
        neighbours here are its ``n_neighbors = k + 1``.

    Returns
    -------
    scipy.sparse.coo_matrix, shape (n, n)

    Notes
    -----
    Source: ``umap.umap_.fuzzy_simplicial_set``, whose numba functions compile for 4 s in each
    new process; a test holds the two together.
    """
    n, k = found.indices.shape
    # what float32 cannot tell from a copy is a copy
    distances = np.maximum(1 - found.cosines, 0)
    distances[distances < 1e-6] = 0
    rho, sigma = _bandwidths(distances)
    look()
    weights = np.exp(-np.maximum(distances - rho[:, None], 0) / np.maximum(sigma, 1e-12)[:, None])
    graph = scipy.sparse.csr_matrix(
        (weights.astype(np.float32).ravel(), found.indices.ravel(), np.arange(0, n * k + 1, k)),
        shape=(n, n),
    )
    look()
    other = graph.T.tocsr()
    return (graph + other - graph.multiply(other)).tocoo()


@dataclass(frozen=True)
class Frame:
    """One picture of a layout on its way.

    Attributes
    ----------
    xy : float32 array, shape (n, 2)
        A copy.
    epoch, n_epochs : int
        How far it is; the last frame has ``epoch == n_epochs`` unless it was stopped.
    """

    xy: np.ndarray
    epoch: int
    n_epochs: int


def warm() -> None:
    """Load or compile the epoch: run it while neighbours are found."""
    compiled()


def umap_layout(
    found: Neighbours,
    start: np.ndarray,
    *,
    n_epochs: int = 100,
    seed: int = 0,
    every: int = 5,
    on_frame: Callable[[Frame], bool | None] | None = None,
) -> np.ndarray:
    """Lay out a neighbour graph as umap-learn does, from a given start.

    Parameters
    ----------
    found : Neighbours
        At least two rows with a neighbour.
    start : float32 array, shape (n, 2)
        Where the points begin, as `principal_axes` gives them; only its shape counts.
    n_epochs : int
        100 is within .002 in trustworthiness of umap-learn's 200 (frontend notes, section 5).
    seed : int
        Same seed, same numba: same picture, to the bit. One thread.
    every : int
        Epochs between frames.
    on_frame : callable, optional
        Gets each `Frame`; returning True keeps what is there and ends the layout.

    Returns
    -------
    float32 array, shape (n, 2)

    Notes
    -----
    Source: McInnes, Healy & Melville 2018; umap-learn's ``optimize_layout_euclidean``.
    """
    n = len(start)
    random = np.random.RandomState(seed)
    positions = _start_square(start, random)
    if n < 2 or found.k == 0:
        return positions
    graph = fuzzy_graph(found)
    # an edge that would be drawn less than once is left out
    kept = graph.data >= graph.data.max(initial=0) / n_epochs
    weights = graph.data[kept].astype(np.float64)
    if not len(weights):
        return positions

    # umap-learn draws the state of its random numbers here
    state = random.randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3, np.int64)
    head, tail = graph.row[kept].astype(np.int32), graph.col[kept].astype(np.int32)
    epochs = Epochs(positions, head, tail, weights, n_epochs, state)
    for epoch in looking(range(n_epochs), 1):
        epochs.run(epoch)
        done = epoch + 1
        due = done % every == 0 or done == n_epochs
        if on_frame and due and on_frame(Frame(positions.copy(), done, n_epochs)):
            break
    return positions


def _start_square(start: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Scale a start to umap's square and part copies by a ten-thousandth."""
    spread = np.abs(start).max(initial=0) or 1.0
    noisy = start / spread * START_SIZE + random.normal(scale=1e-4, size=start.shape)
    low, high = noisy.min(axis=0, initial=0), noisy.max(axis=0, initial=1e-9)
    scaled = START_SIZE * (noisy - low) / np.maximum(high - low, 1e-9)
    return np.ascontiguousarray(scaled, dtype=np.float32)
