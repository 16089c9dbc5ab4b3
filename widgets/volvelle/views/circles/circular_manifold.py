"""The view of any circle: a dial with a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.compute.circles.circle import FittedCircle
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.views.circles.traits import CircleTraits
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.view import View

if TYPE_CHECKING:
    import pandas as pd


class CircularManifold(CircleTraits, View):
    """A circle as a dial: its names at their angles, what chance gives, and a hand to turn.

    Parameters
    ----------
    circle : Circle
        From `volvelle.fit_circle` or `volvelle.emotion_circle`.
    **traits
        Initial values of the traits, all of them public names of `CircleTraits`.

    Examples
    --------
    >>> view = vv.CircularManifold(vv.fit_circle(weekdays, angles))
    >>> view.angle = 90
    >>> vv.steer(model, "Today is", view.steer, strengths=(0, 1))
    """

    _esm = bundle("circular_manifold")

    def __init__(self, circle: FittedCircle | None = None, **traits: Any) -> None:
        if circle is not None and not isinstance(circle, FittedCircle):
            raise TypeError(
                f"circle is a {type(circle).__name__}, expected a Circle; make one with "
                "vv.fit_circle(dictionary, reference) or vv.emotion_circle(model)"
            )
        super().__init__(**traits)
        if circle is not None:
            self._show_circle(circle)

    def _show_circle(self, circle: FittedCircle) -> None:
        with self.hold_sync():
            self._send_circle(circle, {})

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

    def run(self) -> CircularManifold:
        """Show the circle again: a dial of a finished circle has no other work."""
        self._show_circle(self.circle)
        return self

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per name: angle, radius (unit of the vectors), reference, spread."""
        from volvelle.experiments.circles.fit_circle import ours

        circle: Any = self.circle
        table = circle.to_pandas() if hasattr(circle, "to_pandas") else ours(circle).to_pandas()
        table["selected"] = table["name"].isin(self.selected)
        return table

    def _export_title(self) -> str:
        facts = self._facts
        return f"Circle: {facts['source'] or facts['point']}" if facts else "Circle"
