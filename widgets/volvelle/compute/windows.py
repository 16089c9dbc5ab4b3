"""Overlapping windows over a text that is longer than a model's context."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """A stretch of tokens that is run by itself.

    Attributes
    ----------
    start, stop : int
        Half-open range of token indices it reads.
    used : int
        First token whose states are taken from this window; the ones before it are context.
    """

    start: int
    stop: int
    used: int


def windows(n_tokens: int, size: int, overlap: int) -> list[Window]:
    """Cut a text into overlapping windows.

    Parameters
    ----------
    n_tokens : int
    size : int
        Tokens of a window, at least 2.
    overlap : int
        Tokens that a later window reads again as context, 1...size - 1. With at least one, a
        window's own first token, whose state is extreme, is never used but for token 0.

    Returns
    -------
    list of Window
        In order; their used stretches tile the text. One window for a text that fits.

    Raises
    ------
    ValueError
        For a size or overlap out of range.
    """
    if size < 2:
        raise ValueError(f"window size {size} must be 2 or more tokens")
    if not 1 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be in 1...{size - 1}, below the window of {size}")
    if n_tokens <= size:
        return [Window(0, n_tokens, 0)]
    found = [Window(0, size, 0)]
    while found[-1].stop < n_tokens:
        start = found[-1].stop - overlap
        found.append(Window(start, min(start + size, n_tokens), start + overlap))
    return found
