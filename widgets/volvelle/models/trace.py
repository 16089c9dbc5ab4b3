"""The bodies of every trace: what runs inside the model, here or on a server.

Torch, plain Python and nnsight only, no classes, and of volvelle nothing but `trace_math`: a
remote server is sent this module and that one. Each body is a function of its own, so that a
trace that ends early leaves no value of an earlier one behind, and takes plain values, lists
and tensors. Sites come as ``(path, io)`` or ``(path, io, payload)`` in the order the forward
pass reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.compute import trace_math

if TYPE_CHECKING:
    from collections.abc import Callable

# A token this many times the median norm of its text is an outlier.
OUTLIER = 4.0


def state_at(lm: Any, path: str, io: str) -> torch.Tensor:
    """Return the state at a place, whether the module gives a tensor or a tuple.

    Writing into what is returned writes into the model.
    """
    envoy = lm.get(path)
    state = envoy.output if io == "output" else envoy.input
    return state[0] if isinstance(state, tuple) else state


def rows_of(state: torch.Tensor, rows: int) -> torch.Tensor:
    """Bring a state to (rows, tokens, d): OPT's mlp works on (rows * tokens, d)."""
    return state if state.dim() == 3 else state.view(rows, -1, state.shape[-1])


def outliers(norms: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mark tokens of extreme norm, each text by itself.

    Parameters
    ----------
    norms : torch.Tensor, shape (rows, tokens)
    real : torch.Tensor, bool, shape (rows, tokens)
        False on padding and on position 0, which is extreme in every text.
    """
    median = norms.masked_fill(~real, float("nan")).nanmedian(-1, keepdim=True).values
    return real & (norms > OUTLIER * median)


def reduce(
    state: torch.Tensor, lengths: torch.Tensor, how: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduce right-padded states where they are, and copy what is kept.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    lengths : torch.Tensor, shape (rows,)
        Real tokens of each row.
    how : str
        ``"all"`` everything; ``"last"`` the last real token; ``"mean"`` without position 0 and
        outliers; ``"norm"`` nothing but the norms.

    Returns
    -------
    kept : torch.Tensor, shape (rows, tokens, d) or (rows, d) or (0,)
    norms : torch.Tensor, float32, shape (rows, tokens)
        Empty for ``"all"``, whose norms can be taken afterwards.
    """
    if how == "all":
        return state.clone(), state.new_empty(0)
    norms = state.float().norm(dim=-1)
    if how == "norm":
        return state.new_empty(0), norms
    lengths = lengths.to(state.device)
    if how == "last":
        return state[torch.arange(len(state)), lengths - 1].clone(), norms
    place = torch.arange(state.shape[1], device=state.device)
    real = (place < lengths[:, None]) & (place > 0)
    # a text of one token has nothing but position 0
    kept = torch.where((lengths > 1)[:, None], real & ~outliers(norms, real), place == 0).float()
    mean = torch.einsum("rtd,rt->rd", state.float(), kept) / kept.sum(-1, keepdim=True)
    return mean, norms


def read(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str]],
    lengths: torch.Tensor,
    how: str,
    backend: Any = None,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Read states in one forward pass that ends at the deepest of them."""
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        states = nnsight.save(
            [
                reduce(rows_of(state_at(lm, path, io), len(lengths)), lengths, how)
                for path, io in sites
            ]
        )
        run.stop()
    return states


def steer(lm: Any, sites: list[tuple[str, str, dict[str, Any]]], here: dict[str, Any]) -> None:
    """Turn the states of one forward pass, in the order of the sites."""
    for path, io, payload in sites:
        state = state_at(lm, path, io)
        rows = rows_of(state, len(here["ids"]))
        rows[:] = trace_math.steer(rows, payload, here)


def whereabouts(
    step: int, ids: torch.Tensor, real: torch.Tensor, lengths: torch.Tensor, special: torch.Tensor
) -> dict[str, Any]:
    """Describe the tokens one forward pass sees, for the steers.

    Returns
    -------
    dict
        ``step`` 0 for the prompt, then one per generated token; ``ids`` and ``real``
        (rows, tokens), left-padded; ``index`` (rows, tokens) counted from the row's first real
        token; ``lengths`` (rows,) of the prompts; ``special`` (rows, tokens).
    """
    if step == 0:
        index = real.long().cumsum(-1) - 1
    else:
        index = (lengths + step - 1)[:, None]
    return {
        "step": step,
        "ids": ids,
        "real": real,
        "index": index,
        "lengths": lengths,
        "special": torch.isin(ids, special),
    }


def draw(
    logits: torch.Tensor, temperature: float, generators: list[torch.Generator]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose the next token of each row, each by its own generator.

    Sampling is by exponential races, ``argmax p / E``: with the same noise, rows whose
    probabilities differ little choose the same token, which couples a steered row to its
    baseline.

    Parameters
    ----------
    logits : torch.Tensor, shape (rows, vocabulary)
    temperature : float
        0 takes the likeliest.
    generators : list of torch.Generator, on the CPU

    Returns
    -------
    chosen : torch.Tensor, int64, shape (rows,)
    logprob : torch.Tensor, float32, shape (rows,)
        Natural log of its probability at temperature 1.
    """
    logp = logits.float().log_softmax(-1)
    if temperature > 0:
        race = torch.stack(
            [torch.empty(logp.shape[-1]).exponential_(generator=g) for g in generators]
        ).to(logp.device)
        chosen = (logp / temperature - race.log()).argmax(-1)
    else:
        chosen = logp.argmax(-1)
    return chosen, logp.gather(-1, chosen[:, None])[:, 0]


