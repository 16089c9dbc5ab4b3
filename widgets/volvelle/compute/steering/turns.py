"""Whose the tokens of a chat are: turns, the template's own tokens, and what is being written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from volvelle.arguments import plain
from volvelle.arguments.said import came
from volvelle.compute.steering.thinking import ANSWER, CLOSING, OPENING, THINK
from volvelle.names import unknown

# Who speaks. Templates take any word for a role and write it out, where a slip would go unseen.
ROLES = ("system", "user", "assistant", "tool", "developer")
# The two sides of what an assistant writes.
SPANS = {"answer": (ANSWER, CLOSING), "think": (THINK, OPENING)}
ALL = "all"
LAST = "last "
SPELLINGS = (ALL, *ROLES, *SPANS, *(LAST + word for word in (*ROLES, *SPANS)))
ASSISTANT = "assistant"


def read_turns(given: object) -> str | tuple[str, ...] | None:
    """Return a choice of turns in its shortest spelling.

    Parameters
    ----------
    given : None, str or sequence of str
        As `Where` documents it.

    Raises
    ------
    ValueError, TypeError
        For a word that is none, with the closest one; for no word at all.
    """
    if given is None:
        return None
    listed = [given] if isinstance(given, str) else given
    several = plain.listed(listed)
    if several is None or not all(isinstance(word, str) for word in several):
        raise TypeError(came("turns", given, "a turn or a list of them", "'user', 'think'"))
    words = tuple(dict.fromkeys(cast("list[str]", several)))
    for word in words:
        if word == LAST.strip():
            raise ValueError(
                "turns='last' does not say whose: write 'last user', or 'last assistant', which "
                "is the turn that is being written"
            )
        if word not in SPELLINGS:
            raise ValueError(unknown("turn", word, SPELLINGS))
    if not words:
        raise ValueError("turns=() names no turns; write None for all that were given")
    if ALL in words:
        return ALL
    return words[0] if len(words) == 1 else words


def written_kinds(turns: str | tuple[str, ...] | None, special: bool) -> np.ndarray:
    """Return which tokens of the text that is being written a choice takes in.

    Parameters
    ----------
    turns : None, str or tuple of str
        As `read_turns` returns it. What is written is the last turn of the assistant.
    special : bool
        Whether marks of thinking are taken in with the side they lead to.

    Returns
    -------
    bool array, shape (4,)
        By kind, as `thinking.KINDS` names them.
    """
    words = [word.removeprefix(LAST) for word in _words(turns)]
    if turns is None or ALL in words or ASSISTANT in words:
        return np.ones(4, dtype=bool)
    found = np.zeros(4, dtype=bool)
    for text, mark in (SPANS[word] for word in words if word in SPANS):
        found[[text, mark]] |= [True, special]
    return found


def _words(turns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (turns,) if isinstance(turns, str) else (turns or ())


@dataclass(frozen=True, eq=False)
class ChatTurns:
    """The turns of a chat, token by token.

    Turns are counted in the order of the text; the last is the assistant's that is to be written.

    Attributes
    ----------
    roles : tuple of str
        Of each turn.
    given : tuple of bool
        False where the template put the turn there by itself: a default system prompt.
    turn : int array, shape (n_tokens,)
        The turn each token belongs to; one of the template's belongs to the turn it leads to.
    template : bool array, shape (n_tokens,)
        Tokens of the template: marks, the words for the roles, white space around; and the marks
        of thinking.
    kinds : int array, shape (n_tokens,)
        What a token of the assistant's turns is, as an index into `thinking.KINDS`.
    state : int
        Of `thinking.letters`, where the prompt ends: some templates begin the thinking.
    """

    roles: tuple[str, ...]
    given: tuple[bool, ...]
    turn: np.ndarray
    template: np.ndarray
    kinds: np.ndarray
    state: int = 0

    def chosen(self, turns: str | tuple[str, ...] | None) -> np.ndarray:
        """Return which tokens belong to the chosen turns, bool (n_tokens,), the template's too."""
        if turns is None:
            return np.array(self.given, dtype=bool)[self.turn]
        mask = np.zeros(len(self.turn), dtype=bool)
        for word in _words(turns):
            if word == ALL:
                return np.ones(len(self.turn), dtype=bool)
            name = word.removeprefix(LAST)
            whose = ASSISTANT if name in SPANS else name
            mine = [n for n, role in enumerate(self.roles) if role == whose]
            if word.startswith(LAST):
                mine = mine[-1:]
            found = np.isin(self.turn, mine)
            if name in SPANS:
                found &= np.isin(self.kinds, SPANS[name])
            mask |= found
        return mask

    @property
    def said(self) -> str:
        """The turns in words, for messages."""
        named = [
            role if given else f"{role} (the template's own)"
            for role, given in zip(self.roles, self.given, strict=True)
        ]
        return ", ".join([*named[:-1], f"{named[-1]} (to be written)"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Whose each token is: ``"template"``, ``"hidden"`` of a turn not given, or a role."""
        whose = [r if given else "hidden" for r, given in zip(self.roles, self.given, strict=True)]
        return tuple(
            "template" if self.template[n] else whose[int(turn)] for n, turn in enumerate(self.turn)
        )
