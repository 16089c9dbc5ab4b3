"""Chats: messages put in a model's template, and which of the text is whose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from jinja2 import TemplateError

from volvelle.arguments.texts import cleaned
from volvelle.compute.steering.thinking import (
    ANSWER,
    CLOSE,
    CLOSING,
    OPEN,
    OPENING,
    THINK,
    ThinkTable,
    kind_of,
    letters,
    may_mark,
)
from volvelle.compute.steering.turns import ASSISTANT, ROLES, ChatTurns
from volvelle.models.engine.letters import letters_of
from volvelle.models.engine.tokens import special_ids, split, string_of, tokenize
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.engine.tokens import Tokens

# Words of a template between two of its marks that are said to the model, not about the turns:
# a line with a role and a date, or a whole system prompt, have as many.
SAYS = 4


def checked_messages(messages: Sequence[Any]) -> list[dict[str, str]]:
    """Return the messages of a chat as dicts of role and content, every text `clean`.

    Raises
    ------
    ValueError
        For messages without role or content, and roles no template knows.
    TypeError
        For messages whose content is no text.
    """
    for message in messages:
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise ValueError(f"message {message!r} lacks 'role' or 'content'")
        if message["role"] not in ROLES:
            raise ValueError(unknown("role of a message", str(message["role"]), ROLES))
        if not isinstance(message["content"], str):
            raise TypeError(f"content of message {message!r} is no text")
    return [cleaned(dict(message)) for message in messages]


class Prompt(list[int]):
    """The token ids of a chat, which remember whose they are.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        With a chat template.
    messages : sequence of dict
        With ``role`` and ``content``; a turn of the assistant's is opened behind them.
    name : str
        The model's, for messages.

    Raises
    ------
    ValueError
        For messages that the template refuses.
    """

    def __init__(self, tokenizer: Any, messages: Sequence[Mapping[str, str]], name: str) -> None:
        self._tokenizer = tokenizer
        self._messages = messages
        self._name = name
        try:
            self.text = self._render(messages)
        except TemplateError as error:
            raise ValueError(f"{name}'s chat template refuses the messages: {error}") from error
        super().__init__(split(tokenizer, self.text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Mapping[str, str]]) -> str:
        return self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )

    @cached_property
    def turns(self) -> ChatTurns | None:
        """Whose the tokens are; None where the template writes a message in words of its own."""
        whose = letters_of(self._render, self._messages, self.text)
        if whose is None:
            return None
        tokens = tokenize(self._tokenizer, self.text, adding=False)
        roles = [message["role"] for message in self._messages]
        return turns_of(tokens, whose, [*roles, "system"], special_ids(self._tokenizer))

    @property
    def trouble(self) -> str:
        """What to say where `turns` is None."""
        return (
            f"{self._name}'s chat template changes the messages, so that their words are not told "
            "from the template's own; steer all of the prompt with Where(turns='all', "
            "special=True), or name positions in a prompt that is given as token ids"
        )


def labels_of(prompt: Sequence[int]) -> tuple[str, ...]:
    """Return whose each token of a prompt is, as `ChatTurns.labels`; () of what is no chat."""
    known = prompt.turns if isinstance(prompt, Prompt) else None
    return known.labels if known is not None else ()


# -- tokens ----------------------------------------------------------------------------------


def turns_of(
    tokens: Tokens, whose: np.ndarray, roles: Sequence[str], special: set[int]
) -> ChatTurns:
    """Return whose the tokens of a chat are, whose letters are known.

    A token is a message's where it holds a letter of it that is no white space, or nothing else
    than the message's white space.

    Parameters
    ----------
    tokens : Tokens
    whose : int array, shape (n_letters,)
        As `letters_of` returns it.
    roles : sequence of str
        Of the messages; the last is that of a system prompt which is not among them.
    special : set of int
        Ids of special tokens.
    """
    text = tokens.text
    n_given = len(roles) - 1
    whose = np.where(_preamble(tokens, whose, special), n_given, whose)
    first = {int(n): int(np.argmax(whose == n)) for n in np.unique(whose[whose >= 0])}
    order = sorted(first, key=lambda n: first[n])
    number = {n: k for k, n in enumerate(order)}
    names = [*(roles[n] for n in order), ASSISTANT]
    # a letter of the template is of the turn that begins next
    turn = np.full(len(text) + 1, len(order))
    for at in range(len(text) - 1, -1, -1):
        turn[at] = number[int(whose[at])] if whose[at] >= 0 else turn[at + 1]
    kinds, state = _kinds(text, whose, turn, names)
    own = (whose < 0) | (kinds >= OPENING)
    visible = np.array([not letter.isspace() for letter in text], dtype=bool)
    found = np.zeros((3, len(tokens)), dtype=np.int64)
    for n, (start, stop) in enumerate(tokens.offsets.tolist()):
        said = start + np.flatnonzero((visible & ~own)[start:stop])
        template = not len(said) and (start == stop or bool(own[start:stop].any()))
        last = int(said[-1]) if len(said) else max(start, stop - 1)
        kind = kind_of(kinds[start:stop], text[start:stop]) if stop > start else ANSWER
        found[:, n] = turn[last], template, kind
    return ChatTurns(
        roles=tuple(names),
        given=tuple([n < n_given for n in order] + [True]),
        turn=found[0],
        template=found[1].astype(bool),
        kinds=found[2].astype(np.int8),
        state=state,
    )


def _kinds(
    text: str, whose: np.ndarray, turn: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, int]:
    """Return what each letter of the assistant's turns is, and the state at the end of all."""
    kinds = np.full(len(text), ANSWER, dtype=np.int8)
    state, start = 0, 0
    for n, role in enumerate(names):
        mine = np.flatnonzero(turn[:-1] == n)
        stop = int(mine[-1]) + 1 if len(mine) else start
        if role == ASSISTANT and stop > start:
            last = n == len(names) - 1
            here, reached = letters(text[start:stop], ends=not last)
            state = reached if last else state
            # a text that was written behind a template's own mark begins within
            shut = text[start:stop].find(CLOSE)
            if not last and shut >= 0 and OPEN not in text[start : start + shut]:
                said = np.flatnonzero(whose[start : start + shut] >= 0)
                begins = int(said[0]) if len(said) else shut
                here[begins:shut] = THINK
                here[shut : shut + len(CLOSE)] = CLOSING
            kinds[start:stop] = here
        start = stop
    return kinds, state


