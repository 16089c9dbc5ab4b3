"""What states would say next: the likeliest tokens of the unembedded state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from volvelle.models.traces.top_tokens import top_tokens
from volvelle.models.verbs.readout import FLOAT, Bytes, Readout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.engine.architecture import Layout
    from volvelle.models.verbs.readout import Size


class Said(NamedTuple):
    """What the states of one point would say.

    Attributes
    ----------
    ids : array, int32, shape (n_tokens, k)
        Likeliest first.
    logprobs : array, float32, shape (n_tokens, k)
    entropy : array, float32, shape (n_tokens,)
        Of the whole distribution, in nats.
    """

    ids: np.ndarray
    logprobs: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True, eq=False)
class TopTokens(Readout):
    """The k likeliest tokens of every state, `Said`.

    Attributes
    ----------
    norm, project, head : str
        Paths, "" for what the model has not.
    k : int
    scale, cap : float
        Of the logits, as `Layout` says them.
    """

    each = staticmethod(top_tokens)
    rests_on = ("unembed",)
    norm: str
    project: str
    head: str
    k: int
    scale: float = 1.0
    cap: float = 0.0

    @classmethod
    def of(cls, layout: Layout, k: int) -> Self:
        """Return the readout of a model."""
        paths = (layout.norm, layout.project, layout.head)
        return cls(*paths, k, layout.logit_scale, layout.soft_cap)

    @property
    def modules(self) -> dict[str, str]:
        """Paths of the final norm, the projection and the unembedding."""
        paths = {"norm": self.norm, "project": self.project, "head": self.head}
        return {name: path for name, path in paths.items() if path}

    def sent(self) -> dict[str, Any]:
        """Return how many, and what is done to logits."""
        return {"k": self.k, "scale": self.scale, "cap": self.cap}

    def bytes(self, size: Size) -> Bytes:
        """Count what comes back: k tokens with a number each, and one more."""
        return Bytes(0, size.n_tokens * FLOAT * (2 * self.k + 1))

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> Said:
        """Return what all tokens' states would say."""
        none = (np.zeros((0, self.k), "i4"), np.zeros((0, self.k), "f4"), np.zeros(0, "f4"))
        columns = zip(none, *([*map(np.asarray, part)] for part in parts), strict=True)
        found = (np.concatenate(column) for column in columns)
        return Said(*(part if order is None else part[order] for part in found))
