"""Scores of generated text: free lexicon for valence, a user's own norms for arousal."""

from __future__ import annotations

import csv
import logging
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger("volvelle")

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
    text = Path(path).read_text(encoding="utf-8-sig")
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


def wave_of_texts(
    angles: Sequence[float] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    n_null: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """Fit one wave to scores of texts around the wheel, against shuffled angles.

    Parameters
    ----------
    angles : array, shape (n_texts,)
        Degrees.
    values : array, shape (n_texts,)
    n_null : int
        Shuffles of the texts among the angles.

    Returns
    -------
    dict
        ``amplitude``, ``peak`` (degrees), ``limit`` (95 % of shuffled amplitudes), ``p``, and
        ``r``: Pearson's r of the mean per angle with cos of the angle.
    """
    from volvelle.compute.circles.angles import first_harmonic
    from volvelle.compute.stats.permutation import p_value

    around = np.radians(np.asarray(angles, dtype=np.float64))
    y = np.asarray(values, dtype=np.float64)
    wave = first_harmonic(y, around)
    rng = np.random.default_rng(seed)
    null = first_harmonic(rng.permuted(np.tile(y, (n_null, 1)), axis=1), around).amplitude
    levels = np.unique(around)
    means = np.array([y[around == level].mean() for level in levels])
    r = np.corrcoef(means, np.cos(levels))[0, 1] if means.std() > 0 else 0.0
    return {
        "amplitude": float(wave.amplitude),
        "peak": float(np.degrees(wave.peak) % 360),
        "limit": float(np.quantile(null, 0.95)),
        "p": p_value(float(wave.amplitude), null),
        "r": float(r),
    }
