"""Readers of numbers, texts, choices and lists: one argument in, a plain Python value out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from numbers import Integral, Real
from typing import Any, TypeVar, cast

from volvelle.arguments.said import came
from volvelle.arguments.texts import clean
from volvelle.names import unknown

V = TypeVar("V")

# Longest list that is read.
LONGEST_LIST = 10_000_000
# Largest seed that numpy and torch both take.
MOST_SEED = 2**63 - 1
# What iterates and is no list of its parts.
NO_LISTS: tuple[type, ...] = (str, bytes, bytearray, memoryview, Mapping)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, numpy's included; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a real number, numpy's included; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(value: Any, name: str, least: int = 0, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`, or raise ValueError saying what came."""
    given = int(value) if is_whole(value) else None
    if given is None or given < least or (most is not None and given > most):
        until = " or more" if most is None else f" to {most:,}"
        raise ValueError(came(name, value, f"a whole number, {least:,}{until}"))
    return given


def number(
    value: Any,
    name: str,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    over: float | None = None,
    infinite: bool = False,
) -> float:
    """Return a real number as float, or raise saying what came.

    Parameters
    ----------
    value, name
        What came, for which argument.
    least, most : float
        Ends of its range, which belong to it.
    over : float, optional
        An end that does not.
    infinite : bool
        Whether infinities are numbers here; NaN never is.

    Raises
    ------
    TypeError
        For what is no real number.
    ValueError
        For one outside the range, and one that is not finite.
    """
    if not is_real(value):
        raise TypeError(came(name, value, "a number"))
    try:
        given = float(value)
    except (OverflowError, ValueError):  # 10**400
        given = math.inf
    ends: list[str] = []
    if over is not None:
        ends.append(f"over {over:g}")
    elif least > -math.inf:
        ends.append(f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}")
    elif most < math.inf:
        ends.append(f"at most {most:g}")
    if math.isnan(given) or (math.isinf(given) and not infinite):
        raise ValueError(came(name, value, ", ".join(["a finite number", *ends])))
    if not least <= given <= most or (over is not None and given <= over):
        raise ValueError(came(name, value, ", ".join(["a number", *ends])))
    return given


def is_flag(value: object) -> bool:
    """Whether a value is True or False, numpy's included."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # numpy's


def flag(value: Any, name: str) -> bool:
    """Return True or False, or raise TypeError saying what came."""
    if not is_flag(value):
        raise TypeError(came(name, value, "True or False"))
    return bool(value)


def text(value: Any, name: str, way_out: str = "") -> str:
    """Return a text as plain str, or raise TypeError saying what came.

    Halves of surrogate pairs, which no encoding holds, become U+FFFD.
    """
    if not isinstance(value, str):
        raise TypeError(came(name, value, "a text (str)", way_out))
    return str(clean(value))


def choice(value: Any, name: str, options: Iterable[str]) -> str:
    """Return one of the options, or raise naming the closest; TypeError for what is no text."""
    known = tuple(options)
    given = text(value, name, f"one of {', '.join(known)}")
    if given not in known:
        raise ValueError(unknown(name, given, known))
    return given


def function(value: Any, name: str) -> Any:
    """Return what can be called, or raise TypeError saying what came."""
    if not callable(value):
        raise TypeError(came(name, value, "a function"))
    return value


def listed(value: object) -> list[Any] | None:
    """Return the members of what is a list of things, None for what is none.

    Lists, tuples, ranges, iterators, arrays and tensors of one axis, columns of pandas and polars.
    A text is no list of its letters, a data frame none of its columns; sets have no order.
    """
    if isinstance(value, range):  # which may be longer than `len` can say
        return list(value) if not value[LONGEST_LIST:] else None
    if isinstance(value, (list, tuple)):
        return list(cast("Sequence[Any]", value))
    if _is_no_list(value):
        return None
    for name in ("tolist", "to_list", "to_pylist"):
        if callable(change := getattr(value, name, None)):
            found = _tried(change)
            return cast("list[Any]", found) if isinstance(found, list) else None
    found = _tried(lambda: list(islice(cast("Iterable[Any]", value), LONGEST_LIST + 1)))
    return None if found and len(found) > LONGEST_LIST else found


def _is_no_list(value: object) -> bool:
    if isinstance(value, (*NO_LISTS, type)):
        return True
    if isinstance(value, AbstractSet) and not hasattr(value, "mapping"):
        return True  # but views of a dict have its order
    n_axes = getattr(value, "ndim", None)
    is_frame = n_axes is None and hasattr(value, "columns")
    return is_frame or n_axes not in (None, 1) or _hides_something(value)


def _hides_something(value: object) -> bool:
    """Whether a list of its members would lose what an array says."""
    mask = getattr(value, "mask", None)
    if mask is not None and hasattr(value, "fill_value"):
        return bool(cast("Any", mask).any())
    return bool(getattr(value, "is_meta", False) or getattr(value, "is_sparse", False))


def _tried(change: Callable[[], V]) -> V | None:
    """Return what a container of strangers gives, None where it raises."""
    try:
        return change()
    except Exception:  # noqa: BLE001 - whatever it raises, it is no list
        return None
