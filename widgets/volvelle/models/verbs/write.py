"""The verb `generate`: prompts in, steered continuations out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from volvelle.models.engine.facts import hold_memory, takes, together
from volvelle.models.engine.finite import NotFinite
from volvelle.models.remote.request import Request
from volvelle.models.remote.stream import StepShape
from volvelle.models.traces.score import write_scored
from volvelle.models.traces.write import write as write_body
from volvelle.models.verbs.capture import left_padded, positions
from volvelle.models.verbs.settings import without_theirs, writing_settings
from volvelle.models.verbs.unsound import Turned, refuse_unsound
from volvelle.models.verbs.writing import Writing
from volvelle.progress import share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.engine import Engine

    OnStep = Callable[[int, list[int], list[float], list[list[float]], list[list[bool]]], None]

# Tokens (prompt and continuation, with padding) that are generated together.
MOST_TOKENS = 8192

# Logits (float32) of one pass that scores: 256 MB.
MOST_LOGITS = 2**26

# What a forward pass of some models can be told.
PASS_ARGUMENTS = ("position_ids", "logits_to_keep")


@dataclass(frozen=True, eq=False)
class Generation:
    """One continuation.

    Attributes
    ----------
    text : str
        The continuation without special tokens.
    ids : array, int64, shape (n_tokens,)
        Its tokens, an end-of-text token included where one came.
    logprobs : array, float32, shape (n_tokens,)
        Natural log of each token's probability, steered, at temperature 1.
    prompt_ids : array, int64, shape (n_prompt,)
    ended : bool
        Whether the model ended the text itself.
    watched : array, float32, shape (n_tokens, n_watch)
        Natural log of the watched tokens' probabilities, before each token was drawn.
    base_logprobs : array, float32, shape (n_tokens,), or None
        Natural log of each token's unsteered probability, where it was asked for.
    """

    text: str
    ids: np.ndarray
    logprobs: np.ndarray = field(repr=False)
    prompt_ids: np.ndarray = field(repr=False)
    ended: bool = False
    watched: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)
    base_logprobs: np.ndarray | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Generation({len(self.ids)} tokens{', ended' if self.ended else ''}: {self.text!r})"


class Step(NamedTuple):
    """What one forward pass wrote.

    Attributes
    ----------
    ids : list of int
        The token of each row, -1 for rows that have ended.
    logprobs : list of float
        Natural log of each token's probability.
    watched : list of list of float
        Natural log of the watched tokens' probabilities, per row.
    touched : list of list of bool
        Which of the tokens that the pass read were steered, per row: the prompt's at step 0
        (left-padded), then the token of the step before. Empty where nothing is noted.
    """

    ids: list[int]
    logprobs: list[float]
    watched: list[list[float]]
    touched: list[list[bool]]


def row_seed(seed: int, sample: int) -> int:
    """Return the seed of one sampled row: of its own, whatever else is in the batch."""
    return int(np.random.SeedSequence([seed, sample]).generate_state(1, np.uint64)[0] >> 1)


class RowSteers(Turned, Protocol):
    """What `generate_rows` asks about steers (`volvelle.models.steering.steered.Steered`)."""

    noting: bool
    keeping: bool

    def note(self, members: Sequence[int], notes: Sequence[Sequence[Any]], /) -> None:
        """Take what was applied, per pass and site, where `noting` asked for it."""
        ...

    def keep(self, members: Sequence[int], before: Sequence[Any], cache: Any, /) -> None:
        """Take, where `keeping` asked, what reached the first site per pass, and the cache."""
        ...


def generate_rows(
    model: Engine,
    rows: Sequence[Sequence[int]],
    steers: RowSteers | None = None,
    *,
    seeds: Sequence[int] | None = None,
    max_new_tokens: int = 48,
    temperature: float = 0.0,
    watch: Sequence[int] = (),
    scoring: bool = False,
    on_token: Callable[[int, int, int], None] | None = None,
    on_step: Callable[[int, Sequence[int], Step], None] | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> list[Generation]:
    """Generate continuations of several prompts in as few forward passes as fit.

    Parameters
    ----------
    model : Engine
    rows : sequence of sequence of int
        Token ids of each prompt.
    steers : RowSteers, optional
        What to apply to the rows.
    seeds : sequence of int, optional
        One per row (`row_seed`); rows with one seed draw from the same noise.
    max_new_tokens : int
    temperature : float
        0 takes the likeliest token.
    watch : sequence of int
        Tokens whose probabilities are kept at every step.
    scoring : bool
        Whether the unsteered model scores what was written on a server, in the same request.
        Here `scoring.score` is faster: it goes on from what writing left behind.
    on_token : callable(row, step, token id), optional
        Called on the worker's thread as tokens come; rows that ended are skipped.
    on_step : callable(step, rows, Step), optional
        The same for all rows of a forward pass at once, with their probabilities.
    progress : callable(fraction, text), optional

    Returns
    -------
    list of Generation
        In the order of the rows.
    """
    import torch

    Writing(max_new_tokens, temperature).check(model, rows)
    settings: dict[str, Any] = {
        "n": max_new_tokens,
        "temperature": float(temperature),
        "noting": steers is not None and steers.noting,
        "keeping": steers is not None and steers.keeping,
        "watch": torch.tensor(list(watch), dtype=torch.long),
    }
    if scoring and model.remote:
        settings["pass_rows"] = max(1, MOST_LOGITS // (model.vocabulary * max_new_tokens))
        settings["takes"] = {name: takes(model, name) for name in PASS_ARGUMENTS}
        settings["first_position"] = model.first_position
    lengths = [len(row) for row in rows]
    groups = [
        [alike[n] for n in group]
        for alike in together(model, lengths, max(1, len(rows)))
        for group in _groups([lengths[n] for n in alike], max_new_tokens)
    ]
    stream = _Callbacks(
        model, groups, max_new_tokens, on_token=on_token, on_step=on_step, progress=progress
    )

    def work() -> list[Generation]:
        found: dict[int, Generation] = {}
        for number, group in enumerate(groups):
            members = _filled(model, group)
            drawn = [seeds[n] if seeds is not None else row_seed(0, n) for n in members]
            settings["seeds"] = list(dict.fromkeys(drawn))
            settings["of_row"] = torch.tensor([settings["seeds"].index(s) for s in drawn])
            located = sites(model, steers(members) if steers is not None else ())
            begun, tell = [rows[n] for n in members], stream.of(number)
            try:
                columns, notes, kept = _together(model, begun, located, settings, tell)
            except Exception:
                _refuse(model, rows, stream.unsound, steers)
                raise
            ids, scores, _, base = columns
            _refuse(model, rows, _unsound(members, ids, scores), steers)
            if scoring and model.remote:
                _refuse(model, rows, _unsound(members, ids, base))
            if steers is not None and steers.noting:
                steers.note(members, notes)
            if steers is not None and steers.keeping:
                steers.keep(members, *kept)
            for n, *row, base in zip(members, *columns, strict=True):
                found[n] = _generation(model, rows[n], *row, base=base)
        return [found[n] for n in range(len(rows))]

    return model.call(work)


class _Callbacks:
    """Hands tokens on as they come, with the numbers of their rows, and checks for a stop.

    Parameters
    ----------
    model : Engine
    groups : sequence of list of int
        The rows that run together, in the order in which they run.
    n : int
        Tokens to generate.
    on_token, on_step, progress
        As in `generate_rows`; None where nobody listens.
    """

    def __init__(
        self,
        model: Engine,
        groups: Sequence[list[int]],
        n: int,
        *,
        on_token: Callable[[int, int, int], None] | None,
        on_step: Callable[[int, Sequence[int], Step], None] | None,
        progress: Callable[[float, str], None] | None,
    ) -> None:
        self.model, self.groups, self.n = model, groups, n
        self.on_token, self.on_step, self.progress = on_token, on_step, progress
        # rows whose next token has no probability, and what they have written before it
        self.unsound: dict[int, list[int]] = {}

    def of(self, number: int) -> OnStep:
        """Return the callback of one group's trace."""
        of = len(self.groups)
        part = share(self.progress, number / of, (number + 1) / of)
        written: list[list[int]] = []

        def on_step(step: int, *columns: Any) -> None:
            group = self.groups[number]
            # without the twin of `_filled`
            wrote = Step(*(column[: len(group)] for column in columns))
            for n, (row, token, logprob) in enumerate(
                zip(group, wrote.ids, wrote.logprobs, strict=True)
            ):
                if token >= 0 and math.isnan(logprob):
                    self.unsound[row] = [ids[n] for ids in written]
            if self.unsound:  # said once the trace has ended: see `generate_rows`
                raise NotFinite(f"{self.model.name} gives no number for the next token")
            written.append(wrote.ids)
            self.model.report(part, (step + 1) / self.n, f"{step + 1} of {self.n} tokens")
            if self.on_token is not None:
                for row, token in zip(group, wrote.ids, strict=True):
                    if token >= 0:
                        self.on_token(row, step, token)
            if self.on_step is not None:
                self.on_step(step, group, wrote)

        return on_step


