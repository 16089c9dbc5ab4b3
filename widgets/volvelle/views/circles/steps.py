"""Things a view may be asked to do, in the order in which they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volvelle.models.work.turn import turn
from volvelle.models.work.worker import Cancelled
from volvelle.views.kit.work import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Report = Callable[[float, str], None]


@dataclass(frozen=True)
class WorkStep:
    """One of them: `make` takes ``report(fraction, text)`` and returns what `show` shows."""

    name: str
    make: Callable[[Report], Any]
    show: Callable[[Any], None]


class Steps:
    """A table of steps, and which of them are asked for.

    Parameters
    ----------
    *steps : WorkStep
        In the order in which they are done, whatever order they are asked for in.
    hold : callable
        Returns the context in which a step is shown, as one message.

    Attributes
    ----------
    todo : set of str
        What is asked for and not yet shown.
    """

    def __init__(self, *steps: WorkStep, hold: Callable[[], AbstractContextManager[Any]]) -> None:
        self.todo: set[str] = set()
        self._steps, self._hold = steps, hold

    def do(self, report: Report) -> None:
        """Make and show what is asked for; what is stopped on the way is still asked for."""
        for step in self._steps:
            if step.name not in self.todo:
                continue
            try:
                report(0.0, "")
                result = step.make(report)
                report(1.0, "")
            except (Stopped, Cancelled):
                raise
            except Exception:
                self.todo.discard(step.name)  # else it would fail again with whatever comes next
                raise
            with turn, self._hold():
                report(1.0, "")  # nothing newer may have come while this waited for its turn
                step.show(result)
                self.todo.discard(step.name)
