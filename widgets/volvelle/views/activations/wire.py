"""Activations as the few arrays that a browser needs to draw and explore them.

Everything here is a function of a sparse matrix (token, feature): no widget, no model.
(`codes` is `Any` in signatures: scipy's own annotations know neither its shape nor its indexing.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

N_BINS = 48  # of the bar that shows where in the text a feature fires: one per two pixels

# bits of a token's flags
WINDOW, LEFT_OUT, PIECE, SPECIAL, OUTLIER = 1, 2, 4, 8, 16


class ActivationFacts(TypedDict, total=False):
    """What the title says, and what the text is."""

    model: str
    point: str
    dictionary: str
    n_features: int
    l0: float | None
    fve: float | None
    note: str
    editable: bool
    signed: bool
    hand_made: bool


class ListFacts(TypedDict, total=False):
    """What the list of features is for."""

    firing: int
    sort: str
    query: str
    where: str  # which tokens


@dataclass(frozen=True)
class TokenTable:
    """Tokens with every distinct one stored once.

    Attributes
    ----------
    blob : uint8 array
        The distinct strings in UTF-8, one after the other.
    lengths : uint32 array, shape (n_distinct,)
        Bytes of each distinct string.
    ids : uint32 array, shape (n_distinct,)
        Token ids.
    index : uint32 array, shape (n_tokens,)
        Which distinct token stands at each position.
    """

    blob: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray
    index: np.ndarray


def token_table(strings: Sequence[str], ids: Sequence[int]) -> TokenTable:
    """Store each distinct (id, string) once.

    The string is part of the key: a piece of a character shows differently by its neighbours.
    """
    places: dict[tuple[int, str], int] = {}
    pairs = zip((int(i) for i in ids), strings, strict=True)
    index = [places.setdefault(pair, len(places)) for pair in pairs]
    # a lone surrogate cannot be UTF-8: the reader sees a replacement sign
    encoded = [string.encode("utf-8", "replace") for _, string in places]
    return TokenTable(
        blob=np.frombuffer(b"".join(encoded), dtype=np.uint8),
        lengths=np.array([len(each) for each in encoded], dtype=np.uint32),
        ids=np.array([token_id for token_id, _ in places], dtype=np.uint32),
        index=np.array(index, dtype=np.uint32),
    )


@dataclass(frozen=True)
class Columns:
    """A few features' activations, zeros left out.

    Attributes
    ----------
    mask : uint8 array, shape (n_features, ceil(n_tokens / 8))
        ``numpy.packbits`` of where the value is not zero.
    nonzero : float16 array, shape (n_nonzero,)
        Those values feature by feature, in token order, over `scale` of the feature.
    scale : float32 array, shape (n_features,)
        Largest magnitude of each feature; 1 where it never fires. It keeps values of any size
        within half precision.
    """

    mask: np.ndarray
    nonzero: np.ndarray
    scale: np.ndarray


def pack_columns(codes: Any, features: Sequence[int]) -> Columns:
    """Return the columns of `features` packed for the browser.

    Parameters
    ----------
    codes : csc_array, shape (n_tokens, n_features)
    features : sequence of int
    """
    dense = codes[:, list(features)].toarray().T.astype(np.float32)
    scale = np.abs(dense).max(axis=1, initial=0)
    scale[scale == 0] = 1
    held = dense != 0
    nonzero = (dense / scale[:, None])[held].astype(np.float16)
    return Columns(np.packbits(held, axis=1), nonzero, scale.astype(np.float32))


def strongest_per_token(codes: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each token's `k` strongest features, by magnitude.

    Parameters
    ----------
    codes : csr_array, shape (n_tokens, n_features)
    k : int

    Returns
    -------
    features : int64 array, shape (n_tokens, k)
        Descending; 0 where fewer than `k` fire (the value is 0 there).
    values : float32 array, shape (n_tokens, k)
    """
    n_tokens = codes.shape[0]
    counts = np.diff(codes.indptr)
    rows = np.repeat(np.arange(n_tokens), counts)
    order = np.lexsort((-np.abs(codes.data), rows))
    rank = np.arange(len(order)) - np.repeat(codes.indptr[:-1], counts)
    first = rank < k
    chosen = order[first]
    features = np.zeros((n_tokens, k), dtype=np.int64)
    values = np.zeros((n_tokens, k), dtype=np.float32)
    features[rows[first], rank[first]] = codes.indices[chosen]
    values[rows[first], rank[first]] = codes.data[chosen]
    return features, values


@dataclass(frozen=True)
class FeatureStats:
    """What every feature does over some tokens.

    Attributes
    ----------
    peak : float32 array, shape (n_features,)
        The value of largest magnitude, with its sign.
    mean : float32 array, shape (n_features,)
        Over all the tokens, zeros included.
    density : float32 array, shape (n_features,)
        Fraction of the tokens where the feature is not zero.
    """

    peak: np.ndarray
    mean: np.ndarray
    density: np.ndarray

    def ranked(self, by: str) -> np.ndarray:
        """Return the features that fire, strongest first, ties by index.

        Parameters
        ----------
        by : {"max", "mean", "density", "index"}
        """
        firing = np.flatnonzero(self.density)
        if by == "index":
            return firing
        size = {"max": np.abs(self.peak), "mean": np.abs(self.mean), "density": self.density}[by]
        return firing[np.argsort(-size[firing], kind="stable")]


def feature_stats(codes: Any, tokens: np.ndarray) -> FeatureStats:
    """Return peak, mean and density of every feature over the given tokens.

    Parameters
    ----------
    codes : csr_array, shape (n_tokens, n_features)
    tokens : int array
        Rows that count.
    """
    part = codes[tokens]
    n_tokens, n_features = max(len(tokens), 1), codes.shape[1]
    high, low = np.zeros((2, n_features), dtype=np.float32)
    np.maximum.at(high, part.indices, part.data)
    np.minimum.at(low, part.indices, part.data)
    total = np.bincount(part.indices, weights=part.data, minlength=n_features)
    count = np.bincount(part.indices[part.data != 0], minlength=n_features)
    return FeatureStats(
        peak=np.where(high >= -low, high, low),
        mean=(total / n_tokens).astype(np.float32),
        density=(count / n_tokens).astype(np.float32),
    )


def fire_bars(codes: Any, features: Sequence[int]) -> np.ndarray:
    """Return where in the text each feature fires.

    Parameters
    ----------
    codes : csc_array, shape (n_tokens, n_features)
    features : sequence of int

    Returns
    -------
    uint8 array, shape (len(features), 48)
        The largest magnitude in each 48th of the text, over the feature's own largest, 0...255;
        at least 1 where it fires at all.
    """
    columns = codes[:, list(features)].tocoo()
    bars = np.zeros((len(features), N_BINS), dtype=np.float32)
    bins = columns.row * N_BINS // max(codes.shape[0], 1)
    np.maximum.at(bars, (columns.col, bins), np.abs(columns.data))
    top = bars.max(axis=1, keepdims=True, initial=0)
    scaled = np.ceil(255 * bars / np.where(top == 0, 1, top))
    return np.minimum(scaled, 255).astype(np.uint8)  # rounding can carry the top past 255
