"""How likely given texts are, and texts that were just written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.reductions import moved
from volvelle.models.traces.steer import only_prompt, steer
from volvelle.models.traces.write import write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


NAN = float("nan")


def score(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    written: torch.Tensor,
    known: tuple[Sequence[str], torch.Tensor | None] = ((), None),
    *,
    backend: Any = None,
) -> torch.Tensor:
    """Return natural-log probabilities of the tokens that follow the last ones read.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        What is read: each row but the last token it is scored for.
    sites : list of (path, io, payload)
        As for `write`; what a payload says of the prompt covers all that is read.
    written : torch.Tensor, int64, shape (rows, kept)
        The token that follows each of the last `kept` ones; any token where there is none.
    known : (sequence of str, torch.Tensor)
        Paths of the first blocks, which need not run, and what the last of them gives, shape
        (rows, tokens, d); blocks that give a tensor, not a tuple.
    backend : nnsight Backend, optional
        As for `write`; None within a session.

    Returns
    -------
    torch.Tensor, float32, shape (rows, kept)
        NaN where the logits are not finite.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        for path in known[0]:
            lm.get(path).skip(known[1])
        steer(lm, moved(sites, lm.device), only_prompt(inputs, lm.device))
        logits = lm.output.logits[:, -written.shape[1] :].float()
        asked = written[..., None].to(logits.device)
        total = logits.logsumexp(-1)
        # beside an infinite logit any other token would be one that the model rules out
        found = (logits.gather(-1, asked)[..., 0] - total).masked_fill(~total.isfinite(), NAN)
        logprobs = nnsight.save(found)
    return logprobs  # noqa: RET504 - nnsight hands saved values back by name


def write_scored(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: Callable[..., None] | None = None,
    *,
    backend: Any = None,
) -> tuple[Any, ...]:
    """Write as `write` does, then score what was written without steers, in one request.

    Parameters
    ----------
    lm, inputs, sites, on_step, backend
        As for `write`.
    settings : dict
        As for `write`; besides, ``pass_rows`` (how many rows are scored together), ``takes``
        (whether a forward pass has the arguments ``position_ids`` and ``logits_to_keep``) and
        ``first_position`` (of a text's first token).

    Returns
    -------
    tuple
        What `write` returns, and as a seventh unsteered natural-log probabilities, float32,
        (rows, steps); of steps after a row's end they mean nothing.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        found.extend(write(lm, inputs, sites, settings, on_step))
        ids = torch.stack(list(found[0]), 1)
        kept = ids.shape[1]
        told = inputs["attention_mask"].to(ids.device)
        mask = torch.cat([told, (ids >= 0).to(told.dtype)], 1)[:, :-1]
        written = ids.clamp(min=0)
        tokens = torch.cat([inputs["input_ids"].to(ids.device), written], 1)[:, :-1]
        parts = []
        for start in range(0, len(ids), settings["pass_rows"]):
            rows = slice(start, start + settings["pass_rows"])
            more = {"input_ids": tokens[rows], "attention_mask": mask[rows], "use_cache": False}
            if settings["takes"]["position_ids"]:
                counted = (mask[rows].cumsum(-1) - 1).clamp(min=0)
                more["position_ids"] = counted + settings["first_position"]
            if settings["takes"]["logits_to_keep"]:
                more["logits_to_keep"] = kept
            parts.append(score(lm, more, [], written[rows]))
        found.append(torch.cat(parts))
    return tuple(found)
