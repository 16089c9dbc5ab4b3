"""Numbers of views: whole and finite ones, told from truth values whoever sets them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import traitlets


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
