"""The view of any circle: a dial with a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.views.circles.dial import Dial
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.view import View

if TYPE_CHECKING:
    import pandas as pd

    from volvelle.compute.circles.circle import FittedCircle


class CircularManifold(Dial, View):
    """A circle as a dial: its names at their angles, what chance gives, and a hand to turn.

    Parameters
    ----------
    circle : Circle
        From `volvelle.fit_circle` or `volvelle.emotion_circle`.
    **traits
        Initial values of the traits, all of them public names of `Dial`.

    Examples
    --------
    >>> view = vv.CircularManifold(vv.fit_circle(weekdays, angles))
    >>> view.angle = 90
    >>> vv.steer(model, "Today is", view.steer, strengths=(0, 1))
    """

    _esm = bundle("circular_manifold")

    def __init__(self, circle: FittedCircle | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        if circle is not None:
            self._show_circle(circle)

    def _show_circle(self, circle: FittedCircle) -> None:
        with self.hold_sync():
            self._lay_out(circle)

    def run(self) -> CircularManifold:
        """Show the circle again: a dial of a finished circle has no other work."""
        self._show_circle(self.circle)
        return self

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per name: angle, radius (unit of the vectors), reference, spread."""
        return self._names_frame()

    def _export_title(self) -> str:
        facts = self._facts
        return f"Circle: {facts['source'] or facts['point']}" if facts else "Circle"
