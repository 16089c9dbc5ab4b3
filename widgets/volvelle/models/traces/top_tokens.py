"""What states would say next, where the unembedding is: the logit lens."""

from __future__ import annotations

from typing import Any

import torch

from volvelle.models.traces.observe import wanted

# States whose probabilities of the whole vocabulary are held at once: 100 MB of 50,000 tokens.
UNEMBEDDED_AT_ONCE = 512


def top_tokens(
    state: torch.Tensor, batch: tuple[torch.Tensor, ...], sent: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put what is read of states through the final norm and the unembedding.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    batch : tuple of torch.Tensor
        As `observe` takes it.
    sent : dict
        ``k``, ``scale``, ``cap`` (0 for none), the module ``head``, and where the model has them
        ``norm`` and ``project``.

    Returns
    -------
    ids : torch.Tensor, int32, shape (n_tokens, k)
        The likeliest tokens, likeliest first.
    logprobs : torch.Tensor, float32, shape (n_tokens, k)
        Natural logarithms.
    entropy : torch.Tensor, float32, shape (n_tokens,)
        Of the whole distribution, in nats.
    """
    rows, weight, parts = state[wanted(state, batch)], sent["head"].weight, []
    for start in range(0, max(len(rows), 1), UNEMBEDDED_AT_ONCE):
        x = rows[start : start + UNEMBEDDED_AT_ONCE].to(weight.device, weight.dtype)
        for name in ("norm", "project", "head"):
            x = sent[name](x) if name in sent else x
        logits = x.float() * sent["scale"]
        if sent["cap"]:
            logits = sent["cap"] * (logits / sent["cap"]).tanh()
        logprobs = logits.log_softmax(-1)
        highest, ids = logprobs.topk(sent["k"])
        entropy = torch.special.entr(logprobs.exp()).sum(-1)
        parts.append((ids.int(), highest, entropy))
    ids, highest, entropy = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return ids, highest, entropy
