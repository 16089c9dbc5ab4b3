"""The verb `capture`: texts in, states at points out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.points import RESIDUAL, Point
from volvelle.compute.windows import Window, windows
from volvelle.models.engine.prefix import MOST_TEXTS, Prefix, new_cache
from volvelle.models.remote.request import Request
from volvelle.models.traces.reduce import read as read_body
from volvelle.models.verbs.capture import (
    POSITIONS,
    Capture,
    batches,
    find_outliers,
    right_padded,
    to_numpy,
)
from volvelle.models.verbs.unsound import not_finite, quoted
from volvelle.names import unknown
from volvelle.progress import share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.models.engine.architecture import Site
    from volvelle.models.engine.engine import Engine
    from volvelle.models.engine.tokens import Tokens

# Tokens of one forward pass with its padding, and numbers (float32) kept by one: 512 MB.
MOST_TOKENS = 4096
MOST_NUMBERS = 2**27

# Tokens of one forward pass that is worth reporting on while it runs.
LONG = 1024


def capture(
    model: Engine,
    tokens: Sequence[Tokens],
    points: Sequence[Point],
    positions: str = "all",
    *,
    reuse: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Capture:
    """Read states, as `Model.capture` does; the caller is on the model's worker.

    Parameters
    ----------
    model : Engine
    tokens : sequence of Tokens
        Each at most ``model.context`` long.
    points : sequence of Point
        In any order, as `Layout.point` returns them.
    positions, reuse, progress
        As in `Model.capture`.
    """
    if positions not in POSITIONS:
        raise ValueError(unknown("positions", positions, POSITIONS))
    check_lengths(model, tokens)
    if positions == "mean":
        check_means(tokens)
    kept = _Kept(model, tokens, points, positions)
    said = _Progress(model, progress, kept)
    if reuse and positions == "all" and not model.remote and len(tokens) <= MOST_TEXTS:
        for n, text in enumerate(tokens):
            kept.whole(n, _edited(model, text.ids.tolist(), kept.points, said.of([n])))
            kept.hold(model, [n])
            said.done([n])
        return kept.capture()
    plan = batches([len(text) for text in tokens], kept.n_wide, MOST_TOKENS, MOST_NUMBERS)
    for members in plan:
        rows = [tokens[n].ids for n in members if len(tokens[n])]
        members = members[-len(rows) :] if rows else []  # noqa: PLW2901 - ascending lengths
        if rows:
            # without a mask attention takes its fast causal path, and no token sees the
            # padding behind it anyway
            model.hold_padding([len(row) for row in rows], "right")
            ids = right_padded(rows, model.pad_id)["input_ids"]
            inputs = {"input_ids": ids, "use_cache": False}
            request = kept.request(members, inputs)
            read = model.run(request, on_block=said.of(members))
            kept.batch(members, read)
            kept.hold(model, members)
            said.done(members)
    return kept.capture()


def check_lengths(model: Engine, tokens: Sequence[Tokens]) -> None:
    """Raise ValueError for texts the model does not read at once."""
    for text in tokens:
        if len(text) > model.context:
            raise ValueError(
                f"a text has {len(text)} tokens, {model.name} reads {model.context}; "
                "model.capture_windows runs it in overlapping windows"
            )


def check_means(tokens: Sequence[Tokens]) -> None:
    """Raise ValueError for texts whose mean would be over nothing: position 0 is left out."""
    for text in tokens:
        if len(text) < 2:
            raise ValueError(
                f"positions='mean' leaves out position 0, and {text.text!r:.60} has no other "
                f"token ({len(text)} in all): give a sentence; positions='last' reads the state "
                "as it is"
            )


class _Progress:
    """Counts tokens done, and blocks within a forward pass that takes long."""

    def __init__(
        self, model: Engine, progress: Callable[[float, str], None] | None, kept: _Kept
    ) -> None:
        self.model, self.progress = model, progress
        self.lengths = kept.lengths
        self.depth = max((site.order[0] for site in kept.sites), default=0) + 1
        self.total = max(1, int(kept.lengths.sum()))
        self.before = 0

    def of(self, members: Sequence[int]) -> Callable[[int], None] | None:
        """Return what is called before each block of one forward pass."""
        n = int(self.lengths[list(members)].sum())
        if self.progress is None or n < LONG:
            return None
        return lambda layer: self._say(self.before + n * layer / self.depth)

    def done(self, members: Sequence[int]) -> None:
        self.before += int(self.lengths[list(members)].sum())
        self._say(self.before)

    def _say(self, n: float) -> None:
        text = f"{int(n):,} of {self.total:,} tokens"
        self.model.report(self.progress, n / self.total, text)


@dataclass(frozen=True, eq=False)
class WindowedCapture:
    """States of one text of any length at one point.

    Attributes
    ----------
    states : array, float32, shape (n_tokens, d)
    tokens : Tokens
    point : Point
    windows : tuple of Window
        What ran together; the states before a window's ``used`` are the earlier window's.
    left_out : array, bool, shape (n_tokens,)
        Tokens that are the first of the window their state comes from: token 0 alone.
    outliers : array, bool, shape (n_tokens,)
        More than 4 times the median norm of the text.
    """

    states: np.ndarray = field(repr=False)
    tokens: Tokens
    point: Point
    windows: tuple[Window, ...]
    left_out: np.ndarray = field(repr=False)
    outliers: np.ndarray = field(repr=False)


def capture_windows(
    model: Engine,
    tokens: Tokens,
    point: Point,
    size: int,
    overlap: int,
    *,
    reuse: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> WindowedCapture:
    """Read one point along a text of any length, as `Model.capture_windows` does.

    Parameters
    ----------
    model : Engine
    tokens : Tokens
    point : Point
        As `Layout.point` returns it.
    size, overlap : int
        Tokens run together, and how many of them a later window reads again, as `windows` takes
        them.
    reuse, progress
        As in `Model.capture_windows`.
    """
    plan = windows(len(tokens), size, overlap)
    states: np.ndarray | None = None
    for n, window in enumerate(plan):
        of = len(plan)
        part = share(progress, n / of, (n + 1) / of, f"window {n + 1} of {of}: ")
        read = capture(
            model, [tokens[window.start : window.stop]], [point], reuse=reuse, progress=part
        )[point][0]
        if states is None:
            states = np.empty((len(tokens), read.shape[-1]), dtype=np.float32)
        states[window.used : window.stop] = read[window.used - window.start :]
    assert states is not None  # noqa: S101 - there is always a window
    mask = np.ones((1, len(tokens)), dtype=bool)
    outliers = find_outliers(np.linalg.norm(states, axis=-1)[None], mask)[0]
    left_out = np.arange(len(tokens)) == 0
    return WindowedCapture(states, tokens, point, tuple(plan), left_out, outliers)


def read_norms(model: Engine, tokens: Tokens, points: Sequence[Point]) -> dict[Point, float]:
    """Return the median norm of one text's states at points, without position 0 and outliers."""
    kept = _Kept(model, [tokens], points, "norm")
    inputs = {"input_ids": right_padded([tokens.ids], model.pad_id)["input_ids"]}
    request = kept.request([0], inputs | {"use_cache": False})
    read = model.run(replace(request, beside=True))
    return {point: float(read[kept.place[point]][1]) for point in kept.points}


