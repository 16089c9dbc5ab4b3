"""Building compressed sparse rows from blocks of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

# values, columns ascending in each row, where each row begins
Block = tuple[np.ndarray, np.ndarray, np.ndarray]


def stacked(blocks: Sequence[Block], n_features: int) -> sp.csr_array:
    """Return blocks of rows one below another; no blocks give no rows.

    Parameters
    ----------
    blocks : sequence of (values, columns, starts)
        `starts` has one entry more than the block has rows.
    n_features : int

    Returns
    -------
    scipy.sparse.csr_array, shape (n_rows, n_features), float32
        Indices int32, int64 only from 2**31 values on.
    """
    counts = [np.diff(starts) for _, _, starts in blocks]
    starts = np.concatenate([[0], *counts]).cumsum()
    whole = np.int32 if starts[-1] < np.iinfo(np.int32).max else np.int64
    values = [np.zeros(0, np.float32), *(values for values, _, _ in blocks)]
    columns = [np.zeros(0, whole), *(columns for _, columns, _ in blocks)]
    return sp.csr_array(
        (
            np.concatenate(values).astype(np.float32, copy=False),
            np.concatenate(columns).astype(whole, copy=False),
            starts.astype(whole),
        ),
        shape=(len(starts) - 1, n_features),
    )
