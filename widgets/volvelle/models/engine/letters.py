"""Which letters of a rendered chat are which message's."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Render = Callable[[Sequence[Mapping[str, str]]], str]

# Letters that no text uses and no template looks at: a message written in one of its own shows
# where the template puts it.
PRIVATE = range(0xF0000, 0x10FFFE)
# What templates look for in a message: thinking, calls of tools, marks of their own.
TAG = re.compile(r"</?[A-Za-z_|][^<>\s]{0,30}>|\[/?[A-Z_]+\]")


def letters_of(
    render: Render, messages: Sequence[Mapping[str, str]], text: str
) -> np.ndarray | None:
    """Return which message each letter of a rendered chat is from.

    Parameters
    ----------
    render : callable(messages) to str
        The template; may raise TemplateError.
    messages : sequence of dict
    text : str
        What they were rendered to.

    Returns
    -------
    int array, shape (len(text),), or None
        The message's number, -1 for the template's own letters, ``len(messages)`` for a system
        prompt it puts there by itself. None where a message cannot be followed.

    Notes
    -----
    A message is written anew in a letter of its own, one for one, and rendered: where nothing
    else of the text changes, the letter stands where the message does, whatever the message
    repeats and whatever is cut from its ends. Templates look at some of a message (white space
    they strip, tags they split at); what they look at is left as it is, as little as will do.
    """
    contents = [message["content"] for message in messages]
    used = set(text).union(*contents)
    unused = (code for code in PRIVATE if chr(code) not in used)
    codes = list(islice(unused, len(messages) + 1))

    def marked(these: Sequence[int], keep: Callable[[str], str]) -> str:
        told = [
            {**message, "content": _written(message["content"], chr(codes[n]), keep(contents[n]))}
            if n in these
            else message
            for n, message in enumerate(messages)
        ]
        try:
            return render(told)
        except TemplateError:
            return ""

    whose = np.full(len(text), -1)
    together = list(range(len(messages)))
    # all at once, as they are; where the template looks at one of them, each by itself
    ways = [(together, (_nothing,)), *(([n], (_nothing, _spaces, _tags, _both)) for n in together)]
    for these, keeps in ways:
        for keep in keeps:
            found = marked(these, keep)
            if _same(text, found, {chr(codes[n]) for n in these}):
                at = np.array([ord(letter) for letter in found])
                for n in these:
                    whose[at == codes[n]] = n
                break
        else:
            if these is together:
                continue
            return None
        if these is together:
            break
    for n, content in enumerate(contents):
        _fill(whose, n, text, content)
    hidden = _hidden(render, messages, text, chr(codes[-1]))
    whose[hidden[0] : hidden[1]] = len(messages)
    return whose


def _nothing(content: str) -> str:
    return "\0" * len(content)


def _spaces(content: str) -> str:
    return re.sub(r"\S", "\0", content)


def _tags(content: str) -> str:
    kept = list(_nothing(content))
    for tag in TAG.finditer(content):
        kept[tag.start() : tag.end()] = tag.group()
    return "".join(kept)


def _both(content: str) -> str:
    return "".join(
        a if a != "\0" else b for a, b in zip(_tags(content), _spaces(content), strict=True)
    )


def _written(content: str, letter: str, kept: str) -> str:
    """Write a message in one letter, but for what is kept of it."""
    return "".join(letter if k == "\0" else c for c, k in zip(content, kept, strict=True))


def _same(text: str, found: str, written: set[str]) -> bool:
    return len(text) == len(found) and all(
        a == b or b in written for a, b in zip(text, found, strict=True)
    )


def _fill(whose: np.ndarray, n: int, text: str, content: str) -> None:
    """Give a message what stands between two of its letters and was left as it is."""
    at = np.flatnonzero(whose == n)
    for a, b in pairwise(at.tolist()):
        if b > a + 1 and (whose[a + 1 : b] < 0).all() and text[a + 1 : b] in content:
            whose[a + 1 : b] = n


def _hidden(
    render: Render, messages: Sequence[Mapping[str, str]], text: str, letter: str
) -> tuple[int, int]:
    """Return where the system prompt is that a template puts there where none is given.

    What one that is given replaces.
    """
    if messages[0]["role"] == "system":
        return 0, 0
    try:
        told = render([{"role": "system", "content": letter * 3}, *messages])
    except TemplateError:  # a template without system prompts
        return 0, 0
    before, found, after = told.partition(letter * 3)
    whole = len(text) - len(before) - len(after)
    if not found or whole <= 0 or not (text.startswith(before) and text.endswith(after)):
        return 0, 0
    return len(before), len(before) + whole
