"""Whether a value that came over the wire is of its declared type; a sentence where it is not."""

from __future__ import annotations

import math
import reprlib
import sys
import types
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from traitlets import TraitError

from volvelle.names import unknown
from volvelle.views.kit.arrays import Array

if TYPE_CHECKING:
    from collections.abc import Mapping

# JavaScript tells whole numbers apart up to here.
MOST_WHOLE = 2**53 - 1
WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    type(None): "nothing",
}

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxdict = _short.maxlist = 3


def check(value: Any, kind: Any, where: str) -> None:
    """Hold a value against a declared type.

    Parameters
    ----------
    value : object
        As it came: JSON, with binary buffers in it.
    kind : type
        As `declared.type_of` returns it.
    where : str
        What the message calls the value: ``settings['joy']``.

    Raises
    ------
    TraitError
        Naming what came and what was expected, before anything is made of the value.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, Array):
        _check_array(value, kind, where)
    elif origin in (Union, types.UnionType):
        _check_any(value, inner, where)
    elif origin is Literal:
        _expect(isinstance(value, str), value, kind, where)
        if value not in inner:
            raise TraitError(unknown(where, value[:60], inner))
    elif origin is list:
        _expect(isinstance(value, (list, tuple)), value, kind, where)
        for i, item in enumerate(value):
            check(item, inner[0], f"{where}[{i}]")
    elif origin is dict or is_typeddict(kind):
        _expect(isinstance(value, dict), value, kind, where)
        known = dict.fromkeys(value, inner[1]) if inner else fields(kind)
        check_fields(value, known, getattr(kind, "__required_keys__", frozenset()), where)
    elif kind is not Any:
        _check_plain(value, kind, where)


def check_fields(
    value: Mapping[str, Any], known: Mapping[str, Any], needed: frozenset[str], where: str
) -> None:
    """Hold the fields of a record against their declared types."""
    for key, item in value.items():
        check(key, str, f"a name in {where}")
        if key not in known:
            raise TraitError(f"{where}: {unknown('key', key[:60], known)}")
        check(item, known[key], f"{where}[{_said(key)}]")
    for key in known:
        if key in needed and key not in value:
            raise TraitError(f"{where} lacks {key!r}, expected {words(known[key])}")


@cache
def fields(record: Any) -> dict[str, Any]:
    """Return the fields of a `TypedDict` with their types."""
    return get_type_hints(record)


def words(kind: Any) -> str:
    """Return what a type expects, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, Array):
        return "an array: dtype, shape and data"
    if origin in (Union, types.UnionType):
        return " or ".join(words(one) for one in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, inner))
    if origin is list:
        return "a list"
    if origin is dict:
        return "an object with a value by name"
    return WORDS.get(kind) or f"an object with {', '.join(map(repr, fields(kind)))}"


def _said(value: Any) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return "a number beyond 2**53"
    return _short.repr(value)


def _expect(holds: bool, value: Any, kind: Any, where: str) -> None:
    if not holds:
        raise TraitError(f"{where} is {_said(value)}, expected {words(kind)}")


def _check_any(value: Any, kinds: tuple[Any, ...], where: str) -> None:
    refused = []
    for kind in kinds:
        try:
            check(value, kind, where)
        except TraitError as error:
            refused.append((kind, error))
        else:
            return
    # of a list that was meant as one, the message of its item
    for kind, error in refused:
        if get_origin(kind) is list and isinstance(value, (list, tuple)):
            raise error
    expected = " or ".join(words(kind) for kind, _ in refused)
    raise TraitError(f"{where} is {_said(value)}, expected {expected}")


def _check_plain(value: Any, kind: Any, where: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float:
        # also of an int that no float can hold; false for NaN
        _expect(number and abs(value) <= sys.float_info.max, value, kind, where)
    elif kind is int:
        whole = number and isinstance(value, int) and abs(value) <= MOST_WHOLE
        _expect(whole, value, kind, where)
    else:
        # halves of characters in a text are replaced by the trait that takes it
        _expect(isinstance(value, kind), value, kind, where)


def _check_array(value: Any, trait: Array, where: str) -> None:
    """Hold an array's shape against its buffer, before a byte of it is unpacked."""
    whole = isinstance(value, dict) and set(value) == {"dtype", "shape", "data"}
    _expect(whole, value, trait, where)
    code, shape, data = value["dtype"], value["shape"], value["data"]
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TraitError(f"{where}: data is {_said(data)}, expected a binary buffer")
    if not isinstance(code, str) or code not in trait.codes:
        raise TraitError(
            f"{where}: dtype is {_said(code)}, expected one of {', '.join(trait.codes)}"
        )
    check(shape, list[int], f"{where}: shape")
    fits = len(shape) == len(trait.shape) and all(
        have >= 0 and want in (None, have) for have, want in zip(shape, trait.shape, strict=True)
    )
    if not fits:
        raise TraitError(f"{where}: shape is {_said(list(shape))}, expected {trait.lengths}")
    came, needed = memoryview(data).nbytes, -(-math.prod(shape) * trait.codes[code] // 8)
    if came != needed:
        raise TraitError(
            f"{where}: {came:,} bytes came, {_said(list(shape))} of {code} takes {needed:,}"
        )
