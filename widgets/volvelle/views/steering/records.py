"""What the page is told of a steering run, field by field: the records of the view's traits."""

from __future__ import annotations

from typing import Any, TypedDict

from volvelle.views.kit.arrays import Packed  # noqa: TC001 - read when the page is typed


class MethodFacts(TypedDict):
    """What a method does."""

    formula: str
    neutral: str


class SteeringFacts(TypedDict, total=False):
    """What does not change while a view lives, and what a swap may take."""

    model: str
    n_layers: int
    remote: bool
    template: bool  # whether the model has one for chats
    dictionary: str
    methods: dict[str, MethodFacts]
    own: dict[str, list[str]]  # parameters by method
    targets: list[str]


class SteerSize(TypedDict):
    """How a column's multiple becomes a strength."""

    strength: float
    unit: str
    method: str


class CardWire(SteerSize):
    """A `SteerCard` as far as it is drawn."""

    name: str
    formula: str
    neutral: str
    points: list[str]


class ColumnWire(TypedDict):
    """One text of a finished run."""

    strength: float
    strings: list[str]
    logprobs: Packed
    base_logprobs: Packed  # of the same text under the unsteered model
    steered: Packed
    ratios: Packed
    watched: Packed
    bands: dict[str, Packed]
    perplexity: float | None
    repetition: float | None
    ratio: float | None
    ended: bool
    effective: list[dict[str, float | None]]
    # by kind of placebo, over all answers and strengths; absent where none can tell
    p: dict[str, list[float]]


class RunWire(TypedDict):
    """A finished run."""

    serial: int  # its number in the view's history, from 1
    controls: dict[str, Any]  # the traits it was run with: what restoring sets
    model: str
    prompt_strings: list[str]
    prompt_turns: list[str]  # a role, "template" or "hidden" for each token; empty of no chat
    prompt_steered: Packed
    prompt_ratio: Packed
    watch: list[str]
    spellings: list[list[str]]  # what counts as each answer
    once: list[bool]  # answers of several tokens: measured right after the prompt only
    columns: list[ColumnWire]
    placebos: dict[str, int]
    words: dict[str, int]  # placebos behind the bars right after the prompt
    cards: list[CardWire]
    norms: dict[str, float]
    settings: dict[str, float]
    summary: str


class StreamColumn(TypedDict):
    """One text that is being written."""

    strength: float
    strings: list[str]
    logprobs: list[float]
    steered: list[int]  # of the tokens that were read so far: all but the newest
    watched: list[float]
    bands: dict[str, list[list[float | None]]]


class StreamPicture(TypedDict, total=False):
    """What has come of a run so far."""

    watch: list[str]
    once: list[bool]
    columns: list[StreamColumn]
    prompt_strings: list[str]
    prompt_turns: list[str]
    prompt_steered: list[int]
    placebos: dict[str, int]


class StreamWire(StreamPicture, total=False):
    """The same with what the run was asked to be; empty while nothing is written."""

    serial: int
    sizes: list[SteerSize]
    settings: dict[str, float]
