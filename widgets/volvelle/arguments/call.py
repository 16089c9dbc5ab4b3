"""What every public call does with its arguments first: known names, and values of their kinds."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from volvelle.arguments.annotations import Argument, reader_of
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
# What a class holds in place of a function.
BOUND: tuple[type, ...] = (classmethod, staticmethod)


def checked(function: Callable[P, R], *, name: str = "", values: bool = True) -> Callable[P, R]:
    """Read the arguments of every call before the function sees them.

    Unknown keyword arguments are refused with the closest known one in the message. Values are
    read by their annotations (`annotations`): numbers of numpy become Python's, columns become
    lists, and what is of another kind is refused, naming the argument, what came, what was
    expected and the way out. What is its default is not looked at.

    Parameters
    ----------
    function : callable
        Without ``**keywords`` of its own, or with some that are left alone.
    name : str, optional
        What messages call it; its own name by default.
    values : bool
        Whether values are read, not only names.
    """
    called = name or function.__name__
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    skipped = len(inspect.signature(function).parameters) - len(parameters)
    known = [parameter.name for parameter in parameters if parameter.kind in NAMED]
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    defaults = {parameter.name: parameter.default for parameter in parameters}
    readers = {one.name: _reader(one) for one in parameters if values and one.kind in NAMED}

    def read(key: str, value: Any) -> Any:
        return value if value is defaults[key] else readers[key](value, key)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = kwargs
        for key in given:
            if key not in known and not open_ended:
                raise TypeError(f"{called}(): {unknown('argument', key, known)}")
        if not values:
            return function(*args, **kwargs)
        ahead = list[Any](args)
        for at, key in enumerate(known[: max(0, len(ahead) - skipped)], skipped):
            ahead[at] = read(key, ahead[at])
        behind = {key: read(key, one) if key in readers else one for key, one in given.items()}
        return function(*ahead, **behind)  # pyright: ignore[reportCallIssue]

    return call


def checked_in(cls: C) -> C:
    """Do what `checked` does for the constructor and every public method of a class.

    Other ``**keywords`` than a method's own arguments are left to what it hands them to.
    """
    return _checked_in(cls, constructor=True)


def checked_result(cls: C) -> C:
    """Do what `checked_in` does, but for the values given to the constructor.

    For what verbs make: its fields are held against their types where they meet a file.
    """
    return _checked_in(cls, constructor=False)


def _checked_in(cls: C, *, constructor: bool) -> C:
    for name, found in list(vars(cls).items()):
        bound = isinstance(found, BOUND)
        function = found.__func__ if bound else found
        if not inspect.isfunction(function) or (name.startswith("_") and name != "__init__"):
            continue
        if name == "__init__":
            called = checked(function, name=cls.__name__, values=constructor)
        else:
            called = checked(function)
        setattr(cls, name, type(found)(called) if bound else called)
    return cls


def _reader(parameter: inspect.Parameter) -> Argument:
    note = parameter.annotation
    return reader_of(note) if isinstance(note, str) else Argument(())
