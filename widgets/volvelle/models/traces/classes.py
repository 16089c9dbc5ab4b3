"""Means of labelled texts and their inner products, reduced where the model is."""

from __future__ import annotations

from typing import Any

import torch

from volvelle.formulas.reductions import centred_gram, packed_gram, without_components
from volvelle.models.traces.reduce import outliers, reduce


def pooled(
    state: torch.Tensor, batch: tuple[torch.Tensor, ...], sent: dict[str, Any]
) -> torch.Tensor:
    """Return one state per text, (rows, d), NaN where a last token is of outlying norm.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    batch : tuple of torch.Tensor
        As `observe` takes it.
    sent : dict
        ``how`` to pool: ``"last"`` or ``"mean"``, as `reduce` does.
    """
    lengths, how = batch[1].to(state.device), sent["how"]
    kept, norms = reduce(state, lengths, how)
    kept = kept.float()
    if how == "last":
        place = torch.arange(state.shape[1], device=state.device)
        real = (place < lengths[:, None]) & (place > 0)
        far = outliers(norms, real)[torch.arange(len(state), device=state.device), lengths - 1]
        kept[far] = float("nan")
    return kept.cpu()


def reduced_classes(
    parts: list[torch.Tensor], places: list[torch.Tensor], classes: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return class means of pooled texts, their inner products, and how many texts each has.

    Parameters
    ----------
    parts : list of torch.Tensor, float32, shape (rows, d)
        Of each batch its texts: of all, first the labelled ones, then those that are subtracted
        from them, then neutral ones; a NaN row is left out.
    places : list of torch.Tensor
        Which texts they are.
    classes : dict
        ``owner`` (n_texts,) the class of each labelled text, ``minus`` how many texts are
        subtracted (0 or n_texts), ``neutral`` the share of the neutral texts' variance that is
        taken out, ``paired`` (see `packed_gram`), ``grams`` whether inner products are wanted.

    Returns
    -------
    means : torch.Tensor, float32, shape (n_classes, d)
    inner : torch.Tensor, float32, shape (n_products,) or (0,)
    counts : torch.Tensor, int64, shape (n_classes,)
        Texts that are not left out.
    """
    rows = torch.cat(parts)[torch.cat(places).argsort()]
    owner = classes["owner"].to(rows.device)
    n, m = len(owner), classes["minus"]
    states = rows[:n] - rows[n : n + m] if m else rows[:n]
    if classes["neutral"]:
        neutral = rows[n + m :]
        usable = neutral[neutral[:, 0].isfinite()]
        states = without_components(states, usable, classes["neutral"])
    kept = states[:, 0].isfinite()
    states = torch.where(kept[:, None], states, 0.0)
    counts = torch.bincount(owner[kept], minlength=int(owner.max()) + 1)
    sums = torch.zeros(len(counts), states.shape[1], dtype=torch.float64)
    sums.index_add_(0, owner[kept], states[kept].double())
    means = (sums / counts.clamp(min=1)[:, None]).float()
    inner = means.new_empty(0)
    if classes["grams"]:
        # a text that is left out counts as the mean of its class
        whole = torch.where(kept[:, None], states, means[owner])
        inner = packed_gram(centred_gram(whole), len(counts), paired=classes["paired"])
    return means, inner, counts
