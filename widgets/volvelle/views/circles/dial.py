"""A dial: the circle it shows, its hand, and what Python and the browser share of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
from traitlets import Bool, HasTraits, List, TraitError, validate

from volvelle.compute.circles.circle import FittedCircle
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.names import unknown
from volvelle.views.kit.arrays import Array
from volvelle.views.kit.numbers import Float
from volvelle.views.kit.texts import Dict, WholeText

if TYPE_CHECKING:
    import pandas as pd

    from volvelle.models.model import Model

# Names lie within this share of the dial's radius, so that the ring stays free.
INSIDE = 0.8
# The rim of the dial, in multiples of the median residual norm: on the demo model the last
# strength at which words still peak where they belong.
RIM = 0.3


class CircleFacts(TypedDict, total=False):
    """What the title says of a circle, and of the model that is turned with it."""

    model: str
    remote: bool
    point: str
    layer: int
    source: str
    axes: list[str]
    verdict: str
    found: bool
    scored: bool
    method: str
    orientation: str
    n: int
    n_null: int
    seed: int
    ring: float


class Dial(HasTraits):
    """A circle on a dial with a hand to turn, in every view that has one."""

    angle = Float(0.0).tag(sync=True)
    """Where the hand points, degrees in [0, 360), anticlockwise; any number may be set."""
    strength = Float(0.15).tag(sync=True)
    """The hand's length, in multiples of the point's median residual norm, 0...`rim`."""
    rim = Float(RIM).tag(sync=True)
    """Strength at the rim of the dial: the end of the useful range."""
    snap = Bool(default_value=False).tag(sync=True)
    """Whether the hand, dragged, snaps to the nearest name."""
    selected = List(WholeText()).tag(sync=True)
    """Names that are lit."""

    _names = List(WholeText()).tag(sync=True)
    # per name: angle, radius (the ring is 1), reference angle or NaN, spread below and above
    _places = Array("f4", (None, 5))
    _facts = Dict().tag(sync=True, of=CircleFacts)

    _circle: FittedCircle | None = None

    @property
    def circle(self) -> FittedCircle:
        """The circle shown."""
        if self._circle is None:
            raise ValueError("there is no circle yet; .wait() for it, or give the view one")
        return self._circle

    @property
    def direction(self) -> Direction:
        """The unit direction the hand points in, for `volvelle.steer` and the Steering view."""
        circle = self.circle
        name = f"{self.angle:g}° (near {circle.nearest(self.angle)})"
        found = circle.direction(self.angle)
        return Direction(found.vector, name, circle.point, contrast=found.contrast)

    @property
    def steer(self) -> Steer:
        """The hand as a steer: its direction, its length in multiples of the residual norm."""
        return Steer(self.direction, self.strength)

    def _lay_out(self, circle: FittedCircle, **facts: Any) -> None:
        """Put a circle on the dial; `facts` are said of it besides its own."""
        self._circle = circle
        self._names = list(circle.names)
        self._places = places_of(circle)
        self._facts = {**circle_facts(circle), **facts}
        self.selected = [name for name in self.selected if name in circle.names]

    def _names_frame(self) -> pd.DataFrame:
        """Return one row per name: angle, radius (unit of the vectors), reference, spread."""
        from volvelle.experiments.circles.fit_circle import ours

        circle: Any = self.circle
        table = circle.to_pandas() if hasattr(circle, "to_pandas") else ours(circle).to_pandas()
        table["selected"] = table["name"].isin(self.selected)
        return table

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


def told_apart(model: object, circle: object) -> tuple[Model | None, FittedCircle | None]:
    """Return a model and a circle that came in either order."""
    given = (model, circle)
    circles = [one for one in given if isinstance(one, FittedCircle)]
    models = [one for one in given if one is not None and not isinstance(one, FittedCircle)]
    if len(circles) == 2 or len(models) == 2:
        what = "circles" if circles else "models"
        raise TypeError(f"model and circle are both {what}; give one model and one circle at most")
    return cast("Model | None", next(iter(models), None)), next(iter(circles), None)


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


def circle_facts(circle: FittedCircle) -> CircleFacts:
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
