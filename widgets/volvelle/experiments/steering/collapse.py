"""Measures of a generated text that show collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def repetition(ids: Sequence[int] | np.ndarray, n: int = 3) -> float:
    """Return the share of a text's token n-grams that already occurred in it.

    Parameters
    ----------
    ids : sequence of int
    n : int
        3: single words repeat in any text, three tokens in a row seldom do.

    Returns
    -------
    float
        0 for a text that never repeats itself, towards 1 for a loop; NaN for a text of fewer
        than n + 1 tokens, which cannot repeat.
    """
    grams = [tuple(int(i) for i in ids[k : k + n]) for k in range(len(ids) - n + 1)]
    if len(grams) < 2:
        return float("nan")
    return 1 - len(set(grams)) / len(grams)


def perplexity(logprobs: np.ndarray) -> float:
    """Return exp of the mean negative log-probability; NaN for no tokens."""
    return float(np.exp(-np.mean(logprobs))) if len(logprobs) else float("nan")
