"""Writing: rows generated together, steered, each drawing its own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.reductions import moved
from volvelle.models.traces.steer import steer

if TYPE_CHECKING:
    from collections.abc import Callable


def write(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: Callable[..., None] | None = None,
    *,
    backend: Any = None,
) -> tuple[list[Any], ...]:
    """Generate rows together, steered, each drawing its own tokens.

    The token is drawn here and forced on the generation loop by its logits, so that the same
    body samples on any server. It knows itself when the last row has ended and leaves the loop
    then: a loop that asks for a step the run does not make would skip what follows.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        ``input_ids`` and ``attention_mask``, left-padded.
    sites : list of (path, io, payload)
        In the order of the forward pass; payloads as `formulas.steering.steer` takes them.
    settings : dict
        ``n`` steps, ``temperature``, ``seeds`` and which of them each row draws from
        (``of_row``, a tensor), ``eos`` and ``watch`` (tensors of ids: what ends a row, whose
        probabilities are kept), ``noting`` (whether to note what steering did), ``keeping``
        (whether to keep the states that reach the first site, and the keys and values),
        ``generate`` (arguments of the loop).
    on_step : callable(step, ids, logprobs, watched, touched), optional
        Called with every step's tokens, -1 for rows that ended, and, where steering is noted,
        which of the tokens read it touched; may raise to end it all.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.

    Returns
    -------
    ids : list of torch.Tensor, int64, each (rows,)
        -1 after a row's end.
    logprobs : list of torch.Tensor, float32, each (rows,)
    watched : list of torch.Tensor, float32, each (rows, watch)
        Natural-log probabilities before the step's token is drawn.
    notes : list over steps of list over sites
    before : list of torch.Tensor, each (rows, tokens, d)
        What reached the first site, padding too; empty unless kept.
    cache : list of one Cache
        Keys and values of what was read; empty unless kept, or where there are none.
    """
    with torch.no_grad(), lm.generate(**inputs, **settings["generate"], backend=backend) as run:
        ids = nnsight.save([])
        logprobs = nnsight.save([])
        watched = nnsight.save([])
        notes = nnsight.save([])
        before = nnsight.save([])
        cache = nnsight.save([])
        device = lm.device
        places = moved(sites, device)
        noise = [torch.Generator().manual_seed(seed) for seed in settings["seeds"]]
        of_row = settings["of_row"].to(device)
        seen = inputs["input_ids"].to(device)
        eos, watch = settings["eos"].to(device), settings["watch"].to(device)
        ended = torch.zeros(len(seen), dtype=torch.bool, device=device)
        for step in run.iter[: settings["n"]]:
            noted = [] if settings["noting"] else None
            here = {"step": step, "ids": seen, "ended": ended, "notes": noted}
            here["before"] = before if settings["keeping"] else None
            steer(lm, places, here)
            out = lm.output
            logits = out.logits[:, -1]
            if step == 0 and settings["keeping"] and getattr(out, "past_key_values", None):
                cache.append(out.past_key_values)
            logp = logits.float().log_softmax(-1)
            chosen = draw(logp, settings["temperature"], noise, of_row)
            logprob = logp.gather(-1, chosen[:, None])[:, 0]
            logits.fill_(float("-inf"))
            logits.scatter_(-1, chosen[:, None], 0.0)
            ids.append(torch.where(ended, -1, chosen))
            logprobs.append(logprob)
            watched.append(logp[:, watch])
            notes.append(moved(noted, "cpu"))
            ended = ended | torch.isin(chosen, eos)
            seen = chosen[:, None]
            if on_step is not None:
                marks = touched_in(noted)
                told = (ids[-1], logprob, watched[-1])
                on_step(step, *(part.tolist() for part in told), marks)
            if bool(ended.all()):
                break
    return ids, logprobs, watched, notes, before, cache


def draw(
    logp: torch.Tensor, temperature: float, noise: list[torch.Generator], of_row: torch.Tensor
) -> torch.Tensor:
    """Choose the next token of each row, each by its own generator.

    Sampling is by exponential races, ``argmax p / E``: with the same noise, rows whose
    probabilities differ little choose the same token, which couples a steered row to its
    baseline.

    Parameters
    ----------
    logp : torch.Tensor, float32, shape (rows, vocabulary)
    temperature : float
        0 takes the likeliest.
    noise : list of torch.Generator, on the CPU
    of_row : torch.Tensor, int64, shape (rows,)
        Which generator each row draws from; rows that share one share its draws.

    Returns
    -------
    torch.Tensor, int64, shape (rows,)
    """
    if temperature <= 0:
        return logp.argmax(-1)
    width = logp.shape[-1]
    race = torch.stack([torch.empty(width).exponential_(generator=g) for g in noise])
    return (logp / temperature - race.log().to(logp.device)[of_row]).argmax(-1)


def tell(  # noqa: PLR0917 - the arguments of a step's callback
    mark: str,
    step: int,
    ids: list[int],
    logprobs: list[float],
    watched: list[list[float]],
    touched: list[list[bool]],
) -> None:
    """Print one step as a line of numbers: a server's log is what comes back while it runs.

    Which tokens were touched goes as one hexadecimal number a row, the first token its highest
    bit, in as many digits as the tokens need.

    Parameters
    ----------
    mark : str
        The request's own, with which every line of it begins.
    step : int
        From 0.
    ids : list of int, one per row
        -1 for rows that have ended.
    logprobs : list of float, one per row
        Natural log.
    watched : list of list of float, shape (rows, watch)
        Natural log.
    touched : list of list of bool, shape (rows, tokens read)
        As `touched_in` returns them; empty where nothing was noted.
    """
    flat = [f"{p:.7g}" for p in logprobs]
    for row in watched:
        flat += [f"{p:.7g}" for p in row]
    for marks in touched:
        bits = "".join("1" if on else "0" for on in marks)
        flat.append(f"{int(bits, 2):0{(len(bits) + 3) // 4}x}")
    print(" ".join([mark, str(step), *map(str, ids), *flat]) + "\n", end="")  # noqa: T201


def touched_in(noted: list[Any] | None) -> list[list[bool]]:
    """Return which tokens any steer of one pass touched, per row; empty where none was noted."""
    masks = [mask for site, _ in noted or [] for mask in site]
    return torch.stack(masks).any(0).tolist() if masks else []
