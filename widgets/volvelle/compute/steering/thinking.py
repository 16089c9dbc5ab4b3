"""What a model thinks before it answers: the text between `<think>` and `</think>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPEN, CLOSE = "<think>", "</think>"

# What a letter or a token of the assistant's text can be.
ANSWER, THINK, OPENING, CLOSING = range(4)
KINDS = ("answer", "think", "opening", "closing")

# A state says which side of the marks a text has come to, and how many letters of the next mark
# it ends in: of `OPEN` below `INSIDE`, of `CLOSE` from there on.
INSIDE = len(OPEN)
N_STATES = len(OPEN) + len(CLOSE)


def letters(text: str, state: int = 0, *, ends: bool = False) -> tuple[np.ndarray, int]:
    """Return what every letter of a text is, and the state behind it.

    Parameters
    ----------
    text : str
    state : int
        Where the text before it has come to; 0 for none.
    ends : bool
        Whether nothing follows. Otherwise letters at the end that may become a mark count as one.

    Returns
    -------
    kinds : int8 array, shape (len(text),)
        Indices into `KINDS`.
    state : int
    """
    kinds = np.full(len(text), THINK if state >= INSIDE else ANSWER, dtype=np.int8)
    inside = state >= INSIDE
    reached = state - INSIDE if inside else state
    n = 0
    while n < len(text):
        if not reached:
            # marks begin with the same letter: the others need no look
            n = text.find(OPEN[0], n)
            if n < 0:
                break
        mark = CLOSE if inside else OPEN
        grown = mark[:reached] + text[n]
        # what was taken for the beginning of a mark and is none stays the text that it is
        reached = next(k for k in range(len(grown), -1, -1) if grown.endswith(mark[:k]))
        n += 1
        if reached == len(mark):
            kinds[max(0, n - reached) : n] = CLOSING if inside else OPENING
            inside, reached = not inside, 0
            kinds[n:] = THINK if inside else ANSWER
    if reached and not ends:
        kinds[max(0, len(text) - reached) :] = CLOSING if inside else OPENING
    return kinds, (INSIDE if inside else 0) + reached


def kind_of(kinds: np.ndarray, text: str, state: int = 0) -> int:
    """Return what a token is whose letters are known: text, where any letter of it is.

    Parameters
    ----------
    kinds : int array, shape (len(text),)
        Of its letters.
    text : str
        White space alone makes no text of a token that also holds a piece of a mark.
    state : int
        Behind the token; decides about one without letters.
    """
    marks = kinds >= OPENING
    visible = np.array([not letter.isspace() for letter in text], dtype=bool)
    for those in (visible & ~marks, marks):
        if those.any():
            return int(kinds[np.flatnonzero(those)[-1]])
    return int(kinds[-1]) if len(kinds) else (THINK if state >= INSIDE else ANSWER)


@dataclass(frozen=True, eq=False)
class ThinkTable:
    """What each token does to the state of a text that is being written.

    Marks may be one token or several. A token is known when it is read and nothing behind it is,
    so one that ends in what may become a mark counts as part of it.

    Attributes
    ----------
    tokens : int64 array, shape (n,)
        Ids, ascending, of the tokens that begin, continue or end a mark from some state; the
        first is -1, no token. All others leave the side they are on, and lead to its first state.
    after : uint8 array, shape (n, N_STATES)
        State behind each token, by the state before it.
    kinds : uint8 array, shape (n, N_STATES)
        What the token is, as an index into `KINDS`.
    marks : tuple of int
        Tokens that are a whole mark.
    """

    tokens: np.ndarray
    after: np.ndarray
    kinds: np.ndarray
    marks: tuple[int, ...] = ()

    @classmethod
    def of(cls, strings: Mapping[int, str]) -> ThinkTable:
        """Build the table.

        Parameters
        ----------
        strings : mapping of int to str
            Tokens as they stand within a text; those that `may_mark` is false of may be missing.
        """
        sides = np.arange(N_STATES) >= INSIDE
        plain = np.where(sides, INSIDE, 0), np.where(sides, THINK, ANSWER)
        rows = {-1: plain}
        for token, text in sorted(strings.items()):
            found = [_step(text, state) for state in range(N_STATES)]
            after, kinds = (np.array(column) for column in zip(*found, strict=True))
            if (after != plain[0]).any() or (kinds != plain[1]).any():
                rows[token] = (after, kinds)
        return cls(
            np.array(list(rows), dtype=np.int64),
            np.array([after for after, _ in rows.values()], dtype=np.uint8),
            np.array([kinds for _, kinds in rows.values()], dtype=np.uint8),
            tuple(sorted(token for token, text in strings.items() if text in (OPEN, CLOSE))),
        )

    def read(self, ids: Sequence[int] | np.ndarray, state: int) -> tuple[np.ndarray, int]:
        """Return what each token of a written text is, and the state behind it.

        `formulas.steering.said` does the same on torch, one token at a time.
        """
        kinds = np.zeros(len(ids), dtype=np.int8)
        for n, token in enumerate(ids):
            at = int(np.searchsorted(self.tokens, token))
            if at < len(self.tokens) and self.tokens[at] == token:
                kinds[n], state = self.kinds[at, state], int(self.after[at, state])
            else:
                kinds[n], state = (THINK, INSIDE) if state >= INSIDE else (ANSWER, 0)
        return kinds, state


def _step(text: str, state: int) -> tuple[int, int]:
    kinds, after = letters(text, state)
    return after, kind_of(kinds, text, after)


def may_mark(piece: str) -> bool:
    """Whether a token may begin, continue or end a mark: a guess that never leaves one out.

    Parameters
    ----------
    piece : str
        As the vocabulary spells it; bytes of a fallback (`<0x3C>`) hold what they stand for.
    """
    return any(letter in piece for letter in "<>") or piece.strip("\u2581\u0120") in CLOSE
