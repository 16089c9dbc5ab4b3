"""Building compressed sparse rows from blocks of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence


def rows_from_slots(values: np.ndarray, index: np.ndarray, n_features: int) -> sp.csr_array:
    """Return sparse rows from k slots per row, leaving out zeros.

    Parameters
    ----------
    values : ndarray, shape (n_rows, k), float32
    index : ndarray, shape (n_rows, k), int
        Column of each value, no column twice in a row, in any order.
    n_features : int

    Returns
    -------
    scipy.sparse.csr_array, shape (n_rows, n_features), float32
        Columns ascending in each row.
    """
    order = np.argsort(index, axis=1)
    values = np.take_along_axis(values, order, 1)
    index = np.take_along_axis(index, order, 1)
    kept = values != 0
    starts = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(kept.sum(1), out=starts[1:])
    return _rows(values[kept], index[kept], starts, n_features)


def rows_from_dense(block: np.ndarray) -> sp.csr_array:
    """Return a dense block, shape (n_rows, n_features), as sparse rows, leaving out zeros."""
    flat = np.flatnonzero(block)
    row, column = np.divmod(flat, block.shape[1])
    starts = np.searchsorted(row, np.arange(len(block) + 1))
    return _rows(block.ravel()[flat], column, starts, block.shape[1])


def stack(blocks: Sequence[sp.csr_array], n_features: int) -> sp.csr_array:
    """Return blocks of rows one below another; no blocks give no rows."""
    if not blocks:
        return sp.csr_array((0, n_features), dtype=np.float32)
    if len(blocks) == 1:
        return blocks[0]
    return sp.csr_array(sp.vstack(blocks, format="csr"))


def _rows(
    data: np.ndarray, columns: np.ndarray, starts: np.ndarray, n_features: int
) -> sp.csr_array:
    """Return csr with the small index type both arrays share (scipy keeps it on slicing)."""
    whole = np.int32 if starts[-1] < np.iinfo(np.int32).max else np.int64
    return sp.csr_array(
        (data.astype(np.float32, copy=False), columns.astype(whole), starts.astype(whole)),
        shape=(len(starts) - 1, n_features),
    )
