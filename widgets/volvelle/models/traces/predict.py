"""The next token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.reductions import moved
from volvelle.models.traces.steer import only_prompt, steer

if TYPE_CHECKING:
    from collections.abc import Sequence


def predict(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    tokens: torch.Tensor | None,
    known: tuple[Sequence[str], torch.Tensor | None] = ((), None),
    *,
    backend: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return natural-log probabilities of the next token and their entropy.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
    sites : list of (path, io, payload)
    tokens : torch.Tensor or None
        The ids asked for; the whole vocabulary without.
    known : (sequence of str, torch.Tensor)
        Blocks that need not run, and what the last of them gives, as `score` takes them.
    backend : nnsight Backend, optional

    Returns
    -------
    logprobs : torch.Tensor, float32, shape (rows, tokens asked for)
    entropy : torch.Tensor, float32, shape (rows,)
        Over the whole vocabulary, in nats; empty where all of it is returned.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        for path in known[0]:
            lm.get(path).skip(known[1])
        steer(lm, moved(sites, lm.device), only_prompt(inputs, lm.device))
        scores = lm.output.logits[:, -1].float().log_softmax(-1)
        entropy = scores.new_empty(0)
        if tokens is not None:
            entropy = torch.special.entr(scores.exp()).sum(-1)
            scores = scores[:, tokens.to(lm.device)]
        found = nnsight.save((scores.clone(), entropy))
    return found  # noqa: RET504 - as above
