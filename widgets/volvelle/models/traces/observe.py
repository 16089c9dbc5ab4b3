"""Texts read through dictionaries that are sent along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.reductions import moved
from volvelle.models.traces.codes import codes_of
from volvelle.models.traces.sites import rows_of, state_at

if TYPE_CHECKING:
    from collections.abc import Sequence


def observed(
    lm: Any,
    batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    sites: list[tuple[str, str, list[dict[str, Any]]]],
    *,
    backend: Any = None,
) -> list[list[tuple[torch.Tensor, list[Any]]]]:
    """Read texts at several places through dictionaries that are sent along.

    Parameters
    ----------
    batches : list of (ids, lengths, skip)
        As `trace.encode` takes them.
    sites : list of (path, io, readers)
        In the order of the forward pass; readers as in `seen_by`.

    Returns
    -------
    list over batches of list over sites of (norms, seen)
        ``norms`` (rows, tokens) of the states, and what `seen_by` returns for each reader.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        readers = [moved(each, lm.device) for _, _, each in sites]
        for ids, lengths, skip in batches:
            with lm.trace(input_ids=ids, use_cache=False) as run:
                states = [
                    rows_of(state_at(lm, path, io), len(ids)).clone() for path, io, _ in sites
                ]
                run.stop()
            found.append(
                [
                    (state.float().norm(dim=-1).cpu(), seen_by(each, state, lengths, skip))
                    for state, each in zip(states, readers, strict=True)
                ]
            )
    return found


def seen_by(
    readers: Sequence[dict[str, Any]],
    state: torch.Tensor,
    lengths: torch.Tensor,
    skip: torch.Tensor,
) -> list[Any]:
    """Return what each reader sees of right-padded states, token after token.

    Parameters
    ----------
    readers : sequence of dict
        ``{"units": (n, d)}`` projects, in the precision of the units; others encode, as
        `codes_of` takes them.

    Returns
    -------
    list
        Projections float32 (n_tokens, n), or ``(values, columns, counts)`` of `codes_of`.
    """
    place = torch.arange(state.shape[1], device=state.device)
    wanted = place < lengths.to(state.device)[:, None]
    wanted &= place >= skip.to(state.device)[:, None]
    found = []
    for reader in readers:
        if "units" in reader:
            units = reader["units"]
            found.append((state[wanted].to(units.dtype) @ units.T).float().cpu())
        else:
            found.append(codes_of(state, lengths, skip, reader)[:3])
    return found
