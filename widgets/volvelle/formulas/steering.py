"""Steering as formulas: what each method does to states, where, and what it notes.

Torch only, and of volvelle nothing but `encoder`: both travel to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from volvelle.formulas.encoder import encode, length, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping


def along(h: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Return the component of each state (B, T, d) along its row's unit vector (B, d)."""
    return torch.bmm(h, unit.unsqueeze(-1))


def add(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + v, ``vector`` (B, d) in multiples of its unit; neutral only at strength 0."""
    return op["vector"].unsqueeze(1).expand_as(h)


def rescale(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + (c - 1)(h.u)u, c = ``factor`` (B,); neutral c = 1, and c = 0 ablates."""
    amount = (op["factor"] - 1).view(-1, 1, 1) * along(h, op["unit"])
    return amount * op["vector"].unsqueeze(1)


def cap(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """Clip the component into [``low``, ``high``] (B,); neutral -inf, inf."""
    component = along(h, op["unit"])
    low, high = op["low"].view(-1, 1, 1), op["high"].view(-1, 1, 1)
    inside = torch.minimum(torch.maximum(component, low), high)
    return (inside - component) * op["vector"].unsqueeze(1)


def swap(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + (h.u)(t - u), ``vector`` = t - u: what pointed along u points along t; neutral t = u."""
    return along(h, op["unit"]) * op["vector"].unsqueeze(1)


def clamp(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """decode(z') - decode(z), z' = z with features at ``level`` (B, K): the SAE's error cancels.

    ``decoder`` (B, K, d) holds the features' rows. Neutral level: the activation itself.
    """
    reader = op["reader"]
    change = torch.bmm(op["level"].unsqueeze(1) - read(h, reader), op["decoder"])
    scale = normalise(h, reader["options"]["normalize"])[1]
    return change if scale is None else change * scale


def heads(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """Multiply whole heads by ``gain`` (B, H), h (B, T, H * d_head); neutral 1."""
    gain = op["gain"]
    split = h.reshape(h.shape[0], h.shape[1], gain.shape[1], -1)
    return (split * (gain - 1)[:, None, :, None]).view(h.shape)


METHODS = {"add": add, "rescale": rescale, "cap": cap, "swap": swap, "clamp": clamp, "heads": heads}


def read(h: torch.Tensor, reader: Mapping[str, Any]) -> torch.Tensor:
    """Return what a reader sees at each state, shape (..., K).

    Parameters
    ----------
    h : torch.Tensor, shape (..., d_model), float32
    reader : mapping
        ``kind`` ``"projection"``: h.u for ``units`` (K, d_model). ``kind`` ``"sae"``: feature
        activations, with ``weights`` and ``options`` of `encode`; then the columns
        ``features`` (K,), or all where that is None.
    """
    if reader["kind"] == "projection":
        return h @ reader["units"].T
    codes = encode(h, reader["weights"], **reader["options"])
    return codes if reader["features"] is None else codes[..., reader["features"]]


def listed(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Say which of each row's token ids (B, T) stand in that row's table (B, K)."""
    return (ids.unsqueeze(-1) == table.unsqueeze(1)).any(-1)


def said(ids: torch.Tensor, think: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the tokens just read are to a text that may hold thinking, and the new states.

    Parameters
    ----------
    ids : torch.Tensor, int64, shape (B, 1)
    think : mapping
        ``tokens`` (n,) ids in ascending order, ``after`` and ``kinds`` (n, states): where each
        leads from each state, and what it is there. ``state`` (B,) where each row has come to.
        Of other tokens the first row counts. What states and kinds are is the caller's.

    Returns
    -------
    kinds, states : torch.Tensor, int64, shape (B,)
    """
    tokens, state = think["tokens"], think["state"]
    at = torch.searchsorted(tokens, ids[:, 0].contiguous()).clamp(max=len(tokens) - 1)
    row = torch.where(tokens[at] == ids[:, 0], at, 0)
    return think["kinds"][row, state].long(), think["after"][row, state].long()


def touched(op: Mapping[str, Any], here: Mapping[str, Any]) -> torch.Tensor:
    """Return the mask of one forward pass, before strength and condition.

    Parameters
    ----------
    op : mapping
    here : mapping
        ``step``: 0 is the prompt, pass i > 0 reads generated token i - 1. ``ids`` (B, 1) what
        is read (looked at from step 1 on). ``ended`` (B,): rows that read nothing but padding.
        ``said`` (B,), where an op has ``kinds`` (B, kinds): what is read, as `said` tells it.

    Returns
    -------
    torch.Tensor of bool, shape (B, T) at step 0, else (B, 1)
    """
    step = here["step"]
    if step == 0:
        return op["prompt"]
    mask = op["generated"][:, step - 1 : step]
    if op["include"] is not None:
        mask = mask | (listed(here["ids"], op["include"]) & op["kept"][:, step - 1 : step])
    if op["exclude"] is not None:
        mask = mask & ~listed(here["ids"], op["exclude"])
    if op.get("kinds") is not None:
        mask = mask & op["kinds"].gather(1, here["said"].view(-1, 1))
    return mask & ~here["ended"].view(-1, 1)


def meet(h: torch.Tensor, site: Mapping[str, Any], fired: dict[int, torch.Tensor]) -> None:
    """Note in `fired` which states of a site meet its conditions, by key, (B, T) bool each."""
    for condition in site["conditions"]:
        seen = read(h.to(torch.float32), condition["reader"])
        fired[condition["key"]] = (seen > condition["above"]).any(-1)


def steer(h: torch.Tensor, site: Mapping[str, Any], here: dict[str, Any]) -> torch.Tensor:
    """Return the steered states of one site in one forward pass.

    Ops act one after the other, each on what the one before left, in float32.

    Parameters
    ----------
    h : torch.Tensor, shape (B, T, d) at step 0, else (B, 1, d)
    site : mapping
        ``ops`` and ``conditions``; ``think``, where an op tells thinking from answering: a dict as
        `said` takes it, whose ``state`` goes on with every pass.
    here : dict
        As in `touched`; also ``fired``, a dict that lives for one pass and holds the conditions
        met, and ``notes``, a list to which this site adds ``(masks, lengths)``: per op the
        tokens it touched (inside the asked-for mask, condition met, strength not 0), (B, T)
        bool each, and `lengths` of change and state. Without ``notes`` nothing is noted.

    Returns
    -------
    torch.Tensor, like `h`
        Bit for bit `h` where no op is on.
    """
    meet(h, site, here["fired"])
    if here["step"] and site.get("think") is not None:
        here["said"], site["think"]["state"] = said(here["ids"], site["think"])
    masks: list[torch.Tensor] = []
    state = h.to(torch.float32)
    delta = None
    for op in site["ops"]:
        mask = touched(op, here) & (op["strength"] != 0).unsqueeze(1)
        if op["when"] is not None:
            mask = mask & here["fired"][op["when"]]
        before = state if delta is None else state + delta
        change = METHODS[op["method"]](before, op) * op["strength"].view(-1, 1, 1)
        # where, not *: a state of inf in padding must not become NaN through inf * 0
        change = torch.where(mask.unsqueeze(-1), change, 0.0)
        delta = change if delta is None else delta + change
        masks.append(mask)
    if delta is None:
        return h
    if here.get("notes") is not None:
        here["notes"].append((masks, lengths(state, delta)))
    return (state + delta).to(h.dtype)


def lengths(h: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """Return |delta| and |h| of each state, shape (2, B, T), float32."""
    return torch.stack([length(delta).squeeze(-1), length(h).squeeze(-1)])
