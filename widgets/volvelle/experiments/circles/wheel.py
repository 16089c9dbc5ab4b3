"""What turning a circle did: responses around the wheel, beside their placebos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.arguments.call import checked_result
from volvelle.arguments.plain import whole
from volvelle.compute.circles.angles import (
    Harmonic,
    align,
    angular_error,
    circular_correlation,
    first_harmonic,
)
from volvelle.compute.circles.fit import MOST_NULL
from volvelle.compute.stats.permutation import p_value
from volvelle.experiments.circles.lexicons import PLACEBOS, TextWave, wave_of_texts
from volvelle.experiments.result import Result

if TYPE_CHECKING:
    import pandas as pd

FEW = 20  # placebo planes below which no 95 % can be told
RESPONSES = Axes("n_strengths", "n_angles", "n_prompts", "n_words", kind="f")


@dataclass(frozen=True, eq=False)
class Text:
    """A text written under one turn of the wheel.

    Attributes
    ----------
    plane : str
        ``"circle"``, or a placebo: ``"random"``, ``"span"``.
    strength : float
        0 for the unsteered baseline.
    angle : float
        Degrees; NaN for the baseline.
    prompt : str
    sample : int
    text : str
        The continuation.
    nll : float
        Mean negative log-probability per token under the steered model, nats.
    distinct : float
        Distinct words over words, in [0, 1].
    valence : float
        VADER's compound score in [-1, 1]; NaN where vaderSentiment is not installed.
    norms : dict
        Means over the words found in a norms file of the user's: valence, arousal, share.
    drawn : int
        Which of the placebo planes of its kind, from 0.
    """

    plane: str
    strength: float
    angle: float
    prompt: str
    sample: int
    text: str
    nll: float
    distinct: float
    valence: float
    norms: Mapping[str, float] = field(default_factory=dict)
    drawn: int = 0


@checked_result
@dataclass(frozen=True, eq=False, repr=False)
class Wheel(Result, kind="Wheel", version=1):
    """Responses of a model to a direction turned around a circle.

    Attributes
    ----------
    title : str
        Model, point and what the plane was fitted to.
    names : tuple of str
        Words whose log-probability was read.
    reference : array, shape (n_words,)
        Degrees, NaN for words that have none; for held-out words the middle of their quadrant.
    held_out : bool array, shape (n_words,)
        Words that the plane has not seen.
    angles : array, shape (n_angles,)
        Degrees.
    strengths : array, shape (n_strengths,)
        Multiples of the point's median residual norm.
    prompts : tuple of str
    logprobs : array, float32, shape (n_strengths, n_angles, n_prompts, n_words)
        Natural log.
    baseline : array, float32, shape (n_prompts, n_words)
        Unsteered.
    placebos : dict of str to array, float32, shape (n_planes, n_strengths, n_angles, n_prompts,
        n_words)
        The same around planes that are not the circle's: ``"random"``, and ``"span"``, planes
        inside the span of the class vectors.
    texts : tuple of Text
    left_out : tuple of str
        Words that are more than one token, which have no next-token probability.
    details : dict
    """

    title: str
    names: Annotated[tuple[str, ...], Axes("n_words")]
    reference: Annotated[np.ndarray, Axes("n_words", kind="f")]
    held_out: Annotated[np.ndarray, Axes("n_words", kind="b")]
    angles: Annotated[np.ndarray, Axes("n_angles")]
    strengths: Annotated[np.ndarray, Axes("n_strengths")]
    prompts: Annotated[tuple[str, ...], Axes("n_prompts")]
    logprobs: Annotated[np.ndarray, RESPONSES]
    baseline: Annotated[np.ndarray, Axes("n_prompts", "n_words", kind="f")]
    placebos: Mapping[str, Annotated[np.ndarray, Axes(None, *RESPONSES.lengths, kind="f")]] = field(
        default_factory=dict
    )
    texts: tuple[Text, ...] = ()
    left_out: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def _check(self) -> None:
        """Raise ValueError where responses of a file are no numbers."""
        read = (self.angles, self.strengths, self.logprobs, self.baseline, *self.placebos.values())
        if not all(np.isfinite(one).all() for one in read):
            raise ValueError("angles, strengths or log-probabilities hold NaN or infinity")
        if not (self.angles.size and self.strengths.size and self.prompts):
            raise ValueError("there are no angles, strengths or prompts")

    @property
    def response(self) -> np.ndarray:
        """Mean change of each word's log-probability, nats, (n_strengths, n_angles, n_words)."""
        return self.logprobs.mean(axis=2) - self.baseline.mean(axis=0)

    @property
    def harmonics(self) -> Harmonic:
        """Peak (radians), amplitude (nats), mean and R2 per strength and word."""
        return self._waves(self.logprobs)

    def _waves(self, logprobs: np.ndarray) -> Harmonic:
        curves = logprobs.mean(axis=-2).swapaxes(-1, -2)
        return first_harmonic(curves, np.radians(self.angles))

    @property
    def peaks(self) -> np.ndarray:
        """Angle at which each word is likeliest, degrees in [0, 360), (n_strengths, n_words)."""
        return np.degrees(self.harmonics.peak) % 360

    @property
    def scored(self) -> np.ndarray:
        """Words of the plane's own that have a reference, bool (n_words,)."""
        return np.isfinite(self.reference) & ~self.held_out

    def _score(self, logprobs: np.ndarray) -> np.ndarray:
        chosen = self.scored
        if chosen.sum() < 4:
            return np.full(logprobs.shape[:-3], np.nan)
        peaks = self._waves(logprobs[..., chosen]).peak
        return np.abs(circular_correlation(peaks, np.radians(self.reference[chosen])))

    @property
    def score(self) -> np.ndarray:
        """Absolute circular correlation of peaks with the reference, (n_strengths,)."""
        return self._score(self.logprobs)

    @property
    def placebo_scores(self) -> dict[str, np.ndarray]:
        """The same for every placebo plane, (n_planes, n_strengths)."""
        return {kind: self._score(found) for kind, found in self.placebos.items()}

    @property
    def resultant(self) -> np.ndarray:
        """Resultant length of peaks against the reference, aligned, (n_strengths,)."""
        chosen = self.scored
        peaks = self.harmonics.peak[:, chosen]
        return align(peaks, np.radians(self.reference[chosen])).length

    @property
    def error(self) -> np.ndarray:
        """Median distance of peaks from the reference, aligned, degrees, (n_strengths,)."""
        chosen = self.scored
        peaks = self.harmonics.peak[:, chosen]
        return np.degrees(angular_error(peaks, np.radians(self.reference[chosen])))

    @property
    def quadrants(self) -> np.ndarray:
        """Share of held-out words that peak in their quadrant (chance .25), (n_strengths,)."""
        chosen = np.isfinite(self.reference) & self.held_out
        if not chosen.any():
            return np.full(len(self.strengths), np.nan)
        found = self.peaks[:, chosen] // 90
        return (found == (self.reference[chosen] % 360) // 90).mean(axis=1)

    def curves(self) -> np.ndarray:
        """Read both axes by the model's own words: (n_strengths, n_angles, 2), nats.

        The mean change of the log-probability, weighted by cos (valence) and sin (arousal) of
        the words' reference angles. It is what the model expects to say, not what readers feel.
        """
        chosen = self.scored
        turn = np.radians(self.reference[chosen])
        weights = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        weights = weights - weights.mean(axis=0)
        return self.response[..., chosen] @ (weights / np.abs(weights).sum(axis=0))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per strength and word: reference, peak, amplitude, fit, held out."""
        import pandas as pd

        waves, n = self.harmonics, len(self.names)
        rows = []
        for s, strength in enumerate(self.strengths):
            rows.append(
                pd.DataFrame(
                    {
                        "strength": np.full(n, strength),
                        "word": self.names,
                        "reference": self.reference,
                        "held_out": self.held_out,
                        "peak": self.peaks[s],
                        "amplitude": waves.amplitude[s],
                        "r2": waves.r2[s],
                    }
                )
            )
        return pd.concat(rows, ignore_index=True)

    def responses(self) -> pd.DataFrame:
        """Return one row per strength, angle and word: change of the log-probability, nats."""
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [self.strengths, self.angles, self.names], names=["strength", "angle", "word"]
        )
        return pd.DataFrame({"change": self.response.ravel()}, index=index).reset_index()

    def texts_table(self) -> pd.DataFrame:
        """Return one row per text written."""
        import pandas as pd

        rows = [{**vars(t), **{f"norms_{k}": v for k, v in t.norms.items()}} for t in self.texts]
        return pd.DataFrame(rows).drop(columns="norms", errors="ignore")

    def valence_wave(self, strength: int = 0, n_null: int = 2000) -> TextWave:
        """Fit one wave to the valence of the texts around the wheel, beside those of placebos.

        Parameters
        ----------
        strength : int
            Index into `strengths`.
        n_null : int
            Shuffles of the texts among the angles.

        Returns
        -------
        TextWave

        Raises
        ------
        ValueError
            Where no texts were written, or vaderSentiment is not installed.
        """
        n_null = whole(n_null, "n_null", 1, MOST_NULL)
        level = float(self.strengths[self._index(strength)])
        found: dict[tuple[str, int], list[Text]] = {}
        for text in self.texts:
            if text.strength == level and np.isfinite(text.angle):
                found.setdefault((text.plane, text.drawn), []).append(text)
        own = found.pop(("circle", 0), [])
        values = np.array([text.valence for text in own])
        if not np.isfinite(values).any():
            raise ValueError(
                "no text of this wheel has a valence: give vv.steer_around samples=1 or more, and "
                "pip install vaderSentiment"
            )
        placebos = {
            kind: np.array([[t.valence for t in of] for (k, _), of in found.items() if k == kind])
            for kind in PLACEBOS
        }
        kept = {kind: values for kind, values in placebos.items() if values.size}
        angles = [text.angle for text in own]
        return wave_of_texts(angles, values, kept, n_null, int(self.details.get("seed", 0)))

    def summary(self) -> str:
        """Return how many angles and prompts there are, and the strength that went best."""
        best = int(np.nan_to_num(self.score).argmax())
        parts = [f"{len(self.angles)} angles x {len(self.prompts)} prompts"]
        parts.append(f"strength {self.strengths[best]:g}: {self.says(best)}")
        if self.texts:
            parts.append(f"{len(self.texts)} texts")
        return f"{self.title}; {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"Wheel({self.summary()})"

    def _index(self, strength: int) -> int:
        if not -len(self.strengths) <= strength < len(self.strengths):
            raise IndexError(
                f"strength={strength} is outside the wheel's 0...{len(self.strengths) - 1}: it "
                "counts the strengths"
            )
        return strength

    def says(self, strength: int = 0) -> str:
        """Return the result at one strength (its index) as a sentence, with its placebos."""
        strength = self._index(strength)
        if not np.isfinite(self.score[strength]):
            return "no reference angles to score against"
        told = [f"circular correlation of peak angles {self.score[strength]:.2f}"]
        for kind, scores in self.placebo_scores.items():
            own, n = scores[:, strength], len(scores)
            if n < FEW:
                told.append(f"{n} {PLACEBOS[kind]} up to {own.max():.2f}")
            else:
                p = p_value(float(self.score[strength]), own)
                limit = np.quantile(own, 0.95)
                told.append(f"95 % of {n} {PLACEBOS[kind]} below {limit:.2f}, p = {p:.2g}")
        if self.held_out.any():
            n = int(self.held_out.sum())
            told.append(f"{self.quadrants[strength]:.2f} of {n} unseen words in their quadrant")
        return "; ".join(told)
