"""JSON of others: read, and each value held against the type it must have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from volvelle.archive.paths import file_to_read
from volvelle.arguments.said import seen
from volvelle.arguments.texts import cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a value may be, in words; numbers are never truth values.
KINDS: dict[str, tuple[type, ...]] = {
    "a text": (str,),
    "a number": (int, float),
    "a whole number": (int,),
    "true or false": (bool,),
    "an object": (dict,),
    "a list": (list,),
}


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds, with every text in it `clean`.

    Raises
    ------
    ValueError
        For what is no JSON, is nested too deep, or is no object.
    """
    source = f"{path.parent.name}/{path.name}"
    file = file_to_read(path, "a file of JSON")
    try:
        found = cleaned(json.loads(file.read_text(encoding="utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} is no JSON: {error}") from error
    return held(found, source, "an object")


def held(value: Any, what: str, *kinds: str) -> Any:
    """Return a value that is of one of some `KINDS`.

    Raises
    ------
    ValueError
        For any other, naming what it is of.
    """
    for kind in kinds:
        types = KINDS[kind]
        if isinstance(value, types) and (not isinstance(value, bool) or bool in types):
            return value
    raise ValueError(f"{what} is {seen(value)}, expected {' or '.join(kinds)}")


def hold_types(given: Mapping[str, Any], types: Mapping[str, tuple[str, ...]], source: str) -> None:
    """Raise ValueError where a field that is set is of another kind than its own."""
    for key, kinds in types.items():
        if given.get(key) is not None:
            held(given[key], f"{source}: {key}", *kinds)


def texts(value: Any, what: str) -> tuple[str, ...]:
    """Return a list of texts."""
    listed = cast("list[Any]", held(value, what, "a list"))
    return tuple(held(one, f"an entry of {what}", "a text") for one in listed)


def number_or_nan(value: Any, what: str) -> float:
    """Return a number as float32 holds it; NaN where there is none."""
    if value is None:
        return float("nan")
    found = held(value, what, "a number")
    try:
        return float(found)
    except OverflowError as error:
        raise ValueError(f"{what} is {seen(value)}, more than a float holds") from error
