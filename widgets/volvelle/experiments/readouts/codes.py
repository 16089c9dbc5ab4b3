"""What a dictionary encodes of states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from volvelle.compute.dictionaries.encode import options_of
from volvelle.models.traces.codes import codes_of, sums_of
from volvelle.models.verbs.capture import find_outliers
from volvelle.models.verbs.readout import FLOAT, Bytes, Readout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.verbs.readout import Batch, Size

# Features alive at a token, where the kind of SAE does not fix their number.
ALIVE = 64
# Bytes of a feature's value and number.
CODE = 8
# Tokens encoded between two looks at whether somebody wants it stopped.
TOKENS_ENCODED_AT_ONCE = 1024


class Encoded(NamedTuple):
    """What a dictionary sees of the tokens that were read.

    Attributes
    ----------
    codes : scipy.sparse.csr_array, shape (n_tokens, n_features)
    kth : array, float32, shape (n_tokens,), or None
        The cut that a pre-activation had to reach, of kinds with k.
    outliers : array, bool, shape (n_tokens,)
        Tokens of outlying norm; empty unless asked how well it fits.
    fve : float
        Fraction of variance explained, over tokens that are none; NaN unless asked.
    """

    codes: sp.csr_array
    kth: np.ndarray | None
    outliers: np.ndarray
    fve: float


@dataclass(frozen=True, eq=False)
class Codes(Readout):
    """What an SAE encodes of every token: `Encoded`.

    Attributes
    ----------
    sae : SAE
    fits : bool
        Whether it is asked how well it fits, for which its decoder travels too.
    """

    each = staticmethod(codes_of)
    sae: SparseAutoencoder
    fits: bool = False

    def sent(self) -> dict[str, Any]:
        """Return the weights that are needed, and options of `formulas.encoder.encode`."""
        weights = self.sae.weights.items()
        return {
            "weights": {name: w for name, w in weights if self.fits or name != "W_dec"},
            "options": options_of(self.sae),
        }

    @property
    def width(self) -> int:
        """That of the SAE."""
        return self.sae.d_model

    def bytes(self, size: Size) -> Bytes:
        """Count the weights, and what comes back: features that are on, and how many of a token."""
        sae = self.sae
        alive = sae.k if sae.is_top_k and sae.k is not None else min(ALIVE, sae.n_features)
        of_a_token = alive * CODE + FLOAT + self.fits * (FLOAT * sae.is_top_k + 1)
        weights = sum(tensor.numel() * FLOAT for tensor in self.sent()["weights"].values())
        return Bytes(weights, size.n_tokens * of_a_token)

    def here(
        self,
        states: np.ndarray,
        batch: Batch,
        sent: Mapping[str, Any],
        tell: Callable[[float], None],
    ) -> Any:
        """Encode as fast as it goes here, never holding all tokens by all features."""
        del sent
        _, lengths, skip, _ = (part.numpy() for part in batch)
        place = np.arange(states.shape[1])
        real = place < lengths[:, None]
        read = real & (place >= skip[:, None])
        # a text by itself is not copied
        rows = states[0, skip[0] : lengths[0]] if len(states) == 1 else states[read]
        norms = np.linalg.norm(states, axis=-1)
        far = find_outliers(norms, real)[read]
        parts, sums = [], torch.zeros(3 + rows.shape[-1], dtype=torch.float64)
        for start in range(0, max(len(rows), 1), TOKENS_ENCODED_AT_ONCE):
            x = rows[start : start + TOKENS_ENCODED_AT_ONCE]
            codes, kth = self.sae.encode_sparse(x, return_kth=True)
            parts.append((codes, np.zeros(0, np.float32) if kth is None else kth))
            if self.fits:
                good = ~far[start : start + TOKENS_ENCODED_AT_ONCE]
                decoded = self.sae.decode(codes, x)[good]
                sums += sums_of(torch.from_numpy(x[good]), torch.from_numpy(decoded))
            tell((start + len(x)) / max(len(rows), 1))
        found = [[c.data, c.indices, np.diff(c.indptr), kth] for c, kth in parts]
        return *(np.concatenate(part) for part in zip(*found, strict=True)), far, sums

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> Encoded:
        """Return all tokens' codes, and how well they fit."""
        none = [np.zeros(0, kind) for kind in ("f4", "i4", "i4", "f4", "?")]
        columns = list(zip(none, *([*map(np.asarray, part[:5])] for part in parts), strict=False))
        values, features, counts, *rest = (np.concatenate(column) for column in columns)
        edges = np.concatenate([[0], np.cumsum(counts)])
        codes = sp.csr_array((values, features, edges), shape=(len(counts), self.sae.n_features))
        if order is not None:
            codes, rest = codes[order], [part[order] if len(part) else part for part in rest]
        if not self.fits:
            return Encoded(codes, None, np.zeros(0, bool), float("nan"))
        kth, far = rest
        sums = sum((np.asarray(part[5]) for part in parts), np.zeros(3 + self.sae.d_model))
        return Encoded(codes, kth if self.sae.is_top_k else None, far, explained(sums))


def explained(sums: np.ndarray) -> float:
    """Return 1 - squared error / squared distance from the mean, of what `sums_of` sums.

    NaN under two tokens.
    """
    n, squares, errors, total = *sums[:3], sums[3:]
    if n < 2:
        return float("nan")
    spread = squares - float(total @ total) / n
    return float(1.0 - errors / spread) if spread > 0 else float("nan")
