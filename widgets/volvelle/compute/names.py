"""Messages for names that do not exist: what came, what exists, what was probably meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")

# More than this many options are cut: an error message is read, not searched.
MOST_LISTED = 12


def closest(name: str, options: Iterable[str]) -> str | None:
    """Return the option nearest to `name` in spelling, or None when none is near."""
    known = {option.lower(): option for option in options}
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[near[0]] if near else None


def unknown(kind: str, name: object, options: Iterable[str]) -> str:
    """Return the message for a name that does not exist.

    Parameters
    ----------
    kind : str
        What the name should have named: ``"emotion"``, ``"point"``.
    name : object
        What came.
    options : iterable of str
        What exists; the closest is suggested, or the first twelve are listed.
    """
    listed = [str(option) for option in options]
    message = f"unknown {kind} {str(name)!r}"
    if near := closest(str(name), listed):
        return f"{message}; did you mean {near!r}?"
    more = len(listed) - MOST_LISTED
    shown = ", ".join(listed[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"{message}; there are: {shown}" if listed else f"{message}; there are none"


def known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse unknown keyword arguments with the closest known one in the message."""
    parameters = inspect.signature(function).parameters
    known = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name != "self"
    ]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(f"{function.__name__}(): {unknown('argument', name, known)}")
        return function(*args, **kwargs)

    return checked
