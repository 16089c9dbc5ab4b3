"""Messages for arguments that are none: what came, what exists, what was probably meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from numbers import Integral
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

# More than this many options are cut: an error message is read, not searched.
MOST_LISTED = 12

# What a class holds in place of a function.
BOUND: tuple[type, ...] = (classmethod, staticmethod)


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


def known_keywords(function: Callable[P, R], *, name: str = "") -> Callable[P, R]:
    """Refuse unknown keyword arguments with the closest known one in the message.

    Parameters
    ----------
    function : callable
        Without ``**keywords`` of its own.
    name : str, optional
        What the message calls it; its own name by default.
    """
    called = name or function.__name__
    parameters = inspect.signature(function).parameters
    known = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in ("self", "cls")
    ]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for given in kwargs:
            if given not in known:
                raise TypeError(f"{called}(): {unknown('argument', given, known)}")
        return function(*args, **kwargs)

    return checked


def known_keywords_in(cls: C) -> C:
    """Do what `known_keywords` does for the constructor and every public method of a class.

    Methods that hand on ``**keywords`` are left to what they hand them to.
    """
    for name, found in list(vars(cls).items()):
        bound = isinstance(found, BOUND)
        function = found.__func__ if bound else found
        if not inspect.isfunction(function) or (name.startswith("_") and name != "__init__"):
            continue
        kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
        if inspect.Parameter.VAR_KEYWORD in kinds:
            continue
        checked = known_keywords(function, name=cls.__name__ if name == "__init__" else "")
        setattr(cls, name, type(found)(checked) if bound else checked)
    return cls


def whole(value: Any, name: str, least: int = 0, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`, or raise ValueError saying what came."""
    given = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if given is None or given < least or (most is not None and given > most):
        until = " or more" if most is None else f" to {most:,}"
        raise ValueError(f"{name}={value!r} must be a whole number, {least}{until}")
    return given


def named(name: Any, what: str) -> str | None:
    """Return a name, or None for none; raise TypeError for what is no text."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{what} is {name!r}, expected a text")
    return name


def said(error: BaseException) -> str:
    """Return what an error says, whatever its ``__str__`` does; its kind where it says nothing."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - as in `seen`
        text = ""
    return text or type(error).__name__


def seen(value: Any) -> str:
    """Return what came, short enough for a sentence."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an error message must not fail for what it tells of
        text = f"a {type(value).__name__} that cannot be printed"
    return text if len(text) <= 60 else f"{text[:57]}..."
