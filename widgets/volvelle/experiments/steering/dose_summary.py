"""One honest sentence per concept of a dose-response experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.experiments.steering.effects import called, counted
from volvelle.experiments.steering.summary import SHORTLY, fitted_to, listed, short, verb

if TYPE_CHECKING:
    from volvelle.experiments.steering.dose_curves import DoseCurves

QUESTIONS = {"control": "the unrelated control question", "reversed": "the reversed question"}


def summarise(dose: DoseCurves) -> str:
    """Return the summary. `Dose.summary` documents it."""
    if len(dose.strengths) < 2:
        return "only the baseline was run; give strengths other than 0."
    said = [_sentence(dose, concept) for concept in dose.concepts]
    return " ".join([*said, *_family(dose)])


def _sentence(dose: DoseCurves, concept: str) -> str:
    zero = dose.strengths.index(0)
    odds = dose.curve(concept, "log_odds")
    if not np.isfinite(odds).all():
        return f"{concept}: P({dose.answers[0]}) is no number at every strength."
    best = int(np.argmax(np.abs(odds - odds[zero])))
    curve = dose.curve(concept)
    said = (
        f"{concept}: P({dose.answers[0]}) among the answers {_moved(curve, zero, best)}"
        f"{_at(dose, concept, best)}{_figures(dose, concept, best, 'asked')}"
    )
    for question, what in QUESTIONS.items():
        if question in dose.questions:
            other = dose.curve(concept, question=question)
            figures = _figures(dose, concept, best, question)
            said += f"; {what} {_moved(other, zero, best)}{figures}"
    mass = dose.curve(concept, "mass")
    if mass[best] < 0.5 * mass[zero]:
        said += (
            f"; the answers' share of all next tokens falls from {short(mass[zero])} to "
            f"{short(mass[best])}"
        )
    if not dose.kinds(concept):
        said += "; no placebo was run"
    elif concept in dose.labels:
        fitted = fitted_to(dose.labels[concept], len(dose.placebos(concept, kind="relabelled")))
        said += f"; {fitted}" if fitted else ""
    return said + "."


def _moved(curve: np.ndarray, zero: int, best: int) -> str:
    before, after = float(curve[zero]), float(curve[best])
    if short(before) == short(after):
        return f"stays at {short(before)}"
    return f"{verb(before, after)} {short(before)} to {short(after)}"


def _at(dose: DoseCurves, concept: str, best: int) -> str:
    cards, strength = dose.steers.get(concept, ()), dose.strengths[best]
    if len(cards) == 1:
        return f" at {strength * cards[0].strength:.3g}"
    return f" at {strength:.3g} times their strengths"


def _figures(dose: DoseCurves, concept: str, best: int, question: str) -> str:
    """Return the interval over prompts and the p of the strength that is told."""
    found: list[str] = []
    if len(dose.questions[question]) > 1:
        low, high = (side[best] for side in dose.interval(concept, question))
        found.append(f"log-odds 95 % {low:+.2f} to {high:+.2f}")
    cell = best - (best > dose.strengths.index(0))
    for kind in dose.kinds(concept):
        if not len(dose.placebos(concept, kind=kind, question=question)):
            continue  # layout before placebos were asked everything
        test = dose.test(concept, question, kind)
        if test.can_tell:
            found.append(f"p = {short(float(test.p_cells[cell]))} {SHORTLY[kind]}")
    return f" ({'; '.join(found)})" if found else ""


def _family(dose: DoseCurves) -> list[str]:
    """Say once what every p pays for, and what the placebos are too few for."""
    told: dict[str, int] = {}
    few: dict[str, int] = {}
    for concept in dose.concepts:
        for kind in dose.kinds(concept):
            test = dose.test(concept, "asked", kind)
            (told if test.can_tell else few)[kind] = test.n
    said: list[str] = []
    if told:
        alone = ", each concept and question by itself" if len(dose.concepts) > 1 else ""
        against = listed([called(kind, n) for kind, n in told.items()])
        strengths = counted(len(dose.strengths) - 1, "strength")
        said.append(f"p is two-sided over {strengths}{alone}, against {against}.")
    said += [
        f"{called(kind, n)} cannot tell (the smallest p is {short(1 / (n + 1))})."
        for kind, n in few.items()
    ]
    asked = len(dose.questions["asked"])
    said.append(f"Means over {asked} questions." if asked > 1 else "One question.")
    return said
