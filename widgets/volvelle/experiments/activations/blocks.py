"""Encoding states stretch by stretch: told how far it is, and stopped between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder

# Tokens encoded between two looks at whether somebody wants it stopped.
TOKENS_ENCODED_AT_ONCE = 1024

# Of the whole work, what is done when the model has read a text and the SAE has not.
READING = 0.8


class BlockProgress:
    """How far the work on some of the tokens is, told as how far all of it is."""

    def __init__(
        self, report: Callable[[float, str], None], before: int, n: int, n_tokens: int
    ) -> None:
        self._report, self._before, self.n, self._of = report, before, n, n_tokens
        self._encoded = 0

    def read(self, fraction: float, _said: str = "") -> None:
        """Tell which share of them the model has read."""
        self._say(READING * fraction)

    def encoded(self, n: int) -> None:
        """Tell that the SAE has encoded some more of them."""
        self._encoded += n
        share = min(1.0, self._encoded / max(self.n, 1))
        self._say(READING + (1 - READING) * share)

    def _say(self, share: float) -> None:
        done = self._before + self.n * share
        self._report(done / max(self._of, 1), f"{int(done):,} of {self._of:,} tokens")


def encoded(
    sae: SparseAutoencoder, x: np.ndarray, here: BlockProgress
) -> tuple[Any, np.ndarray | None]:
    """Encode in stretches, so that it can be stopped with any size of dictionary."""
    codes, cuts = [], []
    for start in range(0, max(len(x), 1), TOKENS_ENCODED_AT_ONCE):
        stretch = x[start : start + TOKENS_ENCODED_AT_ONCE]
        some, cut = sae.encode_sparse(stretch, return_kth=True)
        codes.append(some)
        cuts.append(cut)
        here.encoded(len(stretch))
    if len(codes) == 1:
        return codes[0], cuts[0]
    return sp.csr_array(sp.vstack(codes, format="csr")), None if cuts[
        0
    ] is None else np.concatenate(cuts)


class Fit:
    """Running sums for the fraction of variance explained, over any number of blocks.

    Parameters
    ----------
    d_model : int
    """

    def __init__(self, d_model: int) -> None:
        self._n = 0
        self._sum = np.zeros(d_model)
        self._squares = 0.0
        self._errors = 0.0

    def add(self, x: np.ndarray, decoded: np.ndarray) -> None:
        """Add a block of states and what the SAE makes of them, each (n_tokens, d_model)."""
        self._n += len(x)
        self._sum += x.sum(0, dtype=np.float64)
        self._squares += float(np.einsum("ij,ij->", x, x, dtype=np.float64))
        error = x - decoded
        self._errors += float(np.einsum("ij,ij->", error, error, dtype=np.float64))

    def add_sums(self, n: int, total: np.ndarray, squares: float, errors: float) -> None:
        """Add sums over tokens that were made elsewhere: of x, of |x|^2, and of |error|^2."""
        self._n += n
        self._sum += total
        self._squares += squares
        self._errors += errors

    @property
    def fve(self) -> float:
        """1 - squared error / squared distance from the mean; NaN under two tokens."""
        if self._n < 2:
            return float("nan")
        total = self._squares - float(self._sum @ self._sum) / self._n
        return 1.0 - self._errors / total if total > 0 else float("nan")


def assembled(
    blocks: Sequence[sp.csr_array], left_out: np.ndarray, n_features: int
) -> sp.csr_array:
    """Return the rows of all blocks in order, with empty ones where tokens are left out."""
    counts = np.zeros(len(left_out), dtype=np.int64)
    parts = [np.diff(block.indptr) for block in blocks]
    counts[~left_out] = np.concatenate(parts) if parts else 0
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    data = [block.data for block in blocks] or [np.zeros(0, np.float32)]
    index = [block.indices for block in blocks] or [np.zeros(0, np.int32)]
    return sp.csr_array(
        (np.concatenate(data), np.concatenate(index), starts), shape=(len(left_out), n_features)
    )
