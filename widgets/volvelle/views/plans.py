"""What a view's Run will send to a server and bring back, about, before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from volvelle.experiments.circles.there import Classes
from volvelle.experiments.circles.there import bytes_of_both as class_bytes
from volvelle.experiments.maps.parts import MOST_PROMOTED, PROMOTED
from volvelle.experiments.readouts import bytes_of_both as seen_bytes
from volvelle.experiments.readouts import sent_bytes
from volvelle.experiments.steering.answers import ids_of
from volvelle.views.jobs.wire import host_of, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Bytes of a request without its data, as it travels: measured on NDIF 0.1.2 with nnsight 0.8.1.
CODE = 6_000
STEERED = 10_000
SCORED = 2_000  # what scores the texts travels with what writes them
NORM = (7_500, 2_700)  # measuring the norms of one kind of point, all layers at once
# Bytes back for a written token: id, log-probabilities, sizes of the change, streamed lines.
PER_TOKEN = 20
FLOAT = 4
# A view sends at most as many tokens of text to a server, and has it write at most as many per
# row: a slip of the hand must stay cheap where others wait.
MOST_READ = 2000
MOST_WRITTEN = 128
MOST_MATCHED = 20_000  # of texts given to a map by a line of code


class Plan(NamedTuple):
    """An estimate of one run.

    Attributes
    ----------
    what : str
        In words: ``"6 tokens to read"``.
    sent, received : int
        Bytes.
    """

    what: str
    sent: int
    received: int

    def text(self, host: str) -> str:
        """Return the sentence a view shows beside Run."""
        return (
            f"Run sends {self.what} to {host}: about {size(self.sent)} there, "
            f"{size(self.received)} back."
        )


def reading(n_tokens: int, width: int, n_texts: int = 1) -> Plan:
    """Estimate reading texts at one point, every token brought back as float32."""
    texts = f"{n_texts} texts, " if n_texts > 1 else ""
    what = f"{texts}{n_tokens:,} token{'s' if n_tokens != 1 else ''} to read"
    return Plan(what, CODE + 2 * n_tokens, 1_000 + n_tokens * width * FLOAT)


def writing(rows: int, n_new: int, vectors: int, width: int, *, scored: bool = True) -> Plan:
    """Estimate rows of steered writing; each vector travels once."""
    what = f"{rows} row{'s' if rows != 1 else ''} of {n_new} tokens to write"
    sent = STEERED + vectors * width * FLOAT + SCORED * scored
    return Plan(what, sent, 2_000 + rows * n_new * PER_TOKEN)


def placing(n_tokens: int, width: int, n_texts: int = 1) -> Plan:
    """Estimate reading texts in a plane: its axes go there, two numbers a token come back."""
    there = reading(n_tokens, width, n_texts)
    received = 1_500 + n_tokens * 3 * FLOAT  # and a norm each, which tells outliers
    return there._replace(sent=there.sent + 2 * width * 8, received=received)


def finding(n_words: int, n_each: int, n_layers: int, width: int) -> Plan:
    """Estimate looking for a circle in every layer of texts of one sentence per word."""
    classes = Classes(np.repeat(np.arange(n_words), n_each), paired=True, grams=True)
    n = n_words * n_each
    received = min(class_bytes(n, classes, width, n_layers + 1))
    return Plan(f"{n} texts to read in every layer", CODE + 20 * n, received)


def matching(model: Any, texts: Sequence[str], nouns: Sequence[Any]) -> list[Plan]:
    """Estimate what dictionaries of one model do along texts."""
    n, parts = n_tokens(model, texts), []
    at: dict[str, list[Any]] = {}
    for noun in nouns:
        at.setdefault(str(noun.point), []).append(getattr(noun, "vectors", noun))
    for readers in at.values():
        back, there = seen_bytes(n, model.d_model, readers)
        plan = reading(n, model.d_model, len(texts))
        if there < back:
            sent = sent_bytes(readers)
            plan = plan._replace(sent=plan.sent + sent, received=1_000 + there - sent)
        parts.append(plan)
    return parts


def measuring(model: Any, points: Iterable[str]) -> list[Plan]:
    """Estimate measuring the norms that strengths are multiples of."""
    known = {str(point) for point in getattr(model, "norms", ())}
    n = len({point.partition(".")[0] for point in points if point not in known})
    return [Plan("a neutral text to measure norms on", n * NORM[0], n * NORM[1])] if n else []


def together(plans: Sequence[Plan]) -> Plan:
    """Add estimates up."""
    sent, received = sum(p.sent for p in plans), sum(p.received for p in plans)
    return Plan(", ".join(p.what for p in plans), sent, received)


def n_tokens(model: Any, texts: Sequence[str]) -> int:
    """Count the tokens of texts; the tokenizer is here, nothing is sent."""
    return sum(len(model.tokens(text)) for text in texts)


def too_many(n: int, instead: str, most: int = MOST_READ) -> str:
    """Say that a text is too long to be sent by a view, and what takes all of it."""
    return (
        f"the text has {n:,} tokens, and a view sends at most {most:,} to a server at "
        f"once; shorten it, or use {instead} for all of it"
    )


def check_read(n: int, instead: str, most: int = MOST_READ) -> None:
    """Raise ValueError for more tokens than a view sends at once."""
    if n > most:
        raise ValueError(too_many(n, instead, most))


def listed(texts: Any) -> list[str]:
    """Return a list of texts from one, several or none."""
    return [texts] if isinstance(texts, str) else list(texts or [])


def n_directions(noun: Any) -> int:
    """Count the features of an SAE, or the vectors of a dictionary or an array."""
    if noun is None:
        return 0
    n = getattr(noun, "n_features", None)
    return int(n) if n is not None else len(getattr(noun, "vectors", noun))


def layout(given: Mapping[str, Any], there: Sequence[Any]) -> str:
    """Return the sentence beside Run of a DualUMAP whose models are on a server.

    Parameters
    ----------
    given : mapping
        What the view was made with.
    there : sequence of Model
        The models of it that are on a server.
    """
    parts = []
    texts = listed(given["texts"])
    for model in there:
        n = n_tokens(model, texts)
        if n > MOST_MATCHED:
            return too_many(n, "vv.dual_layout(...)", MOST_MATCHED)
        if n:
            parts += matching(model, texts, [given[s] for s in "ab" if hasattr(given[s], "point")])
    sizes = [n_directions(given[side]) for side in "ab"]
    vectors = sum(n for n in sizes if n <= MOST_PROMOTED)
    width = there[0].d_model
    what = f"{vectors:,} directions to read off the vocabulary"
    parts.append(Plan(what, CODE + vectors * width * FLOAT, 1_000 + vectors * PROMOTED * FLOAT))
    return f"{together(parts).text(host_of(there[0]))} Less, where it is in the cache."


def steering(view: Any) -> str:
    """Return the sentence beside Run of a Steering view on a server."""
    model = view._model  # noqa: SLF001 - the view's own estimate
    rows = {name: row for name, row in view._all.items() if name not in view.muted}  # noqa: SLF001 - as above
    on = [row for name, row in rows.items() if view.strengths.get(name)]
    kinds = 2 if any(d.a_max is not None for row in on for d in row.directions) else 1
    placebos = kinds * view.placebo if on else 0
    texts = 1 + len(view.multiples) * (1 + placebos) if on else 1
    vectors = sum(len(row.directions) or 1 for row in on) * (1 + placebos)
    points = {str(d.point) for row in on for d in row.directions}
    parts = [writing(texts, view.max_new_tokens, vectors, model.d_model)]
    entries = [[given] if isinstance(given, str) else given for given in view.watch]
    spelled = [spelling for entry in entries for spelling in entry]
    phrases = [n for n in (len(ids_of(model, one)) for one in spelled) if n > 1]
    if phrases:
        what = f"{texts * len(phrases)} watched phrases to score"
        back = 1_000 + texts * len(phrases) * max(phrases) * FLOAT
        parts.append(Plan(what, STEERED + vectors * model.d_model * FLOAT, back))
    return together([*parts, *measuring(model, points)]).text(host_of(model))


def circle(view: Any) -> str:
    """Return the sentence beside Run of an EmotionCircle on a server."""
    from volvelle.experiments.circles.stimuli import default_words, neutral_texts, templates

    model, parts = view._model, []  # noqa: SLF001 - the view's own estimate
    if view._circle is None:  # noqa: SLF001 - as above
        found = finding(len(default_words()), len(templates()), model.n_layers, model.d_model)
        return (
            f"{found.text(host_of(model))} "
            "Less, where they were read before: what comes back is kept."
        )
    width = view.circle.d_model
    texts = list(view.texts) or ([view.text] if view.text else [])
    if texts:
        parts.append(placing(n_tokens(model, texts), width, len(texts)))
    if str(view.circle.point) not in view._centres and texts:  # noqa: SLF001 - as above
        n = len(neutral_texts())
        parts.append(Plan(f"{n} neutral sentences", CODE, 1_000 + width * FLOAT))
    if view.mode == "words":
        n = 1 if view.prompt in view._bases else 2  # noqa: SLF001 - as above
        what = f"the next word after {n} prompt{'s' if n > 1 else ''}"
        parts.append(Plan(what, STEERED + width * FLOAT, 2_000))
    else:
        parts.append(writing(2, view.max_new_tokens, 1, width))
    parts += measuring(model, [str(view.circle.point)])
    planes = 1 + 2 * view.placebo  # of twelve angles each, and a text per angle
    wheel = 2 * STEERED + 12 * planes * width * FLOAT
    said = f"The whole wheel: {planes} planes of 12 angles and 13 texts, about {size(wheel)} there."
    return f"{together(parts).text(host_of(model))} {said}"
