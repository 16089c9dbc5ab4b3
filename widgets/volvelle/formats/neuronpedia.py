"""Neuronpedia's sparse JSON of a text's activations, the reply of ``/activation/source``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence


def active_features(tokens: Sequence[str], codes: sp.csr_array) -> dict[str, Any]:
    """Return one text's activations as Neuronpedia writes them.

    Parameters
    ----------
    tokens : sequence of str
    codes : csr, shape (n_tokens, n_features)

    Returns
    -------
    dict
        ``tokens``; ``activeFeatures``: a feature's number (a str) to its
        ``[token index, value]`` pairs.
    """
    columns = sp.csc_array(codes)
    active: dict[str, list[list[float]]] = {}
    for feature in np.flatnonzero(np.diff(columns.indptr)):
        span = slice(columns.indptr[feature], columns.indptr[feature + 1])
        pairs = zip(columns.indices[span], columns.data[span], strict=True)
        active[str(feature)] = [[int(token), float(value)] for token, value in pairs]
    return {"tokens": list(tokens), "activeFeatures": active}
