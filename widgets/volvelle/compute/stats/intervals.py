"""Intervals for a mean over few things: prompts, seeds, texts."""

from __future__ import annotations

import numpy as np


def interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a mean over the first axis.

    Parameters
    ----------
    values : array, shape (n, ...)
        One row per prompt, drawn independently; NaN from fewer than two.
    level : float in 0...1

    Returns
    -------
    low, high : array, shape (...)
        ``mean -+ t s / sqrt(n)`` with Student's t of n - 1 degrees of freedom: with three
        prompts twice as wide as with many.

    Source: Student (1908), The probable error of a mean, Biometrika 6.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing
    mean = values.mean(axis=0)
    reach = stdtrit(n - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean - reach, mean + reach


def log_odds(logprobs: np.ndarray) -> np.ndarray:
    """Return ``log(p / (1 - p))`` from natural-log probabilities.

    Parameters
    ----------
    logprobs : array
        Sums of spellings may exceed 0 by rounding: odds end at those of 1 - 1e-7, float32's.
    """
    held = np.minimum(np.asarray(logprobs, dtype=np.float64), np.log1p(-1e-7))
    return held - np.log1p(-np.exp(held))
