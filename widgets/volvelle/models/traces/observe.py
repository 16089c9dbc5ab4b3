"""Texts read at several points, and what readouts make of their states there."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.formulas.finite import first_unsound
from volvelle.formulas.reductions import moved
from volvelle.models.traces.sites import rows_of, state_at


def observe(
    lm: Any,
    batches: list[tuple[torch.Tensor, ...]],
    sites: list[tuple[str, str, list[tuple[Any, Any, dict[str, Any], dict[str, str]]]]],
    *,
    backend: Any = None,
) -> tuple[list[list[list[Any]]], list[list[tuple[int, int]]]]:
    """Run several batches of texts and make readouts of what the model holds, in one request.

    Parameters
    ----------
    batches : list of (ids, lengths, skip, place)
        ``ids`` (rows, tokens) right-padded; of each row, how many tokens are real, how many of
        the first ones are somebody's context and not read, and which text of all it is.
    sites : list of (path, io, readouts)
        In the order of the forward pass; a readout is ``(each, whole, sent, modules)``: what is
        made of the states of a batch, what is made of all batches (None for nothing), what both
        need, and paths of the modules that ``each`` calls, as
        `volvelle.models.verbs.readout.Readout` documents them.

    Returns
    -------
    found : list over sites of list over readouts of list
        What ``each`` gave of every batch; what ``whole`` gave, alone, where there is one.
    unsound : list over batches of list over sites of (row, token)
        The first state of a token that is none, or is infinite; -1 where all are finite.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        unsound = nnsight.save([])
        asked = moved(sites, lm.device)
        parts = []
        for batch in batches:
            with lm.trace(input_ids=batch[0], use_cache=False) as run:
                seen, bad = [], []
                for path, io, readouts in asked:
                    state = rows_of(state_at(lm, path, io), len(batch[0]))
                    bad.append(first_unsound(state, real(state, batch))[:2])
                    seen.append(seen_by(lm, readouts, state, batch))
                run.stop()
            parts.append(seen)
            unsound.append(bad)
        found.extend(together(asked, parts, [batch[-1] for batch in batches]))
    return found, unsound


def seen_by(
    lm: Any, readouts: Any, state: torch.Tensor, batch: tuple[torch.Tensor, ...]
) -> list[Any]:
    """Return what each readout makes of the states of one batch."""
    return [
        each(state, batch, sent | {name: lm.get(path) for name, path in modules.items()})
        for each, _, sent, modules in readouts
    ]


def together(sites: Any, parts: list[list[list[Any]]], places: list[torch.Tensor]) -> list[Any]:
    """Return the batches of each readout of each site, as `observe` does."""
    found = []
    for n, (_, _, readouts) in enumerate(sites):
        of_site = []
        for i, (_, whole, sent, _modules) in enumerate(readouts):
            mine = [part[n][i] for part in parts]
            of_site.append(mine if whole is None else [whole(mine, places, sent)])
        found.append(of_site)
    return found


def real(state: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return which tokens of a batch are no padding, bool, shape (rows, tokens)."""
    place = torch.arange(state.shape[1], device=state.device)
    return place < batch[1].to(state.device)[:, None]


def wanted(state: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return which tokens of a batch are read, bool, shape (rows, tokens)."""
    lengths, skip = (part.to(state.device) for part in batch[1:3])
    place = torch.arange(state.shape[1], device=state.device)
    return (place < lengths[:, None]) & (place >= skip[:, None])


def projected(
    state: torch.Tensor, batch: tuple[torch.Tensor, ...], sent: dict[str, Any]
) -> torch.Tensor:
    """Return what is read of states, projected on ``rows`` (n, d) in their precision.

    Returns
    -------
    torch.Tensor, float32, shape (n_tokens, n)
    """
    rows = sent["rows"]
    return (state[wanted(state, batch)].to(rows.dtype) @ rows.T).float().cpu()


def norms(
    state: torch.Tensor, batch: tuple[torch.Tensor, ...], _sent: dict[str, Any]
) -> torch.Tensor:
    """Return the norms of what is read, float32, shape (n_tokens,)."""
    return state.float().norm(dim=-1)[wanted(state, batch)].cpu()
