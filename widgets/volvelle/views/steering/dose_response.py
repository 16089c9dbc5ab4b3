"""The view of an answer against the strength of a steer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Dict, List, TraitError, Unicode, validate

from volvelle.names import unknown
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.view import View

if TYPE_CHECKING:
    import pandas as pd

    from volvelle.experiments.steering.dose_result import Dose

KINDS = ("random", "shuffled")
QUESTIONS = ("asked", "control", "reversed")


class DoseResponse(View):
    """Answers to a question while concepts are steered, the placebo band beside every curve.

    Parameters
    ----------
    result : Dose
        What `vv.dose` returned, or `Dose.load` read.
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> result = vv.dose(model, "Is it cold? Answer:", {"winter": winter}, control=..., placebo=20)
    >>> view = vv.DoseResponse(result)
    >>> view.selected = {"concept": "winter", "strength": 1.0}
    """

    _esm = bundle("dose_response")

    concepts = List(Unicode()).tag(sync=True)
    """Which concepts are drawn; all at first."""
    selected = Dict().tag(sync=True)
    """The point whose texts are read: ``{"concept": "joy", "strength": 1.0}``, the strength as
    a multiple of the steer's own; empty for none."""

    _curves = List(Dict()).tag(sync=True)
    _facts = Dict().tag(sync=True)

    def __init__(self, result: Dose | None = None, **traits: Any) -> None:
        self._result = result
        if result is not None:
            traits.setdefault("concepts", list(result.concepts))
        super().__init__(**traits)
        if result is None:
            return
        with self.hold_sync():
            self._curves = [curve_wire(result, concept) for concept in result.concepts]
            self._facts = facts_wire(result)

    @property
    def result(self) -> Dose | None:
        """What is shown."""
        return self._result

    def run(self) -> DoseResponse:
        """Refuse: this view shows what was measured."""
        raise ValueError(
            "this view shows a finished result; measure again with vv.dose(model, prompt, "
            "steers, ...) and show that with vv.DoseResponse(result)"
        )

    @validate("concepts")
    def _check_concepts(self, proposal: dict[str, Any]) -> list[str]:
        for name in proposal["value"]:
            self._known(name, "concepts")
        return list(dict.fromkeys(proposal["value"]))

    @validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> dict[str, Any]:
        given = dict(proposal["value"])
        if not given:
            return given
        for key in given:
            if key not in ("concept", "strength"):
                raise TraitError(unknown("key of selected", key, ("concept", "strength")))
        if len(given) < 2:
            raise TraitError(f"selected={given} needs both 'concept' and 'strength'")
        self._known(given["concept"], "selected")
        strengths = self._result.strengths if self._result else ()
        near = [s for s in strengths if math.isclose(s, given["strength"], abs_tol=1e-9)]
        if not near:
            listed = ", ".join(f"{s:g}" for s in strengths)
            raise TraitError(f"selected: strength {given['strength']} was not run; {listed} were")
        return {"concept": given["concept"], "strength": near[0]}

    def _known(self, name: str, trait: str) -> None:
        known = self._result.concepts if self._result else ()
        if name not in known:
            raise TraitError(f"{trait}: {unknown('concept', name, known)}")

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per prompt, strength and steer: see `Dose.to_pandas`."""
        if self._result is None:
            import pandas as pd

            return pd.DataFrame()
        return self._result.to_pandas()

    def _export_title(self) -> str:
        if self._result is None:
            return "DoseResponse"
        return f"DoseResponse: {self._result.model}, {', '.join(self._result.concepts)}"


def numbers(values: Any) -> list[float | None]:
    """Return floats JSON can hold; what is not a number becomes None."""
    return [round(float(v), 6) if math.isfinite(v) else None for v in np.asarray(values).ravel()]


def facts_wire(result: Dose) -> dict[str, Any]:
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
        "strengths": numbers(result.strengths),
        "own": own,
        "unit": unit,
        "questions": {name: list(asked) for name, asked in result.questions.items()},
        "placebo": int(result.settings.get("placebo", 0)),
        "seed": result.settings.get("seed", 0),
        "summary": result.summary(),
    }


def curve_wire(result: Dose, concept: str) -> dict[str, Any]:
    """Return one concept's curves, its placebos' bands, and its texts."""
    present = [q for q in QUESTIONS if q in result.questions]
    texts = [
        {
            "question": str(result.question[i]),
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
