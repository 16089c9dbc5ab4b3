"""A dose-response experiment as the browser shows it: its facts, and each concept's curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast, get_args

import numpy as np

if TYPE_CHECKING:
    from volvelle.experiments.steering.dose_result import Dose

Question = Literal["asked", "control", "reversed"]
KINDS = ("random", "shuffled")
QUESTIONS: tuple[Question, ...] = get_args(Question)


class DosePoint(TypedDict, total=False):
    """A point of a curve: strength as a multiple of the steer's own; empty for none."""

    concept: str
    strength: float


class DoseText(TypedDict):
    """What was answered at one strength."""

    question: Question
    strength: float
    text: str
    answers: list[float | None]  # probability of each
    prompt: int


class DoseCurve(TypedDict):
    """One concept's curves, by question; its placebos' bands by panel and kind."""

    concept: str
    owner: str  # whose placebos stand for this concept
    p: dict[str, list[float | None]]
    entropy: dict[str, list[float | None]]
    mass: dict[str, list[float | None]]
    # low end, middle and high end that placebos' whole curves stay between
    bands: dict[str, dict[str, list[list[float | None]]]]
    n: dict[str, int]
    coverage: dict[str, float]  # share of placebos inside the band at every strength, by kind
    formulas: list[str]
    texts: list[DoseText]


class DoseFacts(TypedDict, total=False):
    """What stands in the title and beside the axes."""

    model: str
    points: list[str]
    answers: list[str]
    spellings: list[list[str]]
    strengths: list[float]
    own: float
    unit: str
    questions: dict[str, list[str]]
    placebo: int
    seed: int
    summary: str


def numbers(values: Any) -> list[float | None]:
    """Return floats JSON can hold; what is not a number becomes None."""
    return [round(float(v), 6) if math.isfinite(v) else None for v in np.asarray(values).ravel()]


def facts_wire(result: Dose) -> DoseFacts:
    """Return what stands in the title and beside the axes."""
    cards = [card for mine in result.steers.values() for card in mine]
    sizes = {(card.unit if card.method == "add" else "", card.strength) for card in cards}
    # one axis in the steers' unit only where every concept means the same by it
    one = len(cards) == len(result.concepts) and len(sizes) == 1
    unit, own = next(iter(sizes)) if one and sizes else ("", 1.0)
    own = own if unit else 1.0
    return {
        "model": result.model,
        "points": list(dict.fromkeys(point for card in cards for point in card.points)),
        "answers": list(result.answers),
        "spellings": [list(spelled) for spelled in result.spellings],
        "strengths": [round(float(s), 6) for s in result.strengths],
        "own": own,
        "unit": unit,
        "questions": {name: list(asked) for name, asked in result.questions.items()},
        "placebo": int(result.settings.get("placebo", 0)),
        "seed": result.settings.get("seed", 0),
        "summary": result.summary(),
    }


def curve_wire(result: Dose, concept: str) -> DoseCurve:
    """Return one concept's curves, its placebos' bands, and its texts."""
    present = [q for q in QUESTIONS if q in result.questions]
    texts: list[DoseText] = [
        {
            "question": cast("Question", str(result.question[i])),
            "strength": float(result.strength[i]),
            "text": text,
            "answers": numbers(np.exp(result.logprobs[i])),
            "prompt": prompt,
        }
        for i, (text, prompt) in enumerate(zip(result.texts, _prompts(result), strict=True))
        if (result.concept[i] == concept and result.kind[i] == "steered")
        or result.kind[i] == "baseline"
    ]
    panels = {"p": ("p", "asked"), "entropy": ("entropy", "asked"), "mass": ("mass", "asked")}
    panels |= {"control": ("p", "control")} if "control" in present else {}
    drawn = {
        panel: {
            kind: result.band(concept, measure, kind=kind, question=question)
            for kind in KINDS
            if len(result.placebos(concept, measure, kind, question))
        }
        for panel, (measure, question) in panels.items()
    }
    return {
        "concept": concept,
        # concepts of one point and size share their placebos, and so one band
        "owner": result.placebo_of.get(concept, concept),
        "p": {q: numbers(result.curve(concept, "p", question=q)) for q in present},
        "entropy": {q: numbers(result.curve(concept, "entropy", question=q)) for q in present},
        "mass": {q: numbers(result.curve(concept, "mass", question=q)) for q in present},
        "bands": {
            measure: {
                kind: [numbers(band[name]) for name in ("low", "middle", "high")]
                for kind, band in bands.items()
            }
            for measure, bands in drawn.items()
        },
        "n": {kind: len(result.placebos(concept, kind=kind)) for kind in KINDS},
        "coverage": {kind: band.attrs["coverage"] for kind, band in drawn["p"].items()},
        "formulas": [f"{card.formula}, neutral: {card.neutral}" for card in result.steers[concept]],
        "texts": texts,
    }


def _prompts(result: Dose) -> list[int]:
    """Return which prompt of its question each row asked, counting from 0."""
    seen: dict[tuple[Any, ...], int] = {}
    found = []
    columns = (result.question, result.concept, result.kind, result.number, result.strength)
    for row in zip(*columns, strict=True):
        key = tuple(str(part) for part in row)
        found.append(seen.setdefault(key, 0))
        seen[key] += 1
    return found
