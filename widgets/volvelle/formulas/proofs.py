"""Equations of blocks, tried on what passed through them.

Torch only: it travels to a server. A *record* of one forward pass is a list over blocks of dicts:
under ``"attn.out"`` (a place, and which side of it) what passed there, (rows, tokens, d), or None
where nothing did, or several things.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

Passed = dict[str, torch.Tensor | None]
Off = tuple[float, str]

# Infinitely far apart, and not to be told.
INF, NAN = float("inf"), float("nan")

# Rows of the pass in which states are written: one written back as it is, one with a vector added
# behind every block, and, for each place, one with a vector added there, which enters each block
# as the first row does.
SAME, ADDED, ATTN, MLP, MID = range(5)

# What a block adds to the stream, and the row in which a vector is added to it.
PARTS = {"attn": ATTN, "mlp": MLP}

# Below this share of a vector none of it was added.
NOTHING = 1e-3


def tolerances(eps: float) -> tuple[float, float]:
    """Return what rounding may make of a state, and of what comes out of many blocks.

    Parameters
    ----------
    eps : float
        Of the model's precision. In half precision little is exact: only faults of size show.
    """
    return (6 * eps, 0.2) if eps > 1e-5 else (500 * eps, 2e-3)


def off_by(
    found: torch.Tensor | None, wanted: torch.Tensor | None, size: torch.Tensor | None = None
) -> float:
    """Return the largest difference of a token's states, as a share of the largest of them.

    Parameters
    ----------
    found, wanted : torch.Tensor, shape (..., tokens, d), or None
        Infinitely far apart where one is missing or their shapes differ.
    size : torch.Tensor, shape (..., tokens, d), optional
        What the difference is a share of, `wanted` besides.
    """
    if found is None or wanted is None or found.shape != wanted.shape:
        return INF
    of = wanted.abs().amax(-1)
    if size is not None:
        of = torch.maximum(of, size.abs().amax(-1))
    share = ((found - wanted).abs().amax(-1) / of.clamp(min=1e-12)).max()
    return float(share) if bool(share.isfinite()) else INF


def worst(found: list[Off]) -> Off:
    """Return the largest of several differences and where it is; (0, "") where all are 0."""
    return max([(0.0, ""), *found], key=lambda one: one[0])


def stream(record: list[Passed], runs: list[int], shape: tuple[int, int, int]) -> Off:
    """Try that each block gives states of one shape, and that the next is given them.

    Parameters
    ----------
    record : record
    runs : list over blocks of int
        How often each ran.
    shape : (rows, tokens, d)
    """
    found: list[Off] = []
    for n, block in enumerate(record):
        state = block["block.out"]
        if state is None or tuple(state.shape) != shape:
            came = f"runs {runs[n]} times" if state is None else f"gives {tuple(state.shape)}"
            return INF, f"at block {n}, which {came} for (rows, tokens, d_model) = {shape}"
        if n + 1 < len(record):
            found.append((off_by(record[n + 1]["block.in"], state), f"at block {n + 1}"))
    return worst(found)


def written_back(record: list[Passed]) -> Off:
    """Try that the next block is given what was written behind each, which the record holds."""
    rows = slice(SAME, ADDED + 1)
    found: list[Off] = []
    for n in range(1, len(record)):
        wanted, given = record[n - 1]["block.out"], record[n]["block.in"]
        if wanted is None or given is None:
            return INF, f"at block {n}"
        found.append((off_by(given[rows], wanted[rows]), f"at block {n}"))
    return worst(found)


def same_beginning(record: list[Passed], one: int, other: int, n_tokens: int) -> Off:
    """Hold the first tokens of two rows, which are the same tokens, against each other.

    What is not (rows, tokens, d) cannot be: nan.
    """
    found: list[Off] = []
    for n, block in enumerate(record):
        state = block["block.out"]
        if state is None or state.dim() != 3:
            return NAN, f"block {n} does not give (rows, tokens, d_model)"
        found.append((off_by(state[other, :n_tokens], state[one, :n_tokens]), f"at block {n}"))
    return worst(found)


def has_middle(record: list[Passed]) -> bool:
    """Whether the mlp of any block reads another state than its attention does."""
    return any(
        block["mid.in"] is not None and off_by(block["mid.in"], block["block.in"]) > NOTHING
        for block in record
    )


def blocks(
    paths: list[dict[str, str]],
    read: list[Passed],
    written: list[Passed],
    vectors: list[dict[int, torch.Tensor]],
    allowed: float,
) -> dict[str, Off]:
    """Try what each block makes of what its attention and its mlp give.

    Parameters
    ----------
    paths : list over blocks of dict of place to path
        "" where a block has no such place.
    read : record
        Of a pass in which nothing was written; its first row counts.
    written : record
        Of the rows `SAME` to `MID`.
    vectors : list over blocks of dict of row to torch.Tensor, shape (d,)
        What was added in that row.
    allowed : float
        How much rounding may make of it.

    Returns
    -------
    dict of name to (off, where)
        ``"attn_out"``, ``"attn_out_post"``, ``"mlp_out"``, ``"mlp_out_post"`` and ``"resid_mid"``,
        without those that no block has.
    """
    found: dict[str, list[Off]] = {}
    middle = has_middle(read)
    for n, (places, block, change) in enumerate(zip(paths, read, written, strict=True)):
        first = {key: None if state is None else state[0] for key, state in block.items()}
        mid = "mid.in" if middle and places["mid"] else ""
        seen = _block(places, first, change, vectors[n], allowed, mid)
        for name, (off, said) in seen.items():
            found.setdefault(name, []).append((off, f"at block {n}{said and f', {said}'}"))
    return {name: worst(each) for name, each in found.items()}


def _block(  # noqa: PLR0917 - what `blocks` has of one block
    places: dict[str, str],
    read: Passed,
    written: Passed,
    vectors: dict[int, torch.Tensor],
    allowed: float,
    mid: str,
) -> dict[str, Off]:
    """Try one block.

    Parameters
    ----------
    places : dict of place to path
    read, written : dict
        What passed it: of `read` the first row, (tokens, d).
    vectors : dict of row to torch.Tensor, shape (d,)
    allowed : float
    mid : str
        Under which name the stream between attention and mlp passed; "" where there is none.
    """
    parts = [part for part in PARTS if places[part]]
    adds = {part: f"{part}_post.out" if places[f"{part}_post"] else f"{part}.out" for part in parts}
    scale = dict.fromkeys(parts, 1.0)
    pushed: dict[int, Off] = {}
    # the mlp first: what is added before it reaches the end of the block through it too
    for row in (MLP, ATTN, MID):
        at = mid if row == ATTN and mid else "block.out"
        change, size = _change(written, at, row), written[at]
        if row != MLP and at == "block.out" and "mlp" in parts:
            through = _times(-scale["mlp"], _change(written, adds["mlp"], row))
            change = _sum(change, through)
        if row not in vectors or change is None or size is None:
            pushed[row] = INF, "where it does not run once"
            continue
        off, some, said = answered(change, vectors[row], size[SAME], allowed)
        pushed[row] = off, said
        scale |= {part: some for part in parts if row == PARTS[part]}
    sums = _sums({part: _times(scale[part], read[adds[part]]) for part in parts}, read, mid)
    found: dict[str, Off] = {}
    for part in parts:
        found[f"{part}_out_post"] = worst([pushed[PARTS[part]], (sums[part], "")])
        # scaled before it is added it is what the module gives all the same
        found[f"{part}_out"] = pushed[PARTS[part]] if scale[part] == 1 else (sums[part], "")
        if places[f"{part}_post"]:
            found[f"{part}_out"] = off_by(read[f"{part}_post.in"], read[f"{part}.out"]), ""
    if mid and "mlp" in parts:
        found["resid_mid"] = worst([pushed[MID], (sums["mlp"], "")])
    return found


def _sums(added: dict[str, torch.Tensor | None], read: Passed, mid: str) -> dict[str, float]:
    """Hold the stream with what the parts of a block add against the stream behind them."""
    pre, out = read["block.in"], read["block.out"]
    if mid:
        halves = {"attn": (pre, read[mid]), "mlp": (read[mid], out)}
        return {
            part: off_by(_sum(halves[part][0], state), halves[part][1], halves[part][0])
            for part, state in added.items()
        }
    # of one part alone it is not known what the other adds
    both = off_by(_sum(pre, *added.values()), out, pre) if len(added) == len(PARTS) else 0.0
    return dict.fromkeys(added, both)


def _change(record: Passed, at: str, row: int) -> torch.Tensor | None:
    state = record[at]
    return None if state is None or state.dim() != 3 else state[row] - state[SAME]


def _times(scale: float, state: torch.Tensor | None) -> torch.Tensor | None:
    return None if state is None else scale * state


def _sum(*states: torch.Tensor | None) -> torch.Tensor | None:
    total = None
    for state in states:
        if state is None or (total is not None and state.shape != total.shape):
            return None
        total = state if total is None else total + state
    return total


def answered(
    change: torch.Tensor, added: torch.Tensor, size: torch.Tensor, allowed: float
) -> tuple[float, float, str]:
    """Hold the change of a state (tokens, d) against the vector (d,) that was added before it.

    Parameters
    ----------
    change : torch.Tensor, shape (tokens, d)
    added : torch.Tensor, shape (d,)
    size : torch.Tensor, shape (tokens, d)
        The state: its rounding is that of the change.
    allowed : float

    Returns
    -------
    off : float
        By how much they differ, as a share of what the state or the vector holds.
    scale : float
        How much of the vector the change is, where it is that and nothing else; otherwise 1.
    said : str
        The same in words.
    """
    wanted = added.expand_as(change)
    off = off_by(change, wanted, size)
    if off <= allowed or off == INF:
        return off, 1.0, ""
    scale = float((change @ added).mean() / (added @ added))
    if off_by(change, scale * wanted, torch.maximum(size.abs(), wanted.abs())) > allowed:
        return off, 1.0, ""
    if abs(scale) < NOTHING:
        return off, 1.0, "none of it is"
    return off, scale, f"scaled: {scale:.3g} of it is"


def through_heads(
    project: Callable[[torch.Tensor], torch.Tensor], z: torch.Tensor, n: int
) -> torch.Tensor:
    """Return what z gives through its projection, head after head and its bias once.

    Parameters
    ----------
    project : callable
        The projection, of (rows, tokens, width).
    z : torch.Tensor, shape (tokens, width)
    n : int
        Heads, each ``width / n`` wide.

    Returns
    -------
    torch.Tensor, float64, shape (tokens, d)
    """
    width = z.shape[-1] // n
    head = torch.arange(z.shape[-1], device=z.device) // width
    each = torch.stack([z * (head == one) for one in range(n)])
    bias = project(torch.zeros_like(z)[None])[0].double()
    return bias + (project(each).double() - bias).sum(0)
