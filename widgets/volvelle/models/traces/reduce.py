"""States as they are, of the last token, or their mean; which tokens are outliers."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.models.traces.sites import rows_of, state_at

# A token this many times the median norm of its text is an outlier.
OUTLIER = 4.0


def outliers(norms: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mark tokens of extreme norm, each text by itself.

    Parameters
    ----------
    norms : torch.Tensor, shape (rows, tokens)
    real : torch.Tensor, bool, shape (rows, tokens)
        False on padding and on position 0, which is extreme in every text.
    """
    median = norms.masked_fill(~real, float("nan")).nanmedian(-1, keepdim=True).values
    return real & (norms > OUTLIER * median)


def reduce(
    state: torch.Tensor, lengths: torch.Tensor, how: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduce right-padded states where they are, and copy what is kept.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    lengths : torch.Tensor, shape (rows,)
        Real tokens of each row.
    how : str
        ``"all"`` everything; ``"real"`` everything but padding; ``"last"`` the last real token;
        ``"mean"`` without position 0 and outliers, NaN where there is no other; ``"norm"`` the
        median of the norms alone, over what a mean takes, NaN where any state is not finite.

    Returns
    -------
    kept : torch.Tensor, shape (rows, tokens, d) or (rows, d) or (n_real, d) or (0,)
    norms : torch.Tensor, float32, shape (rows, tokens) or (rows, 1) for ``"norm"``
        Empty for ``"all"`` and ``"real"``, whose norms can be taken afterwards.
    """
    if how == "all":
        return state.clone(), state.new_empty(0)
    if how == "real":
        place = torch.arange(state.shape[1], device=state.device)
        return state[place < lengths.to(state.device)[:, None]], state.new_empty(0)
    norms = state.float().norm(dim=-1)
    lengths = lengths.to(state.device)
    if how == "last":
        return state[torch.arange(len(state), device=state.device), lengths - 1].clone(), norms
    place = torch.arange(state.shape[1], device=state.device)
    real = (place < lengths[:, None]) & (place > 0)
    kept = real & ~outliers(norms, real)
    if how == "norm":
        found = norms.masked_fill(~kept, float("nan")).nanquantile(0.5, dim=-1, keepdim=True)
        unsound = (~norms.isfinite() & (place < lengths[:, None])).any(-1, keepdim=True)
        return state.new_empty(0), found.masked_fill(unsound, float("nan"))
    kept = kept.float()
    mean = torch.einsum("rtd,rt->rd", state.float(), kept) / kept.sum(-1, keepdim=True)
    return mean, norms


def read(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str]],
    lengths: torch.Tensor,
    how: str,
    *,
    backend: Any = None,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Read states in one forward pass that ends at the deepest of them.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        Of the forward pass: ``input_ids`` right-padded, or what follows a cache.
    sites : list of (path, io)
        In the order of the forward pass.
    lengths : torch.Tensor, int64, shape (rows,)
        Real tokens of each row.
    how : str
        As `reduce` takes it.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.

    Returns
    -------
    list over sites of (kept, norms)
        As `reduce` returns them.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        states = nnsight.save(
            [
                reduce(rows_of(state_at(lm, path, io), len(lengths)), lengths, how)
                for path, io in sites
            ]
        )
        run.stop()
    return states