def _request(inputs: dict[str, Any], sites: Sequence[Site], lengths: Any, how: str) -> Request[Any]:
    places = [(site.path, site.io) for site in sites]
    n_read = inputs["input_ids"].numel()
    return Request(read_body, (inputs, places, lengths, how), reads=n_read)


class _Kept:
    """Gathers the batches of one capture into padded arrays."""

    def __init__(
        self, model: Engine, tokens: Sequence[Tokens], points: Sequence[Point], positions: str
    ) -> None:
        self.tokens = tuple(tokens)
        self.points = list(dict.fromkeys(points))
        self.positions = positions
        self.remote = bool(model.remote)
        # several points can lie at one place (resid_pre.5 = resid_post.4): read it once
        self.sites: list[Site] = sorted({model.site(point) for point in self.points})
        self.place = {point: self.sites.index(model.site(point)) for point in self.points}
        self.lengths = np.array([len(text) for text in tokens], dtype=np.int64)
        width = int(self.lengths.max(initial=0))
        self.mask = np.arange(width) < self.lengths[:, None]
        self.norms: dict[Point, np.ndarray] = {}
        self.states: dict[Point, np.ndarray] = {}
        self.n_wide = model.d_model * len(self.sites) if positions == "all" else 1

    def request(self, members: Sequence[int], inputs: dict[str, Any]) -> Request[Any]:
        import torch

        how = "real" if self.remote and self.positions == "all" else self.positions
        return _request(inputs, self.sites, torch.as_tensor(self.lengths[list(members)]), how)

    def batch(self, members: Sequence[int], read: list[tuple[Any, Any]]) -> None:
        for point in self.points:
            state, norms = read[self.place[point]]
            if self.positions == "all":
                self._put_all(point, members, self._padded(members, to_numpy(state)))
            else:
                self._put_one(point, members, to_numpy(state), to_numpy(norms))

    def hold(self, model: Engine, members: Sequence[int]) -> None:
        """Raise NotFinite where a state of some texts is not finite, padding left out."""
        for point in self.points:
            # of pooled states the norms are of all tokens, and a mean may be of none
            if point not in self.norms and point not in self.states:
                continue
            held = self.norms[point] if point in self.norms else self.states[point]
            for n in members:
                # a sum is finite unless an entry is not, or entries overflow together
                if not math.isfinite(_sum(held[n])):
                    _refuse(model, self.tokens[n], point, held[n])

    def _padded(self, members: Sequence[int], state: np.ndarray) -> np.ndarray:
        """Return states with their padding, which a server leaves out."""
        if state.ndim == 3:
            return state
        lengths = self.lengths[list(members)]
        padded = np.zeros((len(members), int(lengths.max()), state.shape[-1]), np.float32)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = state
        return padded

    def whole(self, n: int, states: dict[Point, np.ndarray]) -> None:
        for point, state in states.items():
            self._put_all(point, [n], state[None])

    def _put_all(self, point: Point, members: Sequence[int], state: np.ndarray) -> None:
        if self.mask.shape == (1, state.shape[1]):
            self.states[point] = state  # one text: no copy
            return
        if point not in self.states:
            shape = (*self.mask.shape, state.shape[-1])
            self.states[point] = np.zeros(shape, dtype=np.float32)
        for n, row in zip(members, state, strict=True):
            self.states[point][n, : self.lengths[n]] = row[: self.lengths[n]]

    def _put_one(
        self, point: Point, members: Sequence[int], state: np.ndarray, norms: np.ndarray
    ) -> None:
        if point not in self.norms:
            self.norms[point] = np.zeros(self.mask.shape, dtype=np.float32)
            if state.size:
                self.states[point] = np.zeros((len(self.mask), state.shape[-1]), dtype=np.float32)
        for i, n in enumerate(members):
            self.norms[point][n, : self.lengths[n]] = norms[i, : self.lengths[n]]
            if state.size:
                self.states[point][n] = state[i]

    def capture(self) -> Capture:
        found: dict[Point, np.ndarray] = {}
        outliers = np.zeros_like(self.mask)
        for point in self.points:
            if point not in self.states and point not in self.norms:
                self.states[point] = np.zeros((*self.mask.shape, 0), dtype=np.float32)
            norms, tells = self.norms.get(point), point.kind in RESIDUAL or len(self.points) == 1
            if norms is None and tells:
                norms = np.linalg.norm(self.states[point], axis=-1)
            if norms is not None:
                found[point] = find_outliers(norms, self.mask)
                outliers |= found[point] & tells
        states = {point: self.states[point] for point in self.points if point in self.states}
        return Capture(states, self.mask, outliers, self.tokens, self.positions, found)


