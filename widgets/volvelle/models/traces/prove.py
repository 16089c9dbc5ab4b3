"""States written back where they are read: what the next block makes of it."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.models.traces.sites import rows_of, state_at


def rewritten(
    lm: Any,
    inputs: dict[str, Any],
    blocks: list[str],
    by: torch.Tensor,
    row: int,
    *,
    backend: Any = None,
) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """Write the states after every block back, those of one row with something added.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        Of a forward pass, several rows.
    blocks : list of str
        Paths, in order.
    by : torch.Tensor, shape (d,)
        What is added to all tokens of one row, in multiples of the states' root mean square.
    row : int
        The one that something is added to.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.

    Returns
    -------
    wanted : list of torch.Tensor, each (rows, tokens, d)
        What each block but the last gave, with what was added to it.
    given : list of torch.Tensor, each (rows, tokens, d)
        What the next block was given.
    logits : torch.Tensor, float32, shape (rows, vocabulary)
        Of the last tokens.
    """
    rows = len(inputs["input_ids"])
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        wanted = nnsight.save([])
        given = nnsight.save([])
        for n, path in enumerate(blocks):
            if n:
                given.append(rows_of(state_at(lm, path, "input"), rows).float().cpu())
            state = rows_of(state_at(lm, path, "output"), rows)
            new = state.clone()
            # without position 0, whose norm is another size
            size = new[row, 1:].float().square().mean().sqrt()
            new[row] += (by.to(new.device) * size).to(new.dtype)
            state[:] = new
            wanted.append(new.float().cpu())
        logits = nnsight.save(lm.output.logits[:, -1].float().cpu())
    return wanted[:-1], given, logits
