"""Curves of a dose-response experiment, their bands and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.arguments.call import checked_in
from volvelle.compute.stats.cells import CellTest, simultaneous_band, stand_out
from volvelle.compute.stats.intervals import interval
from volvelle.experiments.steering.effects import KINDS, called, counted
from volvelle.experiments.steering.placebos import Relabelled  # noqa: TC001 - a field's type, read with its file
from volvelle.experiments.steering.rows import SteerCard  # noqa: TC001 - a field's type, read with its file
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

QUESTIONS = ("asked", "control", "reversed")
MEASURES = ("p", "log_odds", "mass", "entropy")


def _to_odds(p: np.ndarray) -> np.ndarray:
    held = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.log(held / (1 - held))


def _from_odds(odds: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(odds / 2)) / 2


def _to_log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values.astype(np.float64), 1e-9))


# From a measure that ends to one that does not, and back.
BOUNDED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], ...]] = {
    "p": (_to_odds, _from_odds),
    "mass": (_to_odds, _from_odds),
    "entropy": (_to_log, np.exp),
}


@checked_in
@dataclass(frozen=True, eq=False)
class DoseCurves:
    """Answers to a question against the strength of concepts and of placebos.

    `Dose` documents its fields.
    """

    model: str
    questions: dict[str, tuple[str, ...]] = field(repr=False)
    answers: Annotated[tuple[str, ...], Axes("n_answers")]
    spellings: Annotated[tuple[tuple[str, ...], ...], Axes("n_answers")]
    concepts: tuple[str, ...]
    steers: dict[str, tuple[SteerCard, ...]] = field(repr=False)
    strengths: tuple[float, ...]
    concept: Annotated[np.ndarray, Axes("n_rows", kind="U")] = field(repr=False)
    kind: Annotated[np.ndarray, Axes("n_rows", kind="U")] = field(repr=False)
    question: Annotated[np.ndarray, Axes("n_rows", kind="U")] = field(repr=False)
    number: Annotated[np.ndarray, Axes("n_rows", kind="i")] = field(repr=False)
    strength: Annotated[np.ndarray, Axes("n_rows", kind="f")] = field(repr=False)
    logprobs: Annotated[np.ndarray, Axes("n_rows", "n_answers", kind="f")] = field(repr=False)
    entropy: Annotated[np.ndarray, Axes("n_rows", kind="f")] = field(repr=False)
    texts: Annotated[tuple[str, ...], Axes("n_rows")] = field(repr=False)
    placebo_of: dict[str, str] = field(default_factory=dict, repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Relabelled] = field(default_factory=dict, repr=False)

    def _check(self) -> None:
        """Raise ValueError where the rows of a file are not those of its questions."""
        if 0 not in self.strengths or "asked" not in self.questions:
            raise ValueError("there is no strength 0, the baseline, or no question")
        if not set(self.concepts) <= set(self.steers):
            raise ValueError("steers lack a concept")
        for question in self.questions:
            asked = self.question == question
            n = int((asked & (self.kind == "baseline")).sum())
            steered = asked & (self.kind == "steered")
            for concept in self.concepts:
                for strength in self.strengths:
                    rows = steered & (self.concept == concept) & (self.strength == strength)
                    if n == 0 or (strength != 0 and int(rows.sum()) != n):
                        raise ValueError(
                            f"rows lack {question!r} of {concept!r} at strength {strength:g}"
                        )

    @property
    def mass(self) -> np.ndarray:
        """Probability of all answers together: near 0 the normalised one means little."""
        return np.exp(self.logprobs).sum(axis=1)

    @property
    def p(self) -> np.ndarray:
        """Probability of the first answer among the answers."""
        shifted = np.exp(self.logprobs - self.logprobs.max(axis=1, keepdims=True))
        return shifted[:, 0] / shifted.sum(axis=1)

    @property
    def log_odds(self) -> np.ndarray:
        """Log-odds of the first answer against the others, ``log(p / (1 - p))`` of `p`."""
        wide = self.logprobs.astype(np.float64)
        return wide[:, 0] - np.logaddexp.reduce(wide[:, 1:], axis=1)

    def curve(
        self,
        concept: str,
        measure: str = "p",
        *,
        question: str = "asked",
        kind: str = "steered",
        number: int = -1,
    ) -> np.ndarray:
        """Return a measure per strength, averaged over the question's prompts.

        Parameters
        ----------
        concept : str
        measure : {"p", "log_odds", "mass", "entropy"}
            Normalised probability of the first answer, its log-odds; probability of all answers
            together; entropy.
        question : {"asked", "control", "reversed"}
        kind, number
            Which steers.

        Returns
        -------
        array, shape (n_strengths,)
            NaN where nothing was run.
        """
        if concept not in self.concepts:
            raise KeyError(unknown("concept", concept, self.concepts))
        if measure not in MEASURES:
            raise KeyError(unknown("measure", measure, MEASURES))
        if question not in QUESTIONS:
            raise KeyError(unknown("question", question, QUESTIONS))
        if kind not in (there := ("steered", *self.kinds(concept))):
            raise KeyError(unknown("kind", kind, there))
        owner = self._owner(concept, kind)
        of_kind = (self.concept == owner) & (self.kind == kind)
        mine = of_kind & (self.number == number)
        if kind == "steered" and number != -1:
            raise KeyError(f"number={number} is no placebo: they count from 0")
        if kind != "steered" and of_kind.any() and not mine.any():
            n = len(np.unique(self.number[of_kind]))
            raise KeyError(f"number={number}: no curve of kind {kind!r} has it, {n} were run")
        asked = self.question == question
        values = getattr(self, measure)
        found = []
        for strength in self.strengths:
            rows = asked & (self.strength == strength)
            # every line starts from the shared baseline
            rows &= (self.kind == "baseline") if strength == 0 else mine
            found.append(values[rows].mean() if rows.any() else np.nan)
        return np.array(found)

    def placebos(
        self,
        concept: str,
        measure: str = "p",
        kind: str = "random",
        question: str = "asked",
    ) -> np.ndarray:
        """Return every placebo's curve, shape (n, n_strengths)."""
        owner = self._owner(concept, kind)
        mine = (self.concept == owner) & (self.kind == kind) & (self.question == question)
        curves = [
            self.curve(concept, measure, question=question, kind=kind, number=int(n))
            for n in np.unique(self.number[mine])
        ]
        return np.stack(curves) if curves else np.zeros((0, len(self.strengths)))

    def kinds(self, concept: str) -> tuple[str, ...]:
        """Return the kinds of placebos that stand for a concept."""
        return tuple(
            k for k in KINDS if ((self.concept == self._owner(concept, k)) & (self.kind == k)).any()
        )

    def _owner(self, concept: str, kind: str) -> str:
        """Return under whose name rows of a kind are: only what is random is shared."""
        shared = kind in ("random", "shuffled")
        return self.placebo_of.get(concept, concept) if shared else concept

    def test(self, concept: str, question: str = "asked", kind: str = "random") -> CellTest:
        """Test a concept's curve against placebos' curves.

        Log-odds of the first answer among the answers, mean over the question's prompts, each
        strength in units of the placebos' spread, two-sided; every p pays for all strengths of
        this concept. Other concepts are other tests.

        Parameters
        ----------
        concept : str
        question : {"asked", "control", "reversed"}
        kind : {"random", "shuffled", "relabelled", "rescaled"}

        Returns
        -------
        CellTest
            Its `p_cells` has shape (n_strengths - 1,), without strength 0.

        Raises
        ------
        KeyError
            For a kind that was not run.
        """
        if concept not in self.concepts:
            raise KeyError(unknown("concept", concept, self.concepts))
        if kind not in self.kinds(concept):
            raise KeyError(unknown("kind of placebo", kind, self.kinds(concept)))
        zero = self.strengths.index(0)
        curve = self.curve(concept, "log_odds", question=question)
        others = self.placebos(concept, "log_odds", kind, question)
        n = len(self.strengths) - 1
        family = f"two-sided over {counted(n, 'strength')}, {called(kind, len(others))}"
        changes = np.delete(np.vstack([curve, others]), zero, axis=1) - curve[zero]
        return stand_out(changes[0], changes[1:], family)

    def interval(self, concept: str, question: str = "asked") -> tuple[np.ndarray, np.ndarray]:
        """Return the 95 % interval over prompts of the change of log-odds, (n_strengths,) each.

        NaN of a single prompt.
        """
        if concept not in self.concepts:
            raise KeyError(unknown("concept", concept, self.concepts))
        if question not in QUESTIONS:
            raise KeyError(unknown("question", question, QUESTIONS))
        asked = self.question == question
        base = self.log_odds[asked & (self.kind == "baseline")]
        mine = asked & (self.concept == concept) & (self.kind == "steered")
        changes = np.zeros((len(base), len(self.strengths)))
        for n, strength in enumerate(self.strengths):
            if strength != 0:
                changes[:, n] = self.log_odds[mine & (self.strength == strength)] - base
        return interval(changes)

    def band(
        self,
        concept: str,
        measure: str = "p",
        level: float = 0.05,
        kind: str = "random",
        question: str = "asked",
    ) -> pd.DataFrame:
        """Return a concept's curve and the band that a placebo's whole curve stays inside.

        Parameters
        ----------
        concept, measure, kind, question
            As in `curve`.
        level : float in 0...1
            Share of placebos that leave the band somewhere; more where there are so few
            placebos that none can say less: ``attrs["coverage"]`` is the share that stays.

        Returns
        -------
        pandas.DataFrame
            Index strength; columns ``steered``, ``low``, ``middle``, ``high``; without placebos
            only the first.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {"steered": self.curve(concept, measure, question=question)},
            index=pd.Index(self.strengths, name="strength"),
        )
        curves = self.placebos(concept, measure, kind, question)
        if len(curves):
            # shares end at 0 and 1, entropies at 0; their log-odds and logs do not end
            there, back = BOUNDED.get(measure, (np.asarray, np.asarray))
            band = simultaneous_band(there(curves), level)
            for name in ("low", "middle", "high"):
                frame[name] = back(getattr(band, name))
            frame.attrs["coverage"] = band.coverage
        return frame