def write(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: Callable[[int, list[int], list[float]], None] | None = None,
    backend: Any = None,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Generate rows together, steered, each drawing its own tokens.

    The token is drawn here and forced on the generation loop by its logits, so that the same
    body samples on any server. It knows itself when the last row has ended and leaves the loop
    then: a loop that asks for a step the run does not make would skip what follows.

    Parameters
    ----------
    inputs : dict
        ``input_ids`` and ``attention_mask``, left-padded.
    settings : dict
        ``n`` steps, ``temperature``, ``seeds`` (one per row), ``eos`` and ``special`` (tensors
        of ids), ``generate`` (arguments of the loop).
    on_step : callable(step, ids, logprobs), optional
        Called with every step's tokens; may raise to end the generation.

    Returns
    -------
    ids : list of torch.Tensor, int64, each (rows,)
    logprobs : list of torch.Tensor, float32, each (rows,)
    """
    with torch.no_grad(), lm.generate(**inputs, **settings["generate"], backend=backend) as run:
        ids = nnsight.save([])
        logprobs = nnsight.save([])
        generators = [torch.Generator().manual_seed(s) for s in settings["seeds"]]
        seen, real = inputs["input_ids"], inputs["attention_mask"].bool()
        seen, real = seen.to(lm.device), real.to(lm.device)
        lengths = real.sum(-1)
        eos, special = settings["eos"].to(lm.device), settings["special"].to(lm.device)
        ended = torch.zeros(len(seen), dtype=torch.bool, device=lm.device)
        for step in run.iter[: settings["n"]]:
            steer(lm, sites, whereabouts(step, seen, real, lengths, special))
            logits = lm.output.logits[:, -1]
            chosen, logprob = draw(logits, settings["temperature"], generators)
            logits.fill_(float("-inf"))
            logits.scatter_(-1, chosen[:, None], 0.0)
            ids.append(torch.where(ended, -1, chosen))
            logprobs.append(logprob)
            ended = ended | torch.isin(chosen, eos)
            seen, real = chosen[:, None], torch.ones_like(chosen[:, None], dtype=torch.bool)
            if on_step is not None:
                on_step(step, ids[-1].tolist(), logprob.tolist())
            if bool(ended.all()):
                break
    return ids, logprobs


def predict(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    backend: Any = None,
) -> torch.Tensor:
    """Return natural-log probabilities of the next token, shape (rows, tokens asked for)."""
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:  # noqa: F841
        seen, real = inputs["input_ids"], inputs["attention_mask"].bool()
        seen, real = seen.to(lm.device), real.to(lm.device)
        special = settings["special"].to(lm.device)
        steer(lm, sites, whereabouts(0, seen, real, real.sum(-1), special))
        logprobs = lm.output.logits[:, -1].float().log_softmax(-1)
        if settings["tokens"] is not None:
            logprobs = logprobs[:, settings["tokens"].to(lm.device)]
        logprobs = nnsight.save(logprobs)
    return logprobs
