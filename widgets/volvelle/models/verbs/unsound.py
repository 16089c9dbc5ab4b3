"""Where numbers of a model are none: found, in one pass more, and said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from volvelle.compute.directions.points import Point
from volvelle.models.engine.facts import takes
from volvelle.models.engine.finite import NotFinite, called, cause_of
from volvelle.models.engine.tokens import string_of
from volvelle.models.remote.request import Request
from volvelle.models.traces.locate import locate as locate_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from volvelle.models.engine.engine import Engine

# Letters of a text that are quoted.
QUOTED = 40


class Turned(Protocol):
    """Steers of rows, as whoever runs them asks (`models.steering.steered.Steered`)."""

    def __call__(self, members: list[int], /) -> Sequence[tuple[Point, dict[str, Any]]]:
        """Return what `formulas.steering.steer` applies to the rows that run together."""
        ...

    def strength_of(self, row: int, /) -> float:
        """Return the largest strength of a row, without its sign."""
        ...

    def said(self, row: int, /) -> str:
        """Return what turns a row, with its strength; "" where nothing does."""
        ...

    def alone(self, row: int, written: Sequence[int], /) -> Sequence[tuple[Point, dict[str, Any]]]:
        """Return a row's steers laid out for one pass over its prompt and what it has written."""
        ...


class Broken(NamedTuple):
    """Where states of one text stop being finite.

    Attributes
    ----------
    point : str
        "" where all states are finite.
    token : int
    nan : bool
        Whether it is NaN there, and not infinity.
    ratio : float or None
        Of a steered text, the largest |delta|/|h|.
    logits : bool
        Whether the logits of the next token are finite.
    """

    point: str
    token: int
    nan: bool
    ratio: float | None
    logits: bool


def locate(
    model: Engine,
    ids: Sequence[int] | np.ndarray,
    steers: Sequence[tuple[Point, dict[str, Any]]] = (),
) -> Broken | None:
    """Read one text once more, and say where its states stop being finite.

    Parameters
    ----------
    model : Engine
    ids : sequence of int
        At most `Engine.context`.
    steers : sequence of (point, payload)
        Of one row.

    Returns
    -------
    Broken or None
        None where a request of its own would come between those that are left on a server.
    """
    import torch

    if model.run.leaving or not len(ids):
        return None
    layout = model.layout
    payloads: dict[Any, Any] = {layout.site(layout.point(point)): own for point, own in steers}
    points = [Point("resid_post", layer) for layer in range(model.n_layers)]
    points = [Point("embed", -1), *points]
    named = {layout.site(one): one for one in points if layout.has(one)}
    looked = sorted({**named, **payloads}, key=lambda site: site.order)
    asked = [(site.path, site.io, payloads.get(site)) for site in looked]
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([[int(i) for i in ids]]),
        "use_cache": False,
    }
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if takes(model, "logits_to_keep"):
        inputs["logits_to_keep"] = 1
    request = Request(locate_body, (inputs, asked), reads=len(ids), beside=True)
    found, ratios, logits = model.run(request, only={path for path, *_ in asked})
    ratio = max(ratios, default=None)
    for site, (token, nan) in zip(looked, found, strict=True):
        if token >= 0:
            turned = next((point for point, _ in steers if layout.site(point) == site), None)
            return Broken(str(named.get(site, turned)), token, nan, ratio, logits)
    return Broken("", -1, False, ratio, logits)


def not_finite(
    model: Engine,
    ids: Sequence[int] | np.ndarray,
    what: str,
    *,
    steers: Sequence[tuple[Point, dict[str, Any]]] = (),
    under: str = "",
) -> NotFinite:
    """Return the error for a text of which a model gave no numbers.

    Parameters
    ----------
    model : Engine
    ids : sequence of int
        What it read.
    what : str
        What it gave, in words.
    steers : sequence of (point, payload)
        Of the text.
    under : str
        The same in words, "" for none.
    """
    place = locate(model, ids, steers)
    where, ratio = "", None
    if place is not None:
        ratio = place.ratio if under else None
        where = _where(model, ids, place)
    cause = cause_of(model, remote=bool(model.remote), ratio=ratio)
    what += under and f" under {under}"
    return NotFinite(f"{model.name}: {what} is not finite{where and f' ({where})'}; {cause}")


def _where(model: Engine, ids: Sequence[int] | np.ndarray, place: Broken) -> str:
    if place.point:
        string = string_of(model.tokenizer, int(ids[place.token]))
        return (
            f"{called(place.nan)} from {place.point} on, first at token {place.token}, {string!r}"
        )
    if not place.logits:
        return "its states are, its logits are not"
    return "read again by itself, it is"


def quoted(model: Engine, ids: Sequence[int] | np.ndarray) -> str:
    """Return the end of a text as an error shows it."""
    text = str(model.tokenizer.decode([int(i) for i in ids]))
    return repr(text if len(text) <= QUOTED else f"...{text[-QUOTED:]}")


def refuse_unsound(
    model: Engine,
    texts: Mapping[int, tuple[Sequence[int], Sequence[int]]],
    steers: Turned | None = None,
    what: str = "the next token",
) -> None:
    """Raise NotFinite where a model gave no numbers for some rows, of the least steered of them.

    Parameters
    ----------
    model : Engine
    texts : mapping of row to (prompt ids, ids behind them that were read too)
        Of the rows in question; empty where all is well.
    steers : Turned, optional
        Of all rows.
    what : str
        What it should have given.
    """
    if not texts:
        return
    row = min(texts, key=lambda n: 0.0 if steers is None else steers.strength_of(n))
    prompt, written = texts[row]
    said = f"{what} after {quoted(model, [*prompt, *written])}"
    under = "" if steers is None else steers.said(row)
    turned = steers.alone(row, written) if steers is not None and under else ()
    raise not_finite(model, [*prompt, *written], said, steers=turned, under=under)
