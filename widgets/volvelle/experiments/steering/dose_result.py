"""The result of `volvelle.dose`: an answer's probability against the strength of concepts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from volvelle.archive import named, open_file
from volvelle.experiments.steering.summary import short
from volvelle.names import known_keywords_in, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from volvelle.experiments.steering.rows import SteerCard

KIND = "volvelle.Dose"
VERSION = 1
QUESTIONS = ("asked", "control", "reversed")
MEASURES = ("p", "mass", "entropy")


@known_keywords_in
@dataclass(frozen=True, eq=False)
class Dose:
    """Answers to a question while concepts are steered, beside placebos and a control question.

    All arrays are one entry per row, (n_rows,).

    Attributes
    ----------
    model : str
    questions : dict of str -> tuple of str
        The prompts of ``asked``, ``control`` and ``reversed``, as the model read them.
    answers : tuple of str
        The first is the one whose probability is drawn.
    spellings : tuple of tuple of str
        Tokens counted as each answer.
    concepts : tuple of str
    steers : dict of concept -> tuple of SteerCard
    strengths : tuple of float
        Multipliers, ascending, 0 among them.
    concept, kind, question : arrays of str
        ``kind`` is ``steered``, ``random`` or ``shuffled``.
    number : int array
        Which placebo, -1 for the concept itself.
    strength : float array
    logprobs : float32 array, shape (n_rows, n_answers)
        Natural log of each answer's probability, its spellings summed.
    entropy : float32 array
        Of the whole next-token distribution, nats.
    texts : tuple of str
        What the model goes on to say, where it was asked for; else "".
    placebo_of : dict of concept -> concept
        Whose placebos stand for a concept: concepts of one point and size share them.
    settings : dict
    """

    model: str
    questions: dict[str, tuple[str, ...]] = field(repr=False)
    answers: tuple[str, ...]
    spellings: tuple[tuple[str, ...], ...]
    concepts: tuple[str, ...]
    steers: dict[str, tuple[SteerCard, ...]] = field(repr=False)
    strengths: tuple[float, ...]
    concept: np.ndarray = field(repr=False)
    kind: np.ndarray = field(repr=False)
    question: np.ndarray = field(repr=False)
    number: np.ndarray = field(repr=False)
    strength: np.ndarray = field(repr=False)
    logprobs: np.ndarray = field(repr=False)
    entropy: np.ndarray = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)
    placebo_of: dict[str, str] = field(default_factory=dict, repr=False)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def mass(self) -> np.ndarray:
        """Probability of all answers together: near 0 the normalised one means little."""
        return np.exp(self.logprobs).sum(axis=1)

    @property
    def p(self) -> np.ndarray:
        """Probability of the first answer among the answers."""
        shifted = np.exp(self.logprobs - self.logprobs.max(axis=1, keepdims=True))
        return shifted[:, 0] / shifted.sum(axis=1)

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
        measure : {"p", "mass", "entropy"}
            Normalised probability of the first answer; of all answers together; entropy.
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
        owner = concept if kind == "steered" else self.placebo_of.get(concept, concept)
        mine = (self.concept == owner) & (self.kind == kind) & (self.number == number)
        asked = self.question == question
        values = getattr(self, measure)
        found = []
        for strength in self.strengths:
            rows = asked & (self.strength == strength)
            # every line starts from the shared baseline
            rows &= (self.kind == "baseline") if strength == 0 else mine
            found.append(values[rows].mean() if rows.any() else np.nan)
        return np.array(found)

    def placebos(self, concept: str, measure: str = "p", kind: str = "random") -> np.ndarray:
        """Return every placebo's curve on the asked question, shape (n, n_strengths)."""
        owner = self.placebo_of.get(concept, concept)
        mine = (self.concept == owner) & (self.kind == kind)
        curves = [
            self.curve(concept, measure, kind=kind, number=int(n))
            for n in np.unique(self.number[mine])
        ]
        return np.stack(curves) if curves else np.zeros((0, len(self.strengths)))

    def band(
        self,
        concept: str,
        measure: str = "p",
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        kind: str = "random",
    ) -> pd.DataFrame:
        """Return a concept's curve and its placebos' quantiles; index strength."""
        import pandas as pd

        frame = pd.DataFrame(
            {"steered": self.curve(concept, measure)},
            index=pd.Index(self.strengths, name="strength"),
        )
        curves = self.placebos(concept, measure, kind)
        for quantile in quantiles if len(curves) else ():
            frame[f"{quantile:g}"] = np.quantile(curves, quantile, axis=0)
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per prompt, strength and steer.

        Columns: question, concept, kind, placebo, strength, p, mass, entropy, one ``P(answer)``
        per answer, text.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "question": self.question,
                "concept": self.concept,
                "kind": self.kind,
                "placebo": self.number,
                "strength": self.strength,
                "p": self.p,
                "mass": self.mass,
                "entropy": self.entropy,
            }
        )
        for n, answer in enumerate(self.answers):
            frame[f"P({answer})"] = np.exp(self.logprobs[:, n])
        return frame.assign(text=self.texts)

    def summary(self) -> str:
        """Return one honest sentence per concept: effect, placebos, control."""
        return " ".join(self._sentence(concept) for concept in self.concepts)

    def _sentence(self, concept: str) -> str:
        curve = self.curve(concept)
        zero = self.strengths.index(0)
        if len(self.strengths) < 2:
            return f"{concept}: only the baseline was run."
        best = int(np.argmax(np.abs(curve - curve[zero])))
        change = curve[best] - curve[zero]
        moved = "rises" if change > 0 else "falls"
        said = (
            f"{concept}: P({self.answers[0]}) among the answers {moved} from {short(curve[zero])} "
            f"to {short(curve[best])} at {self.strengths[best]:g}"
        )
        for kind, what in (("random", "random directions"), ("shuffled", "other features")):
            curves = self.placebos(concept, kind=kind)
            if len(curves):
                # each at its own furthest, so that the concept has no choice they lack
                theirs = (np.sign(change) * (curves - curve[zero])).max(axis=1)
                reached = int((theirs >= abs(change)).sum())
                said += f"; {reached} of {len(curves)} {what} do as much"
        for question, what in (("control", "the unrelated control"), ("reversed", "the reversed")):
            other = self.curve(concept, question=question)
            if np.isfinite(other[best]):
                said += f"; {what} question goes from {short(other[zero])} to {short(other[best])}"
        mass = self.curve(concept, "mass")
        if mass[best] < 0.5 * mass[zero]:
            said += (
                f"; the answers' share of all next tokens falls from {short(mass[zero])} to "
                f"{short(mass[best])}"
            )
        if not any(len(self.placebos(concept, kind=kind)) for kind in ("random", "shuffled")):
            said += "; no placebo was run"
        return said + "."

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file; returns its path."""
        from safetensors.numpy import save_file

        file = named(path)
        arrays = ("number", "strength", "logprobs", "entropy")
        said = {
            name: value
            for name, value in vars(self).items()
            if name not in (*arrays, "steers", "concept", "kind", "question")
        }
        said["steers"] = {c: [asdict(card) for card in cards] for c, cards in self.steers.items()}
        said |= {n: getattr(self, n).tolist() for n in ("concept", "kind", "question")}
        header = {"kind": KIND, "version": str(VERSION), "dose": json.dumps(said)}
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in arrays}
        save_file(tensors, str(file), metadata=header)
        return file

    @classmethod
    def load(cls, path: str | Path) -> Dose:
        """Read what `save` wrote."""
        from volvelle.experiments.steering.rows import SteerCard

        tensors, header = open_file(Path(path), KIND, VERSION)
        said: dict[str, Any] = json.loads(header["dose"])
        for name in ("answers", "concepts", "strengths", "texts"):
            said[name] = tuple(said[name])
        said["spellings"] = tuple(tuple(s) for s in said["spellings"])
        said["questions"] = {q: tuple(p) for q, p in said["questions"].items()}
        said["steers"] = {
            concept: tuple(SteerCard(**{**c, "points": tuple(c["points"])}) for c in cards)
            for concept, cards in said["steers"].items()
        }
        for name in ("concept", "kind", "question"):
            said[name] = np.array(said[name])
        return cls(**said, **cast("dict[str, Any]", tensors))

    def __repr__(self) -> str:
        n = self.settings.get("placebo", 0)
        return (
            f"Dose({self.model}, {', '.join(self.concepts)}, {len(self.strengths)} strengths, "
            f"{n} placebos: {self.summary()})"
        )
