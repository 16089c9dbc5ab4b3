"""The result of `volvelle.dose`: an answer's probability against the strength of concepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.arguments.call import checked_result
from volvelle.experiments.result import Result
from volvelle.experiments.steering.dose_curves import DoseCurves
from volvelle.experiments.steering.dose_summary import summarise

if TYPE_CHECKING:
    import pandas as pd


@checked_result
@dataclass(frozen=True, eq=False)
class Dose(DoseCurves, Result, kind="Dose", version=1):
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
        ``kind`` is ``baseline``, ``steered``, or a kind of placebo: ``random``, ``shuffled``,
        ``relabelled``, ``rescaled``.
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
        Whose random placebos stand for a concept: concepts of one point and size share them.
    settings : dict
    labels : dict of concept -> Relabelled
        What texts its direction was fitted to, and how many other labellings they have.
    """

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
        return summarise(self)

    def __repr__(self) -> str:
        n = self.settings.get("placebo", 0)
        return (
            f"Dose({self.model}, {', '.join(self.concepts)}, {len(self.strengths)} strengths, "
            f"{n} placebos: {self.summary()})"
        )
