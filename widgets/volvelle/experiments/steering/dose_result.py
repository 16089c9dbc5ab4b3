"""The result of `volvelle.dose`: an answer's probability against the strength of concepts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from volvelle.archive import named, open_file
from volvelle.experiments.steering.dose_curves import DoseCurves
from volvelle.experiments.steering.dose_summary import summarise
from volvelle.names import known_keywords_in

if TYPE_CHECKING:
    import pandas as pd

KIND = "volvelle.Dose"
VERSION = 1


@known_keywords_in
@dataclass(frozen=True, eq=False)
class Dose(DoseCurves):
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

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file; returns its path."""
        from safetensors.numpy import save_file

        file = named(path)
        arrays = ("number", "strength", "logprobs", "entropy")
        said = {
            name: value
            for name, value in vars(self).items()
            if name not in (*arrays, "steers", "labels", "concept", "kind", "question")
        }
        said["steers"] = {c: [asdict(card) for card in cards] for c, cards in self.steers.items()}
        said["labels"] = {concept: asdict(labels) for concept, labels in self.labels.items()}
        said |= {n: getattr(self, n).tolist() for n in ("concept", "kind", "question")}
        header = {"kind": KIND, "version": str(VERSION), "dose": json.dumps(said)}
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in arrays}
        save_file(tensors, str(file), metadata=header)
        return file

    @classmethod
    def load(cls, path: str | Path) -> Dose:
        """Read what `save` wrote."""
        from volvelle.experiments.steering.placebos import Relabelled
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
        said["labels"] = {c: Relabelled(**one) for c, one in said.get("labels", {}).items()}
        for name in ("concept", "kind", "question"):
            said[name] = np.array(said[name])
        return cls(**said, **cast("dict[str, Any]", tensors))

    def __repr__(self) -> str:
        n = self.settings.get("placebo", 0)
        return (
            f"Dose({self.model}, {', '.join(self.concepts)}, {len(self.strengths)} strengths, "
            f"{n} placebos: {self.summary()})"
        )
