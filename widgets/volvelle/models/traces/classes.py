"""Means of labelled texts and their inner products, reduced where the model is."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.formulas.reductions import centred_gram, packed_gram, without_components
from volvelle.models.traces.reduce import outliers, reduce
from volvelle.models.traces.sites import rows_of, state_at


def class_means(
    lm: Any,
    batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    sites: list[tuple[str, str, str]],
    classes: dict[str, Any],
    *,
    backend: Any = None,
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Pool labelled texts at several places and return what their classes have in common.

    Parameters
    ----------
    batches : list of (ids, lengths, place)
        ``ids`` (rows, tokens) right-padded; of each row, how many tokens are real, and which
        text of all it is.
    sites : list of (path, io, how)
        In the order of the forward pass; ``how`` is ``"last"`` or ``"mean"``, as in `reduce`.
    classes : dict
        As `reduced_classes` takes it; ``strict`` leaves out last tokens of outlying norm.

    Returns
    -------
    list over sites
        What `reduced_classes` returns.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        parts = []
        for ids, lengths, _ in batches:
            with lm.trace(input_ids=ids, use_cache=False) as run:
                read = [
                    pooled(rows_of(state_at(lm, path, io), len(ids)), lengths, how, classes)
                    for path, io, how in sites
                ]
                run.stop()
            parts.append(read)
        order = torch.cat([place for _, _, place in batches]).argsort()
        for site in range(len(sites)):
            rows = torch.cat([part[site] for part in parts])[order]
            found.append(reduced_classes(rows, classes))
    return found


def pooled(
    state: torch.Tensor, lengths: torch.Tensor, how: str, classes: dict[str, Any]
) -> torch.Tensor:
    """Return one state per text, (rows, d), NaN where a last token of outlying norm is left out."""
    kept, norms = reduce(state, lengths, how)
    kept = kept.float()
    if how == "last" and classes["strict"]:
        lengths = lengths.to(state.device)
        place = torch.arange(state.shape[1], device=state.device)
        real = (place < lengths[:, None]) & (place > 0)
        far = outliers(norms, real)[torch.arange(len(state), device=state.device), lengths - 1]
        kept[far] = float("nan")
    return kept.cpu()


def reduced_classes(
    rows: torch.Tensor, classes: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return class means of pooled texts, their inner products, and how many texts each has.

    Parameters
    ----------
    rows : torch.Tensor, float32, shape (n, d)
        Of every text: first the labelled ones, then those that are subtracted from them, then
        neutral ones; a NaN row is left out.
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
    owner = classes["owner"]
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
