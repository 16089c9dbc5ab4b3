"""What writing leaves behind for scoring: states and keys that need not be computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from volvelle.models.engine.prefix import new_cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from volvelle.models.engine.engine import Engine
    from volvelle.models.verbs.write import Generation


class Known(NamedTuple):
    """States of a row that steering left alone, kept while it was written.

    Attributes
    ----------
    depth : int
        Blocks they have passed.
    states : torch.Tensor, shape (n_tokens - 1, d)
        Of prompt and continuation, but for the last token, which is never read.
    """

    depth: int
    states: torch.Tensor


@dataclass(frozen=True, eq=False)
class Beginning:
    """An unsteered text that was written here, for texts that begin as it does.

    Attributes
    ----------
    ids : int array, shape (n_read,)
        What was read of it: prompt and continuation but for the last token.
    n_prompt : int
    logprobs : float array, shape (n_written,)
        Of its continuation.
    layers : list of (keys, values), torch.Tensor, shape (1, heads, n_read, d_head)
    """

    ids: np.ndarray
    n_prompt: int
    logprobs: np.ndarray
    layers: list[tuple[torch.Tensor, torch.Tensor]]

    @classmethod
    def of(cls, written: Generation, cache: Any, row: int, start: int) -> Beginning | None:
        """Take one row out of a cache; None where a beginning of it is not exact.

        Parameters
        ----------
        written : Generation
        cache : transformers Cache or None
        row : int
        start : int
            Padding before its prompt.
        """
        from transformers.cache_utils import DynamicLayer

        # windows and recurrent states forget what a shorter text still needs
        if not all(type(layer) is DynamicLayer for layer in getattr(cache, "layers", [None])):
            return None
        ids = np.concatenate([written.prompt_ids, written.ids])[:-1]
        place = (slice(row, row + 1), slice(None), slice(start, start + len(ids)))
        layers = [(layer.keys[place], layer.values[place]) for layer in cache.layers]
        return cls(ids, len(written.prompt_ids), written.logprobs, layers)

    def shared(self, ids: Sequence[int]) -> int:
        """Return with how many of its tokens another text begins."""
        n = min(len(ids), len(self.ids))
        differ = np.flatnonzero(np.asarray(ids[:n]) != self.ids[:n])
        return int(differ[0]) if len(differ) else n

    def cache(self, model: Engine, n_tokens: int, n_rows: int) -> Any:
        """Return its first tokens' keys and values, as the past of several rows."""
        cache = new_cache(model.nnsight._module)  # noqa: SLF001 - nnsight's name
        for layer, (keys, values) in zip(cache.layers, self.layers, strict=True):
            layer.lazy_initialization(keys, values)
            # views: a block that is skipped has no need of copies, the others make their own
            layer.keys = keys[:, :, :n_tokens].expand(n_rows, -1, -1, -1)
            layer.values = values[:, :, :n_tokens].expand(n_rows, -1, -1, -1)
        return cache


def resumed_from(
    model: Engine, known: Sequence[Known | None], reads: Sequence[int], width: int, start: int = -1
) -> tuple[list[str], torch.Tensor | None]:
    """Return the blocks that need not run, and the states they would give.

    Parameters
    ----------
    known : sequence of Known or None
    reads : sequence of int
        Tokens each row reads.
    width : int
        Of the batch.
    start : int
        The first token the rows read, padded on the right behind their last; -1 for all of
        them, padded on the left.
    """
    here = [one for one in known if one is not None]
    if not here or len(here) < len(known) or len({one.depth for one in here}) > 1:
        return [], None
    states = here[0].states.new_zeros(len(here), width, here[0].states.shape[-1])
    for row, one, n in zip(states, here, reads, strict=True):
        # of a row that ended early more is known than is there
        if start < 0:
            row[width - n :] = one.states[:n]
        else:
            row[:n] = one.states[start : start + n]
    return [f"{model.layout.blocks}.{n}" for n in range(here[0].depth)], states
