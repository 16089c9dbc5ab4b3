"""What classes of texts have in common: means of pooled states, and their inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from volvelle.models.traces.classes import pooled, reduced_classes
from volvelle.models.verbs.readout import FLOAT, Bytes, Readout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.verbs.readout import Size


class Reduced(NamedTuple):
    """What comes of one point.

    Attributes
    ----------
    means : array, float32, shape (n_classes, d)
    inner : array, float32, shape (n_products,)
        As `formulas.reductions.packed_gram` packs them; empty where they were not wanted.
    counts : array, int, shape (n_classes,)
        Texts that were not left out.
    """

    means: np.ndarray
    inner: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassMeans(Readout):
    """Means of labelled texts, `Reduced`: a last token of outlying norm leaves its text out.

    Attributes
    ----------
    owner : int array, shape (n_texts,)
        Class of each of the first texts, from 0.
    minus : int
        How many texts after them are subtracted, one from each; 0 or n_texts.
    neutral : float
        Share of the variance of the texts after those whose components are removed.
    paired : bool
        Whether text j of every class is the same sentence (`packed_gram`).
    grams : bool
        Whether inner products are wanted.
    positions : {"last", "mean"}
    """

    each = staticmethod(pooled)
    whole = staticmethod(reduced_classes)
    owner: np.ndarray
    minus: int = 0
    neutral: float = 0.0
    paired: bool = False
    grams: bool = False
    positions: str = "last"

    def sent(self) -> dict[str, Any]:
        """Return which texts belong together, and what is made of them."""
        told = {name: getattr(self, name) for name in ("minus", "neutral", "paired", "grams")}
        return told | {"owner": torch.tensor(self.owner), "how": self.positions}

    def bytes(self, size: Size) -> Bytes:
        """Count what comes back: a mean of each class, and every product once."""
        c = int(self.owner.max()) + 1
        return Bytes(0, (c * size.width + self.n_products) * FLOAT)

    @property
    def n_products(self) -> int:
        """How many inner products come back."""
        if not self.grams:
            return 0
        n, c = len(self.owner), int(self.owner.max()) + 1
        if not self.paired:
            return n * (n + 1) // 2
        m = n // c
        return c * (c + 1) // 2 * (m * (m + 1) // 2)

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> Reduced:
        """Return what all texts came to."""
        del order
        return Reduced(*(part.numpy() for part in parts[0]))


def refuse_outlying(found: Reduced, words: Sequence[str]) -> None:
    """Raise ValueError for a class of which every text was left out."""
    for c in np.flatnonzero(found.counts == 0):
        raise ValueError(
            f"every text of {words[int(c)]!r} ends on a token of outlying norm; give other texts "
            "or positions='mean'"
        )
