"""Where a steer acts: on which tokens of the prompt, on which generated ones, and when."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from volvelle.arguments.call import checked_in
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.choices import TokenChoice
from volvelle.compute.steering.methods import nonzero
from volvelle.compute.steering.turns import read_turns, written_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from volvelle.compute.steering.turns import ChatTurns


def check_feature(given: object) -> None:
    """Raise for what cannot be read in a condition."""
    if not isinstance(given, Direction):
        raise TypeError(
            f"feature={given!r} is no direction; take sae.feature(i), or a vv.Direction"
        )
    nonzero(given)


def check_when(given: object) -> None:
    """Raise TypeError for what is neither a condition nor None."""
    if not isinstance(given, When | None):
        raise TypeError(f"when={given!r} is no condition; write vv.When(feature, above=3.0)")


def check_where(given: object) -> None:
    """Raise TypeError for what is no place."""
    if not isinstance(given, Where):
        raise TypeError(f"where={given!r} is no place; write vv.Where(prompt=..., ...)")


@checked_in
@dataclass(frozen=True)
class When:
    """Act only where a feature is active.

    Parameters
    ----------
    feature : Direction
        A feature of an SAE (its activation is compared), or any direction (its projection
        h.u is). Read at its own point, in the same forward pass, before that point is steered;
        the point must not come after the steer's.
    above : float
        Threshold in activation units (or of h.u), exclusive.
    """

    feature: Direction
    above: float = 0.0

    def __post_init__(self) -> None:
        check_feature(self.feature)
        if not isinstance(self.above, Real) or not np.isfinite(float(self.above)):
            raise ValueError(f"above={self.above!r} is not a finite number")


@checked_in
@dataclass(frozen=True)
class Where:
    """Which tokens a steer touches.

    Parameters
    ----------
    prompt, generated : "all", "none", int, list of int, (start, stop), slice or dict
        ``"all"``; one position or a list of positions; a half-open window (stop None is open);
        or a dict with any of ``positions``, ``window``, ``tokens`` (ids or strings of single
        tokens), whose union is taken, and ``exclude_positions``, ``exclude_window``,
        ``exclude_tokens``, which always win. Negative prompt positions count from its end;
        generated tokens are counted from 0, the first new one. A generated token is touched
        when the model reads it, so the last one never is.
    special : bool
        Also touch special tokens (beginning and end of text, chat marks) and, in a chat, all that
        the template writes around the messages: the words for the roles, the lines between. A
        token of the template belongs to the turn it leads to, so that ``turns="last assistant",
        special=True`` in the prompt is what stands between the question and the answer. Marks of
        thinking are the template's too, each of the side it leads to.
    first : bool
        Also touch position 0, a row's first real token, special or not. Its state is some
        hundred times longer than any other in most models and serves as a rest place of
        attention; nothing else admits it, and this does whatever the turns.
    when : When, optional
        Touch only tokens where a feature is active.
    turns : None, str or tuple of str
        Whose words in a chat. None for all turns that were given and what is written. A role
        (``"user"``, ``"assistant"``, ``"system"``, ``"tool"``, ``"developer"``), or a side of what
        the assistant says: ``"think"`` between ``<think>`` and ``</think>``, ``"answer"`` outside.
        ``"last user"`` and so on for the last turn of that kind; the last of the assistant's is
        the one being written. Several are united. A system prompt that the template puts there by
        itself is touched by ``"system"`` and by ``"all"``, which is every turn, and by nothing
        else. Where ``<think>`` is several tokens, what is being written may end in the beginning
        of a mark or not: ``"think"`` and ``"answer"`` leave such a token out.

    Examples
    --------
    >>> vv.Where(turns="user")
    Where(prompt='all', generated='all', special=False, first=False, when=None, turns='user')
    >>> vv.Where(turns=("last user", "think")).turns
    ('last user', 'think')
    """

    prompt: object = "all"
    generated: object = "all"
    special: bool = False
    first: bool = False
    when: When | None = None
    turns: object = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", read_turns(self.turns))
        for phase in ("prompt", "generated"):
            object.__setattr__(
                self, phase, TokenChoice.parse(getattr(self, phase), phase).spelled()
            )
        check_when(self.when)
        if self.prompt == "none" and self.generated == "none":
            raise ValueError(
                "prompt='none' and generated='none' steer nothing; leave one of them 'all'"
            )

    def phase(self, name: str) -> TokenChoice:
        """Return the parsed choice of one phase, ``"prompt"`` or ``"generated"``."""
        return TokenChoice.parse(getattr(self, name), name)

    def prompt_mask(
        self,
        ids: np.ndarray,
        special: np.ndarray,
        token_ids: dict[str, int] | None = None,
        chat: ChatTurns | None = None,
    ) -> np.ndarray:
        """Return which tokens of one prompt are touched, before any `when`.

        Parameters
        ----------
        ids : int array, shape (n,)
            The prompt without padding: index 0 is its first real token.
        special : bool array, shape (n,)
            True at special tokens.
        token_ids : dict, optional
            Ids of the strings among ``tokens``.
        chat : ChatTurns, optional
            Of a prompt that was put in a chat template.

        Returns
        -------
        bool array, shape (n,)

        Raises
        ------
        ValueError
            When a prompt selection other than ``"none"`` leaves no token; for turns of a prompt
            that is no chat, and turns it does not have.
        """
        chosen = self.phase("prompt")
        n = len(ids)
        mask = chosen.places(n, negative=True)
        mask |= np.isin(ids, _ids(chosen.tokens, token_ids))
        mask &= chosen.kept(n, negative=True)
        mask &= ~np.isin(ids, _ids(chosen.exclude_tokens, token_ids))
        asked = mask.copy()
        left_out = np.asarray(special, dtype=bool)
        mine = np.ones(n, dtype=bool)
        if chat is not None:
            left_out, mine = left_out | chat.template, chat.chosen(self._turns)
        elif self._turns not in (None, "all"):
            raise ValueError(
                f"turns={self.turns!r} is about a chat, and this prompt is a plain text; give "
                "chat=True, or messages with role and content"
            )
        mask &= np.where(np.arange(n) > 0, mine & (self.special | ~left_out), self.first)
        # A prompt of one token has nothing left once position 0 is out: that is no mistake of
        # the user's as long as the generated tokens are steered.
        if mask.any() or self.prompt == "none":
            return mask
        if self.prompt != "all":
            why = self._why_nothing(asked, mine, chat)
            raise ValueError(f"prompt={self.prompt!r} selects nothing: {why}")
        if chat is not None and not self.written_kinds().any():
            raise ValueError(
                f"turns={self.turns!r} selects nothing: the turns of this chat are {chat.said}"
            )
        return mask

    def _why_nothing(self, asked: np.ndarray, mine: np.ndarray, chat: ChatTurns | None) -> str:
        """Say what kept a selection from touching anything."""
        if not asked.any():
            return "it names no token of this prompt"
        if not asked[1:].any():
            return "all of it is position 0 (admit it with first=True)"
        if chat is None:
            return "all of it is special tokens (admit them with special=True)"
        if not (asked & mine)[1:].any():
            return (
                f"all of it is outside turns={self.turns!r} (the turns are {chat.said}; admit all "
                "of them with turns='all')"
            )
        return "all of it is the chat template's own tokens (admit them with special=True)"

    @property
    def _turns(self) -> str | tuple[str, ...] | None:
        return read_turns(self.turns)

    def written_kinds(self) -> np.ndarray:
        """Return which tokens of an assistant's text are touched, by kind, bool (4,).

        As `thinking.KINDS` names them: answer, think, and the marks that open and close it.
        """
        return written_kinds(self._turns, self.special)

    def generated_mask(self, n: int) -> np.ndarray:
        """Return which of n generated places are touched whatever token stands there, bool (n,)."""
        chosen = self.phase("generated")
        return chosen.places(n, negative=False) & chosen.kept(n, negative=False)

    def generated_tokens(
        self,
        n: int,
        special_ids: Iterable[int],
        token_ids: dict[str, int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what decides about generated tokens once they are known.

        Returns
        -------
        include : int array
            Ids touched wherever they come, but at excluded places.
        exclude : int array
            Ids never touched; special ones among them unless `special`.
        kept : bool array, shape (n,)
            Places the excludes leave.
        """
        chosen = self.phase("generated")
        include = _ids(chosen.tokens, token_ids)
        exclude = _ids(chosen.exclude_tokens, token_ids)
        if not self.special:
            exclude = np.union1d(exclude, np.fromiter(special_ids, dtype=np.int64))
        return include, exclude, chosen.kept(n, negative=False)

    def known_mask(
        self,
        ids: np.ndarray,
        n: int,
        special_ids: Iterable[int],
        token_ids: dict[str, int] | None = None,
        kinds: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return which generated tokens are touched when they are known beforehand.

        Parameters
        ----------
        ids : int array, shape (m,)
            The first m tokens behind the prompt.
        n : int
            How many tokens would be generated.
        special_ids, token_ids
            As in `generated_tokens`.
        kinds : int array, shape (m,), optional
            Of a chat: what each token is, as an index into `thinking.KINDS`.

        Returns
        -------
        bool array, shape (m,)
        """
        m = len(ids)
        include, exclude, kept = self.generated_tokens(max(n, m), special_ids, token_ids)
        mask = self.generated_mask(max(n, m))[:m] | (np.isin(ids, include) & kept[:m])
        mask &= ~np.isin(ids, exclude)
        return mask if kinds is None else mask & self.written_kinds()[kinds]

    @property
    def strings(self) -> tuple[str, ...]:
        """The strings among the token selections, for the tokenizer to resolve."""
        parts = [self.phase("prompt"), self.phase("generated")]
        every = [t for part in parts for t in (*part.tokens, *part.exclude_tokens)]
        return tuple(dict.fromkeys(t for t in every if isinstance(t, str)))


def _ids(tokens: tuple[int | str, ...], token_ids: dict[str, int] | None) -> np.ndarray:
    known = token_ids or {}
    return np.array([known[t] if isinstance(t, str) else t for t in tokens], dtype=np.int64)
