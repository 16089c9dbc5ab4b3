"""Equations tried on the model at hand, in three passes over 80 tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from volvelle.formulas.proofs import tolerances
from volvelle.models.engine.facts import heads_of, takes
from volvelle.models.engine.finite import called, cause_of
from volvelle.models.engine.proofs import Proof, Proofs
from volvelle.models.remote.request import Request
from volvelle.models.traces.prove import prove as prove_body

if TYPE_CHECKING:
    from volvelle.models.engine.architecture import Layout
    from volvelle.models.engine.facts import Facts
    from volvelle.models.engine.running import Runner

# Tokens of a row, and of the short one beside it.
LONG, SHORT = 8, 5

STREAM = "each block gives (rows, tokens, d_model), and the next is given what it gave"
AHEAD = "a token's state stays what it is when those behind it change"
WRITE = "states written back change nothing, with a vector added the next block's input by it"
ADDED = "{0}_out_post, and what is added to it, is added to the stream"
ALONE = "what the norm behind it is given is what the {0} gives"
MID = "resid_mid, and what is added to it, is resid_post but for mlp_out_post"
Z = "z through the output projection, head after head, is what the attention gives"
HEAD = "final norm and unembedding of the last state are the logits"
RIGHT = "a row with padding behind it equals the row alone"
LEFT = "a row with padding before it equals the row alone"

# Equations by name, in the order they are shown.
SAID = {
    "stream": STREAM,
    "looking ahead": AHEAD,
    "write": WRITE,
    "resid_mid": MID,
    "attn_out": ADDED.format("attn"),
    "attn_out_post": ADDED.format("attn"),
    "mlp_out": ADDED.format("mlp"),
    "mlp_out_post": ADDED.format("mlp"),
    "z": Z,
    "unembed": HEAD,
    "right padding": RIGHT,
    "left padding": LEFT,
}
# Those whose sides come out of many blocks, and those that are made of differences.
DEEP = ("looking ahead", "write", "unembed", "right padding", "left padding")
OF_DIFFERENCES = ("resid_mid", "attn_out", "attn_out_post", "mlp_out", "mlp_out_post")

PARALLEL = "attention and mlp of a block read the same state, so nothing lies between them"


def prove(model: Facts, run: Runner) -> Proofs:
    """Try every equation; the caller is on the model's worker."""
    asked = asked_of(model)
    n_read = asked["ids"].numel() + asked["left"]["input_ids"].numel()
    found = run(Request(prove_body, (asked,), reads=n_read, beside=True))
    job = run.worker.job
    if job is not None:
        job.check()  # what stopped a pass was noted as its failure
    return proofs_from(model, run, found)


def asked_of(model: Facts) -> dict[str, Any]:
    """Return what `models.traces.prove.tried` is asked."""
    import torch

    layout, ids = model.layout, _ids(model)
    short, empty = ids[:SHORT], [model.pad_id] * (LONG - SHORT)
    left = torch.tensor([ids[::-1], empty + short])
    mask = torch.ones_like(left)
    mask[1, : len(empty)] = 0
    behind: dict[str, Any] = {"input_ids": left, "attention_mask": mask, "use_cache": False}
    if takes(model, "position_ids"):
        behind["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0) + model.first_position
    by = torch.randn(layout.d_model, generator=torch.Generator().manual_seed(0))
    return {
        "paths": [_places(layout, n) for n in range(layout.n_layers)],
        "d_model": layout.d_model,
        "heads": heads_of(model)[0],
        "by": by,
        "ids": torch.tensor([ids, short + ids[: LONG - SHORT], short + empty]),
        "short": SHORT,
        "left": behind,
        "unembed": (layout.norm, layout.project, layout.head),
        "logits": (layout.logit_scale, layout.soft_cap),
    }


def _places(layout: Layout, n: int) -> dict[str, str]:
    block = f"{layout.blocks}.{n}"
    below = {
        "attention": layout.z[n].rpartition(".")[0],
        "z": layout.z[n],
        "attn": layout.attn[n],
        "attn_post": layout.attn_post[n] if layout.attn[n] else "",
        "mid": layout.mid[n],
        "mlp": layout.mlp[n],
        "mlp_post": layout.mlp_post[n] if layout.mlp[n] else "",
    }
    return {"block": block} | {name: path and f"{block}.{path}" for name, path in below.items()}


def _ids(model: Facts) -> list[int]:
    """Return a few different tokens; random models and real ones take any."""
    n = model.vocabulary
    step = max(1, n // 23)
    special = set(model.special_ids) | {model.pad_id}
    chosen = [i % n for i in range(step, 40 * step + 1, step) if i % n not in special]
    return (chosen + [n // 2] * LONG)[:LONG]


def proofs_from(model: Facts, run: Runner, found: dict[str, Any]) -> Proofs:
    """Return what was found, as proofs.

    Parameters
    ----------
    model : Facts
    run : Runner
    found : dict
        What `models.traces.prove.tried` returns.
    """
    rounding, deep = tolerances(found["eps"])
    said = SAID | {
        f"{part}_out": ALONE.format({"attn": "attention"}.get(part, part))
        for part, paths in (("attn", model.layout.attn_post), ("mlp", model.layout.mlp_post))
        if any(paths)
    }
    proofs = []
    for name, equation in said.items():
        allowed = deep if name in DEEP else rounding * (4 if name in OF_DIFFERENCES else 1)
        if name in found["failed"]:
            proofs.append(Proof(name, equation, math.nan, allowed, found["failed"][name]))
        elif name in found["off"]:
            off, where = found["off"][name]
            proofs.append(Proof(name, equation, off, allowed, "" if off <= allowed else where))
    missing = {} if found["middle"] else {"resid_mid": PARALLEL}
    unsound = "" if found["unsound"] is None else _unsound(model, run, *found["unsound"])
    return Proofs(model.name, tuple(proofs), missing, unsound)


def _unsound(model: Facts, run: Runner, block: int, token: int, nan: bool) -> str:
    """Say where a model that is being proven stops giving numbers, and why."""
    where = f"resid_post.{block}" if block < model.layout.n_layers else "the logits"
    return (
        f"what it computes is {called(nan)} from {where} on, first at token {token} of "
        f"{model.tokenizer.decode(_ids(model))!r}; {cause_of(model, remote=bool(run.remote))}"
    )


def failed(model: Facts, said: str) -> Proofs:
    """Return proofs none of which could be tried, and why."""
    proofs = (Proof(name, equation, math.nan, 0.0, said) for name, equation in SAID.items())
    return Proofs(model.name, tuple(proofs))
