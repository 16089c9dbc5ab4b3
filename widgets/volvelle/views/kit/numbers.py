"""Numbers of views: whole and finite ones, told from truth values whoever sets them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, cast

import numpy as np
import traitlets


def finite(value: Any) -> Any:
    """Return a value as JSON has it: numbers that are none, and infinite ones, become None.

    It is the one spelling of them on the way to a page, in a notebook and in a file: null, which
    a field's type says (``float | None``). Of a bound it means that there is none. Arrays are
    not JSON and keep theirs.
    """
    if isinstance(value, dict):
        named = cast("dict[Any, Any]", value)
        return {key: finite(item) for key, item in named.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in cast("list[Any]", value)]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


class Int(traitlets.Int):
    """A whole number; True is none, numpy's are."""

    def validate(self, obj: Any, value: Any) -> int:
        """Return an int, or say what came."""
        if isinstance(value, bool) or not isinstance(value, Integral):
            self.error(obj, value)
        return super().validate(obj, int(value))


class Float(traitlets.Float):
    """A finite number: what JSON and every formula can hold."""

    info_text = "a finite number"

    def validate(self, obj: Any, value: Any) -> float:
        """Return a float, or say what came."""
        if isinstance(value, bool) or not isinstance(value, Real):
            self.error(obj, value)
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            self.error(obj, value)
        return super().validate(obj, found)
