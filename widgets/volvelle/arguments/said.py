"""What an error says of an argument that cannot be taken."""

from __future__ import annotations

import reprlib
from typing import Any

# More of what came than this is cut: an error message is read, not searched.
LONGEST = 60
# of a list or a dict, as many members
SHOWN = 6


class _Short(reprlib.Repr):
    """A repr whose work does not grow with what it is of, nor fail with it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxdict = self.maxdeque = SHOWN
        self.maxlevel = 3
        self.maxstring = self.maxother = LONGEST

    def repr_instance(self, x: object, level: int) -> str:  # noqa: ARG002 - the name and place reprlib calls by
        if hasattr(type(x), "__array__") or hasattr(x, "shape"):
            return f"<{kind_of(x)}>"
        try:
            text = repr(x)
        except Exception:  # noqa: BLE001 - it is somebody's own __repr__
            return f"<{kind_of(x)}>"
        return _cut(text)


_short = _Short()


def seen(value: Any) -> str:
    """Return what came, short enough for a sentence."""
    try:
        return _cut(_short.repr(value))
    except Exception:  # noqa: BLE001 - subclasses of str, list and int may have any __repr__
        return f"<{kind_of(value)}>"


def said(error: BaseException) -> str:
    """Return what an error says, whatever its ``__str__`` does; its kind where it says nothing."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - as in `seen`
        text = ""
    return text or type(error).__name__


def kind_of(value: object) -> str:
    """Return the type of what came, with the shape of arrays, data frames and tensors."""
    name = type(value).__name__
    try:
        shape = tuple(int(n) for n in getattr(value, "shape", ()))
    except Exception:  # noqa: BLE001 - a shape may be anything
        shape = ()
    return f"{name} of shape {shape}" if shape else name


def came(name: str, value: object, expected: str, way_out: str = "") -> str:
    """Return the sentence for an argument: its name, what came, what was expected, the way out."""
    return f"{name}={seen(value)} must be {expected}" + (f"; {way_out}" if way_out else "")


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