def _unsound(members: Sequence[int], ids: np.ndarray, scores: np.ndarray) -> dict[int, list[int]]:
    """Return rows with a token that has no probability, and what they have written before it.

    Parameters
    ----------
    members : sequence of int
    ids : int array, shape (rows, steps)
        -1 after a row's end.
    scores : float array, shape (rows, steps)
    """
    bad = np.isnan(scores) & (ids >= 0)
    return {
        member: row[: wrong.argmax()].tolist()
        for member, row, wrong in zip(members, ids, bad, strict=True)
        if wrong.any()
    }


def _refuse(
    model: Engine,
    rows: Sequence[Sequence[int]],
    unsound: dict[int, list[int]],
    steers: Turned | None = None,
) -> None:
    """Raise NotFinite where rows have no next token."""
    refuse_unsound(model, {n: (rows[n], written) for n, written in unsound.items()}, steers)


def sites(
    model: Engine, steers: Sequence[tuple[Point, dict[str, Any]]]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Lay steers out in the order the forward pass reaches their places."""
    located = [(model.site(model.layout.point(point)), payload) for point, payload in steers]
    located.sort(key=lambda pair: pair[0])  # stable: one place's steers keep their order
    return [(site.path, site.io, payload) for site, payload in located]


def _groups(lengths: Sequence[int], n_new: int) -> list[list[int]]:
    """Split rows where they would not fit together."""
    found: list[list[int]] = []
    width = 0
    for n, length in enumerate(lengths):
        width = max(width, length + n_new) if found else length + n_new
        if found and (len(found[-1]) + 1) * width <= MOST_TOKENS:
            found[-1].append(n)
        else:
            found.append([n])
            width = length + n_new
    return found


def _filled(model: Engine, group: list[int]) -> list[int]:
    """Return a group with its last row twice where that is faster.

    Matrix products of a processor take rows by four: 12 rows cost less than 11 (a tenth, of
    the demo model under MKL), 8 less than 7. The twin is the same row, so it ends with it.
    """
    spare = not model.remote and model.nnsight.device.type == "cpu" and len(group) % 4 == 3
    return [*group, group[-1]] if spare else group


def _together(
    model: Engine,
    rows: Sequence[Sequence[int]],
    located: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: OnStep,
) -> tuple[list[Any], list[list[Any]], tuple[list[Any], Any]]:
    """Return what each row wrote, as columns of its `_generation`; notes; what was kept."""
    import torch

    settings = settings | {
        "eos": torch.tensor(model.eos_ids, dtype=torch.long),
        "generate": writing_settings(model, settings["n"]),
    }
    if located:
        hold_memory(model)
    model.hold_padding([len(row) for row in rows], "left")
    inputs = left_padded(rows, model.pad_id)
    if model.first_position:
        inputs["position_ids"] = positions(model, inputs["attention_mask"])
    scoring = "pass_rows" in settings
    with without_theirs(model):
        found: Any = model.run(
            Request(
                write_scored if scoring else write_body,
                (inputs, located, settings),
                reads=inputs["input_ids"].numel(),
                writes=len(rows) * settings["n"],
            ),
            only={path for path, *_ in located},
            on_step=on_step,
            step_shape=StepShape(
                len(rows),
                len(settings["watch"]),
                inputs["input_ids"].shape[1] if settings["noting"] and located else 0,
            ),
        )
    *drawn, notes, before, cache = found[:6]
    columns: list[Any] = [torch.stack(steps, 1).cpu().numpy() for steps in drawn]
    columns.append(found[6].cpu().numpy() if scoring else [None] * len(rows))
    return columns, notes, (before, cache[0] if cache else None)


def _generation(
    model: Engine,
    prompt: Sequence[int],
    row: np.ndarray,
    scores: np.ndarray,
    watched: np.ndarray,
    *,
    base: np.ndarray | None,
) -> Generation:
    """Return what one row wrote, up to its end.

    Parameters
    ----------
    model : Engine
    prompt : sequence of int
        Its tokens, without padding.
    row : int array, shape (n_steps,)
        The token of each step, -1 after the row's end.
    scores : float array, shape (n_steps,)
        Natural log of each token's probability.
    watched : float array, shape (n_steps, n_watch)
        Natural log of the watched tokens' probabilities.
    base : float array, shape (n_steps,), or None
        Natural log of each token's unsteered probability, where it was asked for.
    """
    stop = int((row >= 0).sum())
    written = row[:stop].astype(np.int64)
    return Generation(
        text=continuation(model.tokenizer, prompt, written),
        ids=written,
        logprobs=scores[:stop].astype(np.float32),
        prompt_ids=np.asarray(prompt, dtype=np.int64),
        ended=bool(stop) and int(written[-1]) in model.eos_ids,
        watched=watched[:stop].astype(np.float32),
        base_logprobs=None if base is None else base[:stop].astype(np.float32),
    )


def continuation(tokenizer: Any, prompt: Sequence[int], written: np.ndarray) -> str:
    """Return the text that was added: decoded with its prompt, whose last space it may need."""
    before = tokenizer.decode(list(prompt), skip_special_tokens=True)
    after = tokenizer.decode([*prompt, *written.tolist()], skip_special_tokens=True)
    if after.startswith(before):
        return after[len(before) :]
    return tokenizer.decode(written.tolist(), skip_special_tokens=True)
