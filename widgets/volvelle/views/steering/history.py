"""The runs a Steering view keeps: one shown, one beside it, any of them restored."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyValue
from traitlets import HasTraits, List

from volvelle.arguments.call import checked_in
from volvelle.views.kit.numbers import Int
from volvelle.views.kit.texts import Dict
from volvelle.views.steering.records import RunWire, StreamWire
from volvelle.views.steering.wire import run_wire

if TYPE_CHECKING:
    from typing import Self

    from volvelle.experiments.steering.steering_run import SteeringRun
    from volvelle.views.steering.rows import Row

MOST_KEPT = 12  # runs in the history


@checked_in
class History(HasTraits):
    """Finished runs of a Steering view, by number."""

    _all: dict[str, Row]
    _done: dict[int, SteeringRun]
    hold_sync: Any
    _work: Any

    result = AnyValue(None)
    """The `SteeringRun` that is shown, None before the first."""
    compare = Int(0).tag(sync=True)
    """Number of an earlier run that is shown below the present one; 0 for none."""

    _stream = Dict().tag(sync=True, of=StreamWire)
    _norms = Dict().tag(sync=True, of=dict[str, float])
    _runs = List(Dict()).tag(sync=True, of=list[RunWire])
    _shown = Int(0).tag(sync=True)

    @property
    def _next(self) -> int:
        """Number of the run to come."""
        return max(self._done, default=0) + 1

    def _keep(self, run: SteeringRun, controls: dict[str, Any]) -> None:
        """Show a finished run, and put it in the history."""
        serial = self._next
        wire = run_wire(run, serial, controls)
        self._done[serial] = run
        kept = [*self._runs, wire][-MOST_KEPT:]
        self._done = {w["serial"]: self._done[w["serial"]] for w in kept}
        with self.hold_sync():
            self._runs = kept
            self._shown = serial
            self._stream = {}
            self._norms = self._norms | {point: float(n) for point, n in run.norms.items()}
            if self.compare not in self._done:
                self.compare = 0
        self.result = run

    @property
    def history(self) -> dict[int, SteeringRun]:
        """Earlier runs and the present one by number, oldest first; the last twelve are kept."""
        return dict(self._done)

    def restore(self, number: int) -> Self:
        """Show an earlier run again, and set the controls to what it was run with.

        Of directions that have no row any more, nothing is set.
        """
        if number not in self._done:
            kept = ", ".join(map(str, self._done)) or "none yet"
            raise KeyError(f"run {number} is not in the history; there are {kept}")
        wire = next(w for w in self._runs if w["serial"] == number)
        with self.hold_sync():
            for name, value in copy.deepcopy(wire["controls"]).items():
                there = value
                if isinstance(value, dict) and name != "where":
                    there = {key: v for key, v in value.items() if key in self._all}
                elif name == "muted":
                    there = [row for row in value if row in self._all]
                setattr(self, name, there)
            self._shown, self._stream = number, {}
            self._work.forgive()
        self.result = self._done[number]
        return self
