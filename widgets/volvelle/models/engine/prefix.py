"""What earlier texts left behind: of an edited text only what changed is computed again."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.directions.points import Point

# Texts remembered, and the bytes of keys and values they may hold together.
MOST_TEXTS = 8
MOST_BYTES = 512 * 2**20


class Prefix:
    """One text's keys, values and states.

    Causal attention makes a token's state independent of what follows it, so the states of
    an unchanged beginning are exact; the rest is computed on top of the kept keys and values
    and agrees with a full run to float rounding.
    """

    def __init__(self, ids: Sequence[int], cache: Any, states: dict[Point, np.ndarray]) -> None:
        self.ids = list(ids)
        self.cache = cache
        self.states = states

    def shared(self, ids: Sequence[int], points: Sequence[Point]) -> int:
        """Return how many first tokens of `ids` need not be computed for `points`."""
        if any(point not in self.states for point in points):
            return 0
        n = min(len(ids), len(self.ids))
        differ = np.flatnonzero(np.asarray(ids[:n]) != np.asarray(self.ids[:n]))
        return int(differ[0]) if len(differ) else n

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        layers = [layer for layer in self.cache.layers if layer.is_initialized]
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)


class Prefixes:
    """The last few texts of one model, newest first."""

    def __init__(self) -> None:
        self._kept: list[Prefix] = []

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, ids: Sequence[int], points: Sequence[Point]) -> tuple[Prefix | None, int]:
        """Take out the text that shares most with `ids`, and how many tokens it shares.

        It is taken out because a run changes its cache: one that fails half-way must not come
        back. `keep` returns it.
        """
        shared = [prefix.shared(ids, points) for prefix in self._kept]
        if not shared or max(shared) == 0:
            return None, 0
        best = int(np.argmax(shared))
        return self._kept.pop(best), shared[best]

    def keep(self, prefix: Prefix) -> None:
        """Remember a text, forgetting the oldest ones over the bounds."""
        self._kept.insert(0, prefix)
        del self._kept[MOST_TEXTS:]
        while self._kept and sum(kept.nbytes for kept in self._kept) > MOST_BYTES:
            self._kept.pop()

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def new_cache(module: Any) -> Any:
    """Return an empty cache of keys and values, or None where a text's beginning is not exact.

    Layers with a sliding window or a recurrent state forget; they cannot be cut back to an
    earlier token. Models that take no cache would read what follows as if nothing came before it.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    # asked of the class: nnsight puts its own forward on the instance
    takes = inspect.signature(type(module).forward).parameters
    if getattr(type(module), "_is_stateful", False) or "past_key_values" not in takes:
        return None
    cache = DynamicCache(config=module.config)
    return cache if all(type(layer) is DynamicLayer for layer in cache.layers) else None
