"""The verb `observe`: texts in, what readouts make of their states out, here or on a server."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from volvelle.compute.windows import Window, windows
from volvelle.models.remote.request import Request
from volvelle.models.traces.observe import observe as observe_body
from volvelle.models.verbs.capture import batches, right_padded
from volvelle.models.verbs.read import MOST_NUMBERS, MOST_TOKENS, check_lengths, check_means
from volvelle.models.verbs.readout import Size
from volvelle.models.verbs.unsound import not_finite, quoted
from volvelle.models.verbs.way import chosen
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.engine import Engine
    from volvelle.models.engine.finite import NotFinite
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.verbs.capture import Capture
    from volvelle.models.verbs.readout import Batch, Readout

    Asked = Mapping[Point, Sequence[Readout]]
    Found = dict[Point, list[Any]]

# Tokens of a batch that runs here, padding included: a processor is at full speed, and texts of
# like length are padded less than in larger ones (300 templates: 8.5 CPU-s, 12.1 by 4096). On a
# server, where a batch whose states are brought back is a request, they are as large as captures.
TOKENS_AT_ONCE = 1024
# Of a batch, what is done when the model has read it and nothing is made of it yet.
READING = 0.8


class Cut(NamedTuple):
    """A stretch of a text that runs by itself.

    Attributes
    ----------
    text : int
    window : Window
    skip : int
        Tokens at its beginning that are context, and not read.
    """

    text: int
    window: Window
    skip: int

    @property
    def length(self) -> int:
        """Tokens that run."""
        return self.window.stop - self.window.start


def observe(
    model: Engine,
    capture: Callable[..., Capture],
    tokens: Sequence[Tokens],
    asked: Asked,
    *,
    window: int | None = None,
    overlap: int | None = None,
    first: bool = True,
    reuse: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Found:
    """Make readouts, as `Model.observe` does; the caller is on the model's worker.

    Parameters
    ----------
    model : Engine
    capture : callable
        `Model.capture`, which brings states here.
    tokens : sequence of Tokens
    asked : mapping of Point to sequence of Readout
    window, overlap, first, reuse, progress
        As in `Model.observe`.
    """
    cuts = cuts_of(tokens, model.context, window, overlap, first=first)
    _check_pooled(model, tokens, cuts, asked)
    for name in {name for each in asked.values() for one in each for name in one.rests_on}:
        model.hold(name, "what is read of states")
    total = sum(map(len, tokens))

    def tell(n_done: float) -> None:
        said = f"{int(n_done):,} of {total:,} tokens" if n_done < total else f"{total:,} tokens"
        model.report(progress, n_done / total if total else 1.0, said)

    tell(0)
    most, n_wide = MOST_TOKENS if model.remote else TOKENS_AT_ONCE, model.d_model * len(asked)
    members = batches([cut.length for cut in cuts], n_wide, most, MOST_NUMBERS)
    plan = [[cuts[n] for n in each] for each in members]
    size = Size(total, len(tokens), model.d_model)
    there = chosen(model, size, asked) if model.remote else []
    found: Found = {}
    if there:
        found |= _there(model, tokens, plan, {point: asked[point] for point in there})
    rest = {point: each for point, each in asked.items() if point not in there}
    if rest:
        found |= _Here(model, capture, tokens, reuse=reuse).made(plan, rest, tell)
    tell(total)
    return {point: found[point] for point in asked}


def cuts_of(
    tokens: Sequence[Tokens],
    context: int,
    window: int | None = None,
    overlap: int | None = None,
    *,
    first: bool = True,
) -> list[Cut]:
    """Cut texts into overlapping windows; none of a text without tokens.

    Raises
    ------
    ValueError
        For a window outside the context, and an overlap outside the window.
    """
    size = context if window is None else int(window)
    if not 2 <= size <= context:
        raise ValueError(f"window {size} is outside 2...{context}, the model's context")
    again = max(1, size // 8) if overlap is None else int(overlap)
    if not 1 <= again < size:
        raise ValueError(f"overlap {again} is outside 1...{size - 1}, for windows of {size}")
    return [
        Cut(n, one, one.used - one.start or int(not first))
        for n, text in enumerate(looking(tokens))
        for one in windows(len(text), size, again)
        if one.stop
    ]


def _check_pooled(
    model: Engine, tokens: Sequence[Tokens], cuts: Sequence[Cut], asked: Asked
) -> None:
    """Raise ValueError for texts that have no last token or no mean, or run in windows."""
    pooled = {one.positions for each in asked.values() for one in each} - {"all"}
    if pooled:
        check_lengths(model, tokens)
        if not all(map(len, tokens)):
            raise ValueError("a text has no tokens, so no state that could be pooled")
        if len(cuts) > len(tokens):
            raise ValueError(
                f"window {max(cut.length for cut in cuts)} cuts a text, whose states are pooled; "
                "give a shorter text, or no window"
            )
    if "mean" in pooled:
        check_means(tokens)


# -- there -----------------------------------------------------------------------------------


def _there(
    model: Engine, tokens: Sequence[Tokens], plan: Sequence[Sequence[Cut]], asked: Asked
) -> Found:
    """Make readouts where the model is, in one request."""
    for own in plan:
        model.hold_padding([cut.length for cut in own], "right")
    sites: dict[Any, list[tuple[Point, Readout]]] = {}
    for point in sorted(asked, key=model.site):
        sites.setdefault(model.site(point), []).extend((point, one) for one in asked[point])
    inputs = [_batch(model, tokens, own) for own in plan]
    payload = [
        (
            site.path,
            site.io,
            [(type(one).each, type(one).whole, one.sent(), one.modules) for _, one in here],
        )
        for site, here in sites.items()
    ]
    n_read = sum(ids.numel() for ids, *_ in inputs)
    answers, unsound = model.run(Request(observe_body, (inputs, payload), reads=n_read))
    for own, seen in zip(plan, unsound, strict=True):
        for (row, _), here in zip(seen, sites.values(), strict=True):
            if row >= 0:
                raise _unsound(model, tokens, own[row], here[0][0])
    found: Found = {}
    for here, answer in zip(sites.values(), answers, strict=True):
        for (point, one), parts in zip(here, answer, strict=True):
            found.setdefault(point, []).append(one.joined(parts, _order(plan, one.positions)))
    return found


def _unsound(model: Engine, tokens: Sequence[Tokens], cut: Cut, point: Point) -> NotFinite:
    """Return the error for a stretch of a text that has a state which is not finite."""
    ids = tokens[cut.text].ids[cut.window.start : cut.window.stop]
    return not_finite(model, ids, f"what {point} holds of {quoted(model, ids)}")


def _batch(model: Engine, tokens: Sequence[Tokens], own: Sequence[Cut]) -> Batch:
    ids = [tokens[cut.text].ids[cut.window.start : cut.window.stop] for cut in own]
    return (
        right_padded(ids, model.pad_id)["input_ids"],
        torch.tensor([cut.length for cut in own]),
        torch.tensor([cut.skip for cut in own]),
        torch.tensor([cut.text for cut in own]),
    )


def _order(plan: Sequence[Sequence[Cut]], positions: str) -> np.ndarray | None:
    """Return which rows of the batches are those of the texts, in their order."""
    cuts = [cut for own in plan for cut in own]
    if all(a < b for a, b in pairwise(cuts)):
        return None
    n = [cut.length - cut.skip if positions == "all" else 1 for cut in cuts]
    rows = np.split(np.arange(sum(n)), np.cumsum(n)[:-1])
    return np.concatenate([rows[i] for i in sorted(range(len(cuts)), key=cuts.__getitem__)])


# -- here ------------------------------------------------------------------------------------


class _Here:
    """Makes readouts of states that are here, or are brought here, batch by batch."""

    def __init__(
        self,
        model: Engine,
        capture: Callable[..., Capture],
        tokens: Sequence[Tokens],
        *,
        reuse: bool,
    ) -> None:
        self.model, self.capture, self.tokens, self.reuse = model, capture, tokens, reuse

    def made(
        self, plan: Sequence[Sequence[Cut]], asked: Asked, tell: Callable[[float], None]
    ) -> Found:
        """Return every point's readouts; `tell` is told how many tokens are done."""
        several = [(point, one) for point, each in asked.items() for one in each]
        parts: list[list[Any]] = [[] for _ in several]
        # those of one kind of positions are made of one capture
        kinds: dict[str, list[int]] = {}
        for n, (_, one) in enumerate(several):
            kinds.setdefault(one.positions, []).append(n)
        places, done = [], 0.0
        for own in plan:
            batch = _batch(self.model, self.tokens, own)
            places.append(batch[-1])
            share = sum(cut.window.stop - cut.window.used for cut in own) / len(kinds)
            for kind, members in kinds.items():

                def told(fraction: float, at: float = done, share: float = share) -> None:
                    tell(at + share * fraction)

                made = self._made(own, batch, kind, [several[n] for n in members], told)
                for n, part in zip(members, made, strict=True):
                    parts[n].append(part)
                done += share
        found: Found = {point: [] for point in asked}
        for (point, one), here in zip(several, parts, strict=True):
            whole = type(one).whole
            made = here if whole is None else [whole(here, places, one.sent())]
            found[point].append(one.joined(made, _order(plan, one.positions)))
        return found

    def _made(
        self,
        own: Sequence[Cut],
        batch: Batch,
        kind: str,
        several: Sequence[tuple[Point, Readout]],
        tell: Callable[[float], None],
    ) -> Iterator[Any]:
        """Capture one batch and make its part of each readout."""
        texts = [self.tokens[c.text][c.window.start : c.window.stop] for c in own]
        captured = self.capture(
            texts,
            list(dict.fromkeys(point for point, _ in several)),
            kind,
            reuse=self.reuse and kind == "all",
            progress=lambda fraction, _: tell(READING * fraction),
        )
        for i, (point, one) in enumerate(several):

            def share(fraction: float, i: int = i) -> None:
                tell(READING + (1 - READING) * (i + fraction) / len(several))

            states = _sound(captured, point) if kind == "last" else captured[point]
            if one.width not in (None, states.shape[-1]):
                raise ValueError(
                    f"what is read of {point} is made for {one.width}-dimensional states, "
                    f"{self.model.name} has {states.shape[-1]} there"
                )
            yield one.here(states, batch, self._sent(one), share)

    def _sent(self, one: Readout) -> dict[str, Any]:
        """Return what goes along to a server, and the modules that are there."""
        return one.sent() | {name: self._module(path) for name, path in one.modules.items()}

    def _module(self, path: str) -> Any:
        module: Any = self.model.nnsight._module  # noqa: SLF001 - nnsight's name
        return module.get_submodule(path)


def _sound(captured: Capture, point: Point) -> np.ndarray:
    """Return the last states of texts, NaN where that token is of outlying norm."""
    states, last = captured[point].copy(), captured.mask.sum(axis=1) - 1
    states[captured.outliers_at[point][np.arange(len(states)), last]] = np.nan
    return states
