"""Neighbours of two sets of directions among both: every product is taken once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.maps.neighbours import Neighbours, nearest
from volvelle.progress import share

if TYPE_CHECKING:
    from collections.abc import Callable


def both_ways(
    a: np.ndarray,
    b: np.ndarray,
    k: int,
    *,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Neighbours, list[Neighbours], list[Neighbours]]:
    """Find the nearest rows among both sets, within each set, and of each set in the other.

    Parameters
    ----------
    a, b : float32 array, shape (n_a, d) and (n_b, d)
        Rows of length one.
    k : int
        Neighbours per row and kind; fewer where there are fewer.
    device : str
        Where the products run.
    on_progress : callable, optional
        Gets the fraction done; what it raises ends the search.

    Returns
    -------
    joint : Neighbours
        Of the rows of `a`, then of `b`, among all of these; the row itself is left out.
    own : list of two Neighbours
        Of each row within its set.
    across : list of two Neighbours
        Of each row in the other set.
    """
    total = max((len(a) + len(b)) ** 2, 1)
    done = 0
    found: list[Neighbours] = []
    for queries, keys in ((a, None), (b, None), (a, b), (b, a)):
        cells = len(queries) * len(queries if keys is None else keys)
        part = share(on_progress, done / total, (done + cells) / total)
        found.append(nearest(queries, keys, k, device=device, on_progress=part))
        done += cells
    own, across = found[:2], found[2:]
    k = min(k, len(a) + len(b) - 1)
    shifts = ((0, len(a)), (len(a), 0))
    halves = [
        _merged(own[i], across[i], shift, k)
        for i, shift in enumerate(shifts)
        if len(own[i].indices)
    ]
    joint = Neighbours(
        np.vstack([half.indices for half in halves]),
        np.vstack([half.cosines for half in halves]),
        "exact",
    )
    return joint, own, across


def _merged(own: Neighbours, across: Neighbours, shift: tuple[int, int], k: int) -> Neighbours:
    """Return the `k` nearest of both, as rows of the two sets put together."""
    indices = np.hstack([own.indices + shift[0], across.indices + shift[1]]).astype(np.int32)
    cosines = np.hstack([own.cosines, across.cosines])
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.take_along_axis(indices, order, 1), np.take_along_axis(cosines, order, 1), "exact"
    )