def _sum(states: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(states.sum())


def _refuse(model: Engine, tokens: Tokens, point: Point, states: np.ndarray) -> None:
    if not np.isfinite(states).all():
        raise not_finite(model, tokens.ids, f"what {point} holds of {quoted(model, tokens.ids)}")


def _edited(
    model: Engine,
    ids: list[int],
    points: Sequence[Point],
    on_block: Callable[[int], None] | None,
) -> dict[Point, np.ndarray]:
    """Return the states of one text, computing only behind what an earlier text shares."""
    import torch

    if not ids:
        return {}
    before, shared = model.prefixes.take(ids, points)
    if before is not None and shared == len(ids) == len(before.ids):
        model.prefixes.keep(before)
        return {point: before.states[point].copy() for point in points}
    # at least one token runs: it is what carries the early stop
    shared = min(shared, len(ids) - 1)
    cache = before.cache if before is not None else new_cache(model.nnsight._module)  # noqa: SLF001
    if before is not None and shared < len(before.ids):
        cache.crop(shared - len(before.ids))
    sites = sorted({model.site(point) for point in points})
    inputs: dict[str, Any] = {"input_ids": torch.tensor([ids[shared:]])}
    inputs |= {"use_cache": False} if cache is None else {"past_key_values": cache}
    length = torch.tensor([len(ids) - shared])
    read = model.run(_request(inputs, sites, length, "all"), on_block=on_block)
    states = {}
    for point in points:
        state = to_numpy(read[sites.index(model.site(point))][0])[0]
        if before is not None:
            state = np.concatenate([before.states[point][:shared], state])
        states[point] = state
    sound = all(math.isfinite(_sum(state)) for state in states.values())
    if cache is not None and sound:
        # a copy: what the caller gets is the caller's to change
        model.prefixes.keep(Prefix(ids, cache, {p: state.copy() for p, state in states.items()}))
    return states
