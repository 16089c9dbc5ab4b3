"""Messages for arguments that are none: what came, what exists, what was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# More than this many options are cut: an error message is read, not searched.
MOST_LISTED = 12
# More letters of a name than this are cut.
LONGEST = 60


def closest(name: str, options: Iterable[str]) -> str | None:
    """Return the option nearest to `name` in spelling, or None when none is near."""
    known = {option.lower(): option for option in options}
    if len(name) > LONGEST:
        return None
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[near[0]] if near else None


def _short(name: object) -> str:
    """Return a name as it was written, the beginning of a long one."""
    text = str(name)
    return repr(text) if len(text) <= LONGEST else f"{text[:LONGEST]!r}..."


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
    message = f"unknown {kind} {_short(name)}"
    if near := closest(str(name), listed):
        return f"{message}; did you mean {near!r}?"
    more = len(listed) - MOST_LISTED
    shown = ", ".join(listed[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"{message}; there are: {shown}" if listed else f"{message}; there are none"
