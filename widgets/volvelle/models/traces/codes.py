"""What a dictionary encodes of the states, where they are."""

from __future__ import annotations

from typing import Any

import torch

from volvelle.formulas.encoder import activate, decode, kth_largest, normalise, pre_activations
from volvelle.models.traces.observe import wanted
from volvelle.models.traces.reduce import outliers

# Tokens whose codes, by all features, are held at once: 100 MB at 24,576 features.
ENCODED_AT_ONCE = 1024


def codes_of(
    state: torch.Tensor, batch: tuple[torch.Tensor, ...], sae: dict[str, Any]
) -> tuple[torch.Tensor, ...]:
    """Encode what is read of right-padded states where they are.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    batch : tuple of torch.Tensor
        As `observe` takes it.
    sae : dict
        ``weights``, ``options`` of `formulas.encoder.encode`. With ``W_dec`` among the weights
        what fits and what is left over is returned too.

    Returns
    -------
    values : torch.Tensor, float32, shape (n,)
        Of the codes that are not 0, token after token.
    columns : torch.Tensor, int32, shape (n,)
    counts : torch.Tensor, int32, shape (n_tokens,)
        How many each token has.
    cuts : torch.Tensor, float32, shape (n_tokens,) or (0,)
        With ``W_dec``: what a pre-activation had to reach; empty for kinds without k.
    far : torch.Tensor, bool, shape (n_tokens,)
        With ``W_dec``: whether a token's norm is outlying.
    sums : torch.Tensor, float64, shape (3 + d,)
        With ``W_dec``, over tokens that are no outliers: how many, |x|^2, |x - decode(z)|^2, x.
    """
    read = wanted(state, batch)
    weights, options = sae["weights"], sae["options"]
    kind, k, fits = options["architecture"], options["k"], "W_dec" in weights
    values, columns, counts, cuts = [], [], [], [state.new_empty(0).float()]
    rows = state[read].float()
    far = rows.new_zeros(len(rows), dtype=torch.bool)
    sums = torch.zeros(3 + state.shape[-1], dtype=torch.float64, device=state.device)
    if fits:
        place = torch.arange(state.shape[1], device=state.device)
        real = (place < batch[1].to(state.device)[:, None]) & (place > 0)
        far = outliers(state.float().norm(dim=-1), real)[read]
    for start in range(0, max(len(rows), 1), ENCODED_AT_ONCE):
        x = rows[start : start + ENCODED_AT_ONCE]
        scaled, scale, shift = normalise(x, options["normalize"])
        pre = pre_activations(scaled, weights, subtract_b_dec=options["subtract_b_dec"])
        cut = kth_largest(pre, k, kind) if kind in ("topk", "abstopk") else None
        codes = activate(pre, weights, kind, cut)
        if cut is not None:
            cuts.append(cut[:, 0])
        on = codes != 0
        values.append(codes[on])
        columns.append(on.nonzero()[:, 1].int())
        counts.append(on.sum(-1).int())
        if fits:
            good = ~far[start : start + ENCODED_AT_ONCE]
            sums += sums_of(x[good], decode(codes, weights, scale=scale, shift=shift)[good])
    found = [torch.cat(part) for part in (values, columns, counts, cuts)]
    found = [*found, far, sums] if fits else found[:3]
    return tuple(part.cpu() for part in found)


def sums_of(x: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
    """Return what the fraction of variance explained is made of, as `codes_of` sums it."""
    wide, error = x.double(), (x - decoded).double()
    ends = torch.stack([wide.new_tensor(len(x)), wide.square().sum(), error.square().sum()])
    return torch.cat([ends, wide.sum(0)])