def _preamble(tokens: Tokens, whose: np.ndarray, special: set[int]) -> np.ndarray:
    """Return the letters before the first message that say something by themselves.

    Between two marks of the template, behind the line with the role: dates and rules that some
    templates always write.
    """
    said = np.zeros(len(whose), dtype=bool)
    first = np.flatnonzero(whose >= 0)
    until = int(first[0]) if len(first) else 0
    start = 0
    marks = [
        (int(a), int(b))
        for (a, b), i in zip(tokens.offsets, tokens.ids.tolist(), strict=True)
        if i in special and b <= until
    ]
    for a, b in [*marks, (until, until)] if marks else []:
        piece = tokens.text[start:a]
        line, _, rest = piece.partition("\n")
        skipped = len(piece) - len(rest) if line.strip() in (*ROLES, "") else 0
        body = piece[skipped:].strip()
        if len(re.findall(r"[^\W\d_]{2,}", body)) >= SAYS:
            at = start + piece.index(body)
            said[at : at + len(body)] = True
        start = b
    return said


# -- tokens that are being written -----------------------------------------------------------


# With how many tokens each was built: some are added later.
_tables: WeakKeyDictionary[Any, tuple[int, ThinkTable]] = WeakKeyDictionary()


def think_table(tokenizer: Any) -> ThinkTable:
    """Return what each token of a vocabulary does to a text that may hold thinking."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    built, table = _tables.get(tokenizer, (-1, None))
    if table is None or built != len(vocabulary):
        near = [int(token) for piece, token in vocabulary.items() if may_mark(str(piece))]
        table = ThinkTable.of({token: string_of(tokenizer, token) for token in near})
        _tables[tokenizer] = (len(vocabulary), table)
    return table
