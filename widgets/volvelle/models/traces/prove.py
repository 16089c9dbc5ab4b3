"""A model's equations, tried where it is: alone, or with the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.finite import first_unsound
from volvelle.formulas.proofs import (
    ADDED,
    ATTN,
    INF,
    MID,
    MLP,
    SAME,
    blocks,
    has_middle,
    off_by,
    same_beginning,
    stream,
    through_heads,
    tolerances,
    worst,
    written_back,
)
from volvelle.models.traces.predict import predict
from volvelle.models.traces.sites import rows_of, state_at

if TYPE_CHECKING:
    from collections.abc import Callable

# What of a block passes to others or is added to others: both sides are compared.
GIVEN = ("block", "attn_post", "mlp_post", "mid")
# The equations of the second pass, and of all of them, for where they cannot be run.
WRITTEN = ("write", "attn_out", "attn_out_post", "mlp_out", "mlp_out_post", "resid_mid")
ALL = ("stream", "looking ahead", *WRITTEN, "z", "unembed", "right padding", "left padding")


def prove(lm: Any, asked: dict[str, Any], *, backend: Any = None) -> dict[str, Any]:
    """Try a model's equations in three passes; `tried` documents it."""
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save(tried(lm, asked))
    return found  # noqa: RET504 - nnsight hands saved values back by name


def riding(
    lm: Any,
    asked: dict[str, Any],
    body: Callable[..., Any],
    args: tuple[Any, ...],
    told: dict[str, Any],
    *,
    backend: Any = None,
) -> tuple[dict[str, Any], Any]:
    """Try a model's equations and run a body, in one request.

    Parameters
    ----------
    lm : nnsight TransformersModel
    asked : dict
        As `tried` takes it.
    body : callable
        Of this package.
    args, told
        Its arguments.
    backend : nnsight Backend, optional
        What takes the request to a server.

    Returns
    -------
    proven : dict
        What `tried` returns.
    found
        What the body returns.
    """
    with torch.no_grad(), lm.session(backend=backend):
        proven = nnsight.save(tried(lm, asked))
        found = nnsight.save(body(lm, *args, **told))
    return proven, found


