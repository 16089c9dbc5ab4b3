"""Steers applied to one forward pass."""

from __future__ import annotations

from typing import Any

import torch

from volvelle.formulas.steering import steer as turned
from volvelle.models.traces.sites import given_at, rows_of


def steer(lm: Any, sites: list[tuple[str, str, dict[str, Any]]], here: dict[str, Any]) -> None:
    """Turn the states of one forward pass, in the order of the sites.

    `here` describes the pass, as `formulas.steering.steer` takes it: ``step`` 0 for the prompt,
    then one per generated token; ``ids`` (rows, tokens), left-padded; ``ended`` (rows,);
    ``notes``, a list that gets what was applied, or None; ``before``, a list that gets the
    states of the first site as they come where they come as a tensor, or None.
    """
    here["fired"] = {}
    for n, (path, io, payload) in enumerate(sites):
        given = given_at(lm, path, io)
        whole = not isinstance(given, (tuple, list))
        rows = rows_of(given if whole else given[0], len(here["ids"]))
        if n == 0 and whole and here.get("before") is not None:
            here["before"].append(rows.clone())
        steered = turned(rows, payload, here)
        if steered is not rows:
            rows[:] = steered


def only_prompt(inputs: dict[str, Any], device: Any) -> dict[str, Any]:
    """Describe the one pass of a run that generates nothing, as `steer` takes it."""
    seen = inputs["input_ids"].to(device)
    ended = torch.zeros(len(seen), dtype=torch.bool, device=device)
    return {"step": 0, "ids": seen, "ended": ended, "notes": None}
