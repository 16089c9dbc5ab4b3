"""Where the states of one text stop being finite, after a run that gave numbers that are none."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.formulas.finite import first_unsound
from volvelle.formulas.reductions import moved
from volvelle.formulas.steering import steer as turned
from volvelle.models.traces.sites import given_at
from volvelle.models.traces.steer import only_prompt

INF = float("inf")


def locate(
    lm: Any,
    inputs: dict[str, Any],
    places: list[tuple[str, str, dict[str, Any] | None]],
    *,
    backend: Any = None,
) -> tuple[list[tuple[int, bool]], list[float], bool]:
    """Look at the states of one text, steered, place by place.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        Of one row, without padding.
    places : list of (path, io, payload)
        In the order of the forward pass; a payload is what turns the states there, as
        `formulas.steering.steer` takes it, or None.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.

    Returns
    -------
    unsound : list over places of (token, nan)
        The first token whose state is not finite once it is turned, -1 where all are; whether
        it is NaN, and not infinity.
    ratios : list of float
        Of each place where something is turned, the largest |delta|/|h| of a token.
    logits : bool
        Whether those of the next token are finite; minus infinity rules a token out.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        found = nnsight.save([])
        ratios = nnsight.save([])
        sound = nnsight.save([])
        here = only_prompt(inputs, lm.device)
        here["fired"] = {}
        for path, io, payload in moved(places, lm.device):
            given = given_at(lm, path, io)
            state = given[0] if isinstance(given, (tuple, list)) else given
            rows = state if state.dim() == 3 else state.reshape(1, -1, state.shape[-1])
            if payload is not None:
                here["notes"] = []
                rows[:] = turned(rows, payload, here)
                for _, sizes in here["notes"]:
                    ratios.append(float((sizes[0] / sizes[1]).nan_to_num(0.0, INF, INF).max()))
            _, token, nan = first_unsound(rows)
            found.append((token, nan))
        logits = lm.output.logits[:, -1].float()
        likely = logits.isfinite() | (logits == -INF)
        sound.append(bool(likely.all()) and bool(logits.isfinite().any()))
    return found, ratios, sound[0]
