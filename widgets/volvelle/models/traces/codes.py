"""What a dictionary encodes of the states, where they are."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.formulas.encoder import activate, decode, kth_largest, normalise, pre_activations
from volvelle.formulas.reductions import moved
from volvelle.models.traces.reduce import outliers
from volvelle.models.traces.sites import rows_of, state_at

# Tokens whose codes, by all features, are held at once: 100 MB at 24,576 features.
ENCODED_AT_ONCE = 1024


def encode(
    lm: Any,
    batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    site: tuple[str, str],
    sae: dict[str, Any],
    *,
    backend: Any = None,
) -> list[tuple[torch.Tensor, ...]]:
    """Run several batches of texts and encode what the model holds, all in one request.

    Parameters
    ----------
    batches : list of (ids, lengths, skip)
        ``ids`` (rows, tokens) right-padded; of each row, how many tokens are real, and how many
        of the first ones are somebody's context and not encoded.
    site : tuple of str
        Path and io.
    sae : dict
        ``weights`` with ``W_dec``, ``options`` of `formulas.encoder.encode`.

    Returns
    -------
    list of tuple of torch.Tensor
        Per batch what `codes_of` returns.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        sent = moved(sae, lm.device)
        for ids, lengths, skip in batches:
            with lm.trace(input_ids=ids, use_cache=False) as run:
                state = rows_of(state_at(lm, *site), len(ids)).clone()
                run.stop()
            found.append(codes_of(state, lengths, skip, sent))
    return found


def codes_of(
    state: torch.Tensor, lengths: torch.Tensor, skip: torch.Tensor, sae: dict[str, Any]
) -> tuple[torch.Tensor, ...]:
    """Encode right-padded states where they are.

    Returns
    -------
    values : torch.Tensor, float32, shape (n,)
        Of the codes that are not 0, token after token.
    columns : torch.Tensor, int32, shape (n,)
    counts : torch.Tensor, int32, shape (n_tokens,)
        How many each encoded token has.
    cuts : torch.Tensor, float32, shape (n_tokens,) or (0,)
        What a pre-activation had to reach; empty for kinds without k.
    norms : torch.Tensor, float32, shape (rows, tokens)
    sums : torch.Tensor, float64, shape (2 + d,)
        Over tokens that are encoded and no outliers: |x|^2, |x - decode(z)|^2, and x. Zeros
        where the decoder was not sent.
    """
    place = torch.arange(state.shape[1], device=state.device)
    real = place < lengths.to(state.device)[:, None]
    wanted = real & (place >= skip.to(state.device)[:, None])
    norms = state.float().norm(dim=-1)
    usable = (wanted & ~outliers(norms, real & (place > 0)))[wanted]
    weights, options = sae["weights"], sae["options"]
    kind, k = options["architecture"], options["k"]
    values, columns, counts, cuts = [], [], [], [state.new_empty(0).float()]
    sums = torch.zeros(2 + state.shape[-1], dtype=torch.float64, device=state.device)
    rows = state[wanted].float()
    for start in range(0, len(rows), ENCODED_AT_ONCE):
        x, good = rows[start : start + ENCODED_AT_ONCE], usable[start : start + ENCODED_AT_ONCE]
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
        if "W_dec" not in weights:
            continue
        error = x - decode(codes, weights, scale=scale, shift=shift)
        sums[0] += x[good].double().square().sum()
        sums[1] += error[good].double().square().sum()
        sums[2:] += x[good].double().sum(0)
    found = [torch.cat(part) for part in (values, columns, counts, cuts)]
    return tuple(part.cpu() for part in (*found, norms, sums))
