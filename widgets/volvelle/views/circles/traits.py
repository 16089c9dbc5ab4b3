"""The traits of a dial, and how they are filled from a circle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Bool, Dict, Float, HasTraits, List, TraitError, Unicode, validate

from volvelle.names import unknown
from volvelle.views.kit.arrays import Array

if TYPE_CHECKING:
    from volvelle.compute.circles.circle import FittedCircle

# Names lie within this share of the dial's radius, so that the ring stays free.
INSIDE = 0.8
# The rim of the dial, in multiples of the median residual norm: on the demo model the last
# strength at which words still peak where they belong.
RIM = 0.3


class CircleTraits(HasTraits):
    """What Python and the browser share of a dial."""

    angle = Float(0.0).tag(sync=True)
    """Where the hand points, degrees in [0, 360), anticlockwise; any number may be set."""
    strength = Float(0.15).tag(sync=True)
    """The hand's length, in multiples of the point's median residual norm, 0...`rim`."""
    rim = Float(RIM).tag(sync=True)
    """Strength at the rim of the dial: the end of the useful range."""
    snap = Bool(default_value=False).tag(sync=True)
    """Whether the hand, dragged, snaps to the nearest name."""
    selected = List(Unicode()).tag(sync=True)
    """Names that are lit."""

    _names = List(Unicode()).tag(sync=True)
    # per name: angle, radius (the ring is 1), reference angle or NaN, spread below and above
    _places = Array("f4", (None, 5))
    _facts = Dict().tag(sync=True)

    _circle: FittedCircle | None = None

    def _send_circle(self, circle: FittedCircle, facts: dict[str, Any]) -> None:
        self._circle = circle
        self._names = list(circle.names)
        self._places = places_of(circle)
        self._facts = circle_facts(circle) | facts
        self.selected = [name for name in self.selected if name in circle.names]

    @validate("angle", "strength", "rim")
    def _check_number(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, float(proposal["value"])
        if not math.isfinite(value):
            raise TraitError(f"{name} is {value}, expected a finite number")
        if name == "angle":
            return value % 360
        if name == "rim" and value <= 0:
            raise TraitError(f"rim is {value:g}, expected a strength above 0")
        if name == "strength" and not 0 <= value <= self.rim:
            raise TraitError(
                f"strength {value:g} is outside 0...{self.rim:g}; set rim= for a longer hand, or "
                "use vv.steer for any strength"
            )
        return value

    @validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> list[str]:
        chosen = list(dict.fromkeys(proposal["value"]))
        if self._circle is not None:
            for name in chosen:
                if name not in self._circle.names:
                    raise TraitError(f"selected: {unknown('name', name, self._circle.names)}")
        return chosen


def ring_of(circle: FittedCircle) -> float:
    """Return the radius, in the unit of the vectors, that the dial's ring stands for."""
    return float(circle.radii.max()) / INSIDE or 1.0


def places_of(circle: FittedCircle) -> np.ndarray:
    """Return angle, radius over the ring's, reference, and spread: shape (n, 5), NaN where none."""
    none = np.full(len(circle), np.nan)
    reference = none if circle.reference is None else circle.reference % 360
    spread = np.stack([none, none], axis=1) if circle.spread is None else circle.spread
    radii = circle.radii / ring_of(circle)
    return np.column_stack([circle.angles, radii, reference, spread])


def circle_facts(circle: FittedCircle) -> dict[str, Any]:
    """Return what the title says of a circle."""
    null = circle.null
    return {
        "point": str(circle.point),
        "layer": circle.point.layer,
        "source": circle.dictionary.source or "",
        "axes": list(circle.axis_names),
        "verdict": circle.summary(),
        "found": circle.verdict == "circular",
        "scored": null is not None,
        "method": circle.method,
        "orientation": circle.orientation,
        "n": len(circle),
        "n_null": 0 if null is None else len(null.shuffled),
        "seed": circle.details.get("seed", 0),
        "ring": ring_of(circle),
    }
