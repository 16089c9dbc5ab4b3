"""States projected on rows, and how long they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from volvelle.models.traces.observe import norms, projected
from volvelle.models.verbs.readout import FLOAT, Bytes, Readout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.verbs.readout import Size


@dataclass(frozen=True, eq=False)
class Projection(Readout):
    """Inner products of every state with some rows: float32, shape (n_tokens, n).

    Attributes
    ----------
    rows : array, shape (n, d)
        In the precision it is done in.
    """

    each = staticmethod(projected)
    rows: np.ndarray

    def sent(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": torch.from_numpy(np.ascontiguousarray(self.rows))}

    @property
    def width(self) -> int:
        """That of the rows."""
        return self.rows.shape[1]

    def bytes(self, size: Size) -> Bytes:
        """Count the rows, and what comes back: a number of each for every token."""
        return Bytes(self.rows.nbytes, size.n_tokens * len(self.rows) * FLOAT)

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> np.ndarray:
        """Return all tokens' products."""
        none = np.zeros((0, len(self.rows)), np.float32)
        found = np.concatenate([none, *map(np.asarray, parts)])
        return found if order is None else found[order]


@dataclass(frozen=True, eq=False)
class Norms(Readout):
    """How long every state is: float32, shape (n_tokens,). Outliers are known by it."""

    each = staticmethod(norms)

    def bytes(self, size: Size) -> Bytes:
        """Count what comes back: a number for every token."""
        return Bytes(0, size.n_tokens * FLOAT)

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> np.ndarray:
        """Return all tokens' norms."""
        found = np.concatenate([np.zeros(0, np.float32), *map(np.asarray, parts)])
        return found if order is None else found[order]
