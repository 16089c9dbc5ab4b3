"""The best counterparts of each feature in another dictionary, by cosine or by correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.maps.neighbours import BFLOAT16_FROM, bfloat16_pays, nearest
from volvelle.compute.tensors import tensor
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp
    import torch

# Counterparts kept per feature: one match, and what else could be it.
CANDIDATES = 5
# Similarities held at once.
BLOCK_CELLS = 8_000_000


@dataclass(frozen=True, eq=False)
class Best:
    """The best counterparts of each row, both ways.

    Attributes
    ----------
    of_a : int32 array, shape (n_a, c)
        Rows of b, best first; -1 where there are fewer.
    score_a : float32 array, shape (n_a, c)
        -inf where there are fewer.
    of_b, score_b
        The same for the rows of b.
    """

    of_a: np.ndarray
    score_a: np.ndarray
    of_b: np.ndarray
    score_b: np.ndarray


def best_by_cosine(
    a: np.ndarray, b: np.ndarray, c: int = CANDIDATES, *, device: str = "cpu"
) -> Best:
    """Find the directions of largest cosine, both ways.

    Parameters
    ----------
    a, b : float32 array, shape (n_a, d) and (n_b, d)
        Rows of length one.
    c : int
        How many per row.
    device : str
        Where the products run.
    """
    forward, backward = nearest(a, b, c, device=device), nearest(b, a, c, device=device)
    return Best(forward.indices, forward.cosines, backward.indices, backward.cosines)


def best_by_correlation(
    a: sp.csr_array,
    b: sp.csr_array,
    c: int = CANDIDATES,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Best:
    """Find the features of largest Pearson correlation over tokens, both ways.

    Parameters
    ----------
    a, b : scipy.sparse.csr_array, shape (n_tokens, n_a) and (n_tokens, n_b)
        Activations at the same tokens. They stay sparse; correlations are held for a block
        of features of `a` at a time.
    c : int
        How many per row. Features that never change correlate with nothing.
    on_progress : callable, optional
        Gets the fraction done.
    """
    (n_tokens, n_a), (_, n_b) = sizes(a), sizes(b)
    columns = a.astype(np.float64).tocsc()
    other = b.astype(np.float64).tocsr()
    mean_a, std_a = _moments(columns)
    mean_b, std_b = _moments(other)
    c_a, c_b = min(c, n_b), min(c, n_a)
    of_a, score_a = np.zeros((n_a, c_a), np.int32), np.zeros((n_a, c_a), np.float32)
    of_b = np.full((n_b, c_b), -1, np.int32)
    score_b = np.full((n_b, c_b), -np.inf, np.float32)
    step = max(BLOCK_CELLS // max(n_b, 1), 1)
    for start in looking(range(0, n_a, step), 1):
        stop = min(start + step, n_a)
        together = (columns[:, start:stop].T @ other).toarray() / max(n_tokens, 1)
        together -= np.outer(mean_a[start:stop], mean_b)
        scale = np.outer(std_a[start:stop], std_b)
        block = np.full(together.shape, -np.inf, np.float32)
        np.divide(together, scale, out=block, where=scale > 0, casting="same_kind")
        of_a[start:stop], score_a[start:stop] = _largest(block, c_a)
        # what this block offers the rows of b joins what earlier blocks offered
        index, score = _largest(block.T, min(c_b, stop - start))
        joined = np.hstack([score_b, score])
        names = np.hstack([of_b, index + start])
        order, score_b = _largest(joined, c_b)
        of_b = np.take_along_axis(names, order, 1).astype(np.int32)
        if on_progress:
            on_progress(stop / n_a)
    of_a[np.isneginf(score_a)] = -1
    of_b[np.isneginf(score_b)] = -1
    return Best(of_a, score_a, of_b, score_b)


def sizes(codes: sp.csr_array | sp.csc_array) -> tuple[int, int]:
    """Return tokens and features of sparse activations."""
    n_tokens, n_features = codes.shape
    return int(n_tokens), int(n_features)


def _moments(codes: sp.csr_array | sp.csc_array) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's mean and standard deviation, zero where rounding made it so."""
    n_tokens = max(sizes(codes)[0], 1)
    mean = np.asarray(codes.sum(axis=0)).ravel() / n_tokens
    square = np.asarray(codes.multiply(codes).sum(axis=0)).ravel() / n_tokens
    variance = square - mean**2
    return mean, np.sqrt(np.where(variance > 1e-12 * square, variance, 0))


def _largest(scores: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices and values of the `c` largest of each row, largest first."""
    part = np.argpartition(-scores, min(c, scores.shape[1]) - 1, axis=1)[:, :c]
    values = np.take_along_axis(scores, part, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(part, order, 1), np.take_along_axis(values, order, 1)


def best_cosines(a: np.ndarray, b: np.ndarray, device: str = "cpu") -> tuple[np.ndarray, ...]:
    """Return the largest cosine of each row of `a` among `b`, and of each row of `b` among `a`.

    And, third, those of pairs that are each other's largest. Rounded to bfloat16 where that is
    quick: for the distribution of a null, not for one pair.
    """
    import torch

    low = device == "cpu" and bfloat16_pays() and len(a) * len(b) >= BFLOAT16_FROM
    kind = torch.bfloat16 if low else torch.float32
    x, y = (tensor(v).to(device, kind) for v in (a, b))
    of_b = torch.full((len(b),), -1, dtype=kind, device=device)
    of_a: list[torch.Tensor] = []
    partner: list[torch.Tensor] = []
    step = max(BLOCK_CELLS // max(len(b), 1), 1)
    for start in looking(range(0, len(a), step), 1):
        block = x[start : start + step] @ y.T
        largest = block.max(1)
        of_a.append(largest.values)
        partner.append(largest.indices)
        of_b = torch.maximum(of_b, block.amax(0))
    best = torch.cat(of_a)
    mutual = best[best == of_b[torch.cat(partner)]]
    return tuple(scores.float().cpu().numpy() for scores in (best, of_b, mutual))