def tried(lm: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Try every equation, within a session.

    Parameters
    ----------
    lm : nnsight TransformersModel
    asked : dict
        ``paths`` (a list over blocks of dicts of place to path, "" for none), ``d_model``,
        ``heads`` (0 where it is not known), ``by`` (d,), what is added; ``ids`` (3, tokens): a
        row, one whose end differs and one that ends in padding, ``short`` tokens before that;
        ``left``, the inputs of a row and the short one behind padding; ``unembed`` (paths of what
        the last state passes, scale and soft cap of the logits).

    Returns
    -------
    dict
        ``"off"``, a dict of name to (off, where); ``"failed"``, a dict of name to why it could
        not be tried; ``"eps"`` of the model's precision; ``"middle"``, whether blocks have one;
        ``"unsound"``, the first block whose states are not finite, the token (of ``ids``, the
        first row) and whether it is NaN; the number of blocks stands for the logits. None where
        all is finite.
    """
    eps = float(torch.finfo(lm.dtype).eps)
    rounding, close = tolerances(eps)
    asked = {**asked, "close": close}
    off: dict[str, tuple[float, str]] = {}
    failed: dict[str, str] = {}
    found = {"eps": eps, "off": off, "failed": failed, "middle": False, "unsound": None}
    try:
        read = first_pass(lm, asked)
    except Exception as error:  # noqa: BLE001 - whatever an architecture raises
        failed |= dict.fromkeys(ALL, said(error))
        return found
    shape = (*asked["ids"].shape, asked["d_model"])
    found["middle"] = has_middle(read["record"])
    found["unsound"] = unsound(read["record"], read["logits"])
    off |= {"stream": stream(read["record"], read["runs"], shape), **read["off"]}
    failed |= read["failed"]
    for name, other in (("looking ahead", 1), ("right padding", 2)):
        off[name] = same_beginning(read["record"], 0, other, asked["short"])
    try:
        written = second_pass(lm, asked, read)
        changed = off_by(written["logits"][:1], read["logits"][:1, -1])
        off["write"] = worst([
            written_back(written["record"]), (changed, "at the logits")
        ])  # fmt: skip
        record = written["record"], written["vectors"]
        off |= blocks(asked["paths"], read["record"], *record, 4 * rounding)
    except Exception as error:  # noqa: BLE001 - as above
        failed |= dict.fromkeys(WRITTEN, said(error))
    try:
        after = third_pass(lm, asked)
        wanted = read["logits"][0, asked["short"] - 1].log_softmax(-1)
        off["left padding"] = off_by(after, wanted), "at the next token"
    except Exception as error:  # noqa: BLE001 - as above
        failed["left padding"] = said(error)
    return found


def unsound(record: list[dict[str, Any]], logits: torch.Tensor) -> tuple[int, int, bool] | None:
    """Return where the first row of a pass stops being finite, as `tried` tells it."""
    # what a model rules out has a logit of minus infinity
    likely = logits.masked_fill(logits == -INF, 0.0)
    for n, state in enumerate([*(block["block.out"] for block in record), likely]):
        if state is None or state.dim() != 3:
            continue
        _, token, nan = first_unsound(state[:1])
        if token >= 0:
            return n, token, nan
    return None


def said(error: Exception) -> str:
    """Return an error's kind and its first line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"


def first_pass(lm: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Read everything, and try what the heads become and what the last state is as logits."""
    paths, rows = asked["paths"], len(asked["ids"])
    with lm.trace(input_ids=asked["ids"], use_cache=False) as run:
        kept = watched(lm, run, paths)
        logits = lm.output.logits
        found = {"logits": logits.float().cpu(), "runs": runs_of(lm, kept, paths)}
        found |= {"record": recorded(lm, kept, paths, rows), "off": {}, "failed": {}}
        found["order"] = list(kept.keys())
        for name, one in (("z", heads_of), ("unembed", head_of)):
            try:
                off = one(lm, asked, kept, logits)
                found["off"] |= {} if off is None else {name: off}
            except Exception as error:  # noqa: BLE001 - as above
                found["failed"][name] = said(error)
        told = nnsight.save(found)
    return told  # noqa: RET504 - nnsight hands saved values back by name


def watched(lm: Any, run: Any, paths: list[dict[str, str]]) -> Any:
    """Have what passes every place of every block kept as often as it does, in copies."""
    # on another device it is a copy anyway; here only in another precision than the model's
    dtype = torch.float32 if lm.dtype != torch.float32 else torch.float64
    dtype = dtype if lm.device.type == "cpu" else None
    wanted = [lm.get(path).path for places in paths for path in places.values() if path]
    # one for both sides: a sandbox takes no second one
    return run.cache(modules=wanted, dtype=dtype, include_inputs=True)


def runs_of(lm: Any, kept: Any, paths: list[dict[str, str]]) -> list[int]:
    """Return how often each block ran."""
    ran = set(kept.keys())
    blocks = [lm.get(places["block"]).path for places in paths]
    return [len(kept[path]) if path in ran else 0 for path in blocks]


def recorded(
    lm: Any, kept: Any, paths: list[dict[str, str]], rows: int
) -> list[dict[str, torch.Tensor | None]]:
    """Return what passed every place, as `formulas.proofs` takes it."""
    found = []
    for places in paths:
        block: dict[str, torch.Tensor | None] = {}
        for place in places:
            path = places[place]
            block[f"{place}.out"] = in_rows(once(lm, kept, path, "output"), rows)
            if place in GIVEN:
                block[f"{place}.in"] = in_rows(once(lm, kept, path, "input"), rows)
        found.append(block)
    return found


def once(lm: Any, view: Any, path: str, side: str) -> torch.Tensor | None:
    """Return what passed a place, None where nothing did or several things did."""
    whole = lm.get(path).path if path else ""
    if whole not in set(view.keys()) or len(view[whole]) != 1:
        return None
    value = getattr(view[whole], side)
    value = value[0] if isinstance(value, (tuple, list)) and value else value
    return value.float() if isinstance(value, torch.Tensor) else None


def in_rows(state: torch.Tensor | None, rows: int) -> torch.Tensor | None:
    """Bring what an mlp of OPT gives, (rows * tokens, d), to (rows, tokens, d)."""
    if state is not None and state.dim() == 2 and len(state) % rows == 0:
        return state.view(rows, -1, state.shape[-1])
    return state


def heads_of(
    lm: Any, asked: dict[str, Any], kept: Any, logits: torch.Tensor
) -> tuple[float, str] | None:
    """Try that z, head after head through the projection, is what the attention gives."""
    found = []
    for n, places in enumerate(asked["paths"]):
        if not places["z"]:
            continue
        z, project = once(lm, kept, places["z"], "input"), once(lm, kept, places["z"], "output")
        given = once(lm, kept, places["attention"], "output")
        if z is None or project is None or given is None or project.numel() != given.numel():
            found.append((INF, f"at block {n}"))
            continue
        project = project.view(given.shape)
        stream = once(lm, kept, places["block"], "input")
        off = off_by(project, given)
        if stream is not None and stream.shape == given.shape:
            # Bloom's attention adds the stream to what it gives
            off = min(off, off_by(project + stream, given))
        found.append((off, f"at block {n}"))
        heads, row = asked["heads"], in_rows(z, len(asked["ids"]))
        if heads and row is not None:
            if row.shape[-1] % heads:
                where = f"at block {n}, where z is {row.shape[-1]} wide for {heads} heads"
                found.append((INF, where))
                continue
            module = lm.get(places["z"])
            here = row[0].to(logits.device, lm.dtype)
            whole = through_heads(module, here, heads).float().cpu()
            wanted = project.view(len(asked["ids"]), -1, project.shape[-1])[0]
            found.append((off_by(whole, wanted), f"at block {n}, head after head"))
    return worst(found) if found else None


def head_of(lm: Any, asked: dict[str, Any], kept: Any, logits: torch.Tensor) -> tuple[float, str]:
    """Try that the last state, normed, projected, unembedded, scaled and capped, is the logits."""
    last, scale, cap = once(lm, kept, asked["paths"][-1]["block"], "output"), *asked["logits"]
    if last is None or last.dim() != 3:
        return INF, "where the last block gives none"
    state = last[:1].to(logits.device, lm.dtype)
    for path in asked["unembed"]:
        if path:
            state = lm.get(path)(state)
    found, wanted = state.float().cpu() * scale, logits[:1].float().cpu()
    if cap:
        found = cap * (found / cap).tanh()
    off, where = off_by(found, wanted), ""
    if found.shape == wanted.shape and off > asked["close"]:
        times = float((found * wanted).sum() / (found * found).sum())
        if off_by(times * found, wanted) < asked["close"]:
            where = f"because the logits are {times:.4g} times that"
    return off, where


def second_pass(lm: Any, asked: dict[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    """Write states back behind every block, and add vectors there and within the blocks."""
    paths, rows = asked["paths"], MID + 1
    middle, order = has_middle(read["record"]), read["order"]
    with lm.trace(input_ids=asked["ids"][:1].repeat(rows, 1), use_cache=False) as run:
        kept = watched(lm, run, paths)
        vectors = []
        for places, seen in zip(paths, read["record"], strict=True):
            start = rows_of(state_at(lm, places["block"], "input"), rows)
            start[ATTN:] = start[: SAME + 1]
            added = {}
            for row, path, io in where_added(lm, places, seen, order, middle=middle):
                state = rows_of(state_at(lm, path, io), rows)
                added[row] = push(state, row, asked["by"])
            state = rows_of(state_at(lm, places["block"], "output"), rows)
            new = state.clone()
            push(new, ADDED, asked["by"])
            state[:] = new
            vectors.append(added)
        found = {"logits": lm.output.logits[:, -1].float().cpu(), "vectors": vectors}
        found["record"] = recorded(lm, kept, paths, rows)
        told = nnsight.save(found)
    return told  # noqa: RET504 - nnsight hands saved values back by name


def where_added(
    lm: Any, places: dict[str, str], seen: dict[str, Any], order: list[str], *, middle: bool
) -> list[tuple[int, str, str]]:
    """Return the row, path and side of each place of a block, in the order in which they run."""
    wanted = []
    for row, part in ((ATTN, "attn"), (MLP, "mlp")):
        part = f"{part}_post" if places[f"{part}_post"] else part  # noqa: PLW2901 - the same part
        if fits(seen[f"{part}.out"], seen):
            wanted.append((row, places[part], "output"))
    if middle and fits(seen["mid.in"], seen):
        wanted.append((MID, places["mid"], "input"))
    return sorted(wanted, key=lambda one: (order.index(lm.get(one[1]).path), one[2]))


def fits(state: torch.Tensor | None, seen: dict[str, Any]) -> bool:
    """Whether a state has the shape of what enters its block."""
    stream = seen["block.in"]
    return state is not None and stream is not None and state.shape == stream.shape


def push(state: torch.Tensor, row: int, by: torch.Tensor) -> torch.Tensor:
    """Add a vector to a row, in multiples of its root mean square, and return what was added."""
    # without position 0, whose norm is another size
    size = state[row, 1:].float().square().mean().sqrt()
    added = (by.to(state.device) * size).to(state.dtype)
    state[row] += added
    return added.float().cpu()


def third_pass(lm: Any, asked: dict[str, Any]) -> torch.Tensor:
    """Return the log-probabilities behind a short row that padding stands before."""
    scores, _ = predict(lm, asked["left"], [], None)
    return scores[1].float().cpu()
