"""Scores of generated text: free lexicon for valence, a user's own norms for arousal."""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from volvelle.archive.paths import file_to_read
from volvelle.compute.circles.angles import first_harmonic
from volvelle.compute.stats.permutation import PermutationTest, p_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

log = logging.getLogger("volvelle")

PLACEBOS = {"random": "random planes", "span": "planes in the span of the names"}
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower case."""
    return [word.lower() for word in _WORDS.findall(text)]


def distinct_words(text: str) -> float:
    """Return distinct words over words, in [0, 1]; 0 for a text without words."""
    words = words_of(text)
    return len(set(words)) / len(words) if words else 0.0


@cache
def _vader() -> Callable[[str], float] | None:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        log.warning("valence of texts is not scored: pip install vaderSentiment")
        return None
    analyser = SentimentIntensityAnalyzer()
    return lambda text: float(analyser.polarity_scores(text)["compound"])


def valence(text: str) -> float:
    """Return VADER's compound score in [-1, 1]; NaN where vaderSentiment is not installed.

    Source: Hutto and Gilbert (2014), VADER; the MIT-licensed package vaderSentiment.
    """
    score = _vader()
    return float("nan") if score is None else score(text)


def read_norms(path: str | Path) -> dict[str, tuple[float, float]]:
    """Read a norms file of the user's: word, valence, arousal.

    No arousal norms with a free licence exist, so none is shipped.

    Parameters
    ----------
    path : str or Path
        CSV or tab-separated, with a header that names the columns word, valence and arousal
        (any case and order; further columns are ignored).

    Returns
    -------
    dict of word to (valence, arousal), in the file's own scale
    """
    file = file_to_read(path, "a file of norms (CSV or tab-separated)", "vad")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no text in UTF-8 ({error}); save it as that") from error
    header, _, _ = text.partition("\n")
    dialect = "excel-tab" if "\t" in header else "excel"
    rows = csv.DictReader(text.splitlines(), dialect=dialect)
    columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
    missing = [name for name in ("word", "valence", "arousal") if name not in columns]
    if missing:
        raise ValueError(
            f"vad={str(path)!r} has columns {list(columns)}; {', '.join(missing)} missing: the "
            "header must name word, valence and arousal"
        )
    return {
        row[columns["word"]].strip().lower(): (
            float(row[columns["valence"]]),
            float(row[columns["arousal"]]),
        )
        for row in rows
    }


def norms_of(text: str, norms: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Return mean valence and arousal of the words found, and the share of words found."""
    words = words_of(text)
    found = [norms[word] for word in words if word in norms]
    if not found:
        return {"valence": float("nan"), "arousal": float("nan"), "share": 0.0}
    means = np.mean(found, axis=0)
    share = len(found) / len(words)
    return {"valence": float(means[0]), "arousal": float(means[1]), "share": share}


@dataclass(frozen=True, eq=False)
class TextWave:
    """One wave through scores of texts around the wheel, beside what chance and placebos give.

    Attributes
    ----------
    amplitude : float
        In the unit of the scores.
    peak : float
        Degrees.
    r : float
        Pearson's r of the mean per angle with cos of the angle.
    limit, p : float
        Of the amplitude, with the texts shuffled among the angles: 95 % stay below `limit`. Any
        plane that changes what is written at all may pass this one.
    placebos : dict of str to array, shape (n_planes,)
        Amplitudes of the same texts written around placebo planes, by kind.
    n_texts : int
    """

    amplitude: float
    peak: float
    r: float
    limit: float
    p: float
    placebos: Mapping[str, np.ndarray]
    n_texts: int

    @property
    def tests(self) -> dict[str, PermutationTest]:
        """The amplitude beside those of each kind of placebo planes."""
        return {
            kind: PermutationTest(PLACEBOS[kind], self.amplitude, found)
            for kind, found in self.placebos.items()
        }

    def __repr__(self) -> str:
        told = [f"amplitude {self.amplitude:.2f} at {self.peak:.0f} degrees, {self.n_texts} texts"]
        for kind, test in self.tests.items():
            n = len(test.null)
            if test.can_tell:
                told.append(
                    f"95 % of {n} {PLACEBOS[kind]} below {test.limit():.2f}, p = {test.p:.2g}"
                )
            else:
                told.append(
                    f"{n} {PLACEBOS[kind]} up to {test.null.max():.2f}: cannot tell, fewer than 19"
                )
        if not self.placebos:
            told.append("no placebo planes: text_placebo=True writes around 20")
        told.append(
            f"texts shuffled among the angles: 95 % below {self.limit:.2f}, p = {self.p:.2g}"
        )
        return f"TextWave({'; '.join(told)})"


def wave_of_texts(
    angles: Sequence[float] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    placebos: Mapping[str, np.ndarray] | None = None,
    n_null: int = 2000,
    seed: int = 0,
) -> TextWave:
    """Fit one wave to scores of texts around the wheel, against placebos and shuffled angles.

    Parameters
    ----------
    angles : array, shape (n_texts,)
        Degrees.
    values : array, shape (n_texts,)
    placebos : mapping of str to array, shape (n_planes, n_texts), optional
        Scores of texts written at the same angles around other planes, by kind.
    n_null : int
        Shuffles of the texts among the angles.
    seed : int
        Of the shuffles.

    Returns
    -------
    TextWave
    """
    around = np.radians(np.asarray(angles, dtype=np.float64))
    y = np.asarray(values, dtype=np.float64)
    wave = first_harmonic(y, around)
    rng = np.random.default_rng(seed)
    null = first_harmonic(rng.permuted(np.tile(y, (n_null, 1)), axis=1), around).amplitude
    levels = np.unique(around)
    means = np.array([y[around == level].mean() for level in levels])
    r = np.corrcoef(means, np.cos(levels))[0, 1] if means.std() > 0 else 0.0
    return TextWave(
        amplitude=float(wave.amplitude),
        peak=float(np.degrees(wave.peak) % 360),
        r=float(r),
        limit=float(np.quantile(null, 0.95)),
        p=p_value(float(wave.amplitude), null),
        placebos={
            kind: np.asarray(first_harmonic(np.asarray(found, np.float64), around).amplitude)
            for kind, found in (placebos or {}).items()
        },
        n_texts=len(y),
    )
