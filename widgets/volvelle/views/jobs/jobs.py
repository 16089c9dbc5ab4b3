"""The view of what runs for a model, here or on a server."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from traitlets import Bool, List, observe

from volvelle.arguments.said import seen
from volvelle.models.plan import host_of
from volvelle.views.jobs.wire import JobEntry, JobsFacts, entry
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.job_line import cost
from volvelle.views.kit.numbers import Int
from volvelle.views.kit.pace import SENTENCE_S
from volvelle.views.kit.server import on_server
from volvelle.views.kit.texts import Dict
from volvelle.views.kit.view import View, reported

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from volvelle.models.model import Model
    from volvelle.models.work.record import JobRecord

MOST_SHOWN = 50
COLUMNS = (
    *("job", "what", "state", "position", "progress", "seconds", "waited", "typical"),
    *("requests", "sent", "received", "runtime", "memory", "id", "host", "error"),
)


class Jobs(View):
    """What is queued, running and done for a model, with its cost.

    Every job of the model is listed, those of cells and of other views too, whether the model is
    here or on a server. Small enough to sit above another view.

    Parameters
    ----------
    model : volvelle.Model
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> vv.Jobs(model)
    >>> vv.Jobs(model, shown=10).to_pandas()
    """

    _esm = bundle("jobs")

    shown = Int(3, min=1, max=MOST_SHOWN).tag(sync=True)
    """How many ended jobs are listed; those that wait or run always are."""
    opened = List(Int()).tag(sync=True)
    """Numbers of the jobs whose details are open."""
    remote = Bool(False).tag(sync=True, page=False)
    """Whether the model is on a server."""

    _entries = List(Dict()).tag(sync=True, of=list[JobEntry])
    _facts = Dict().tag(sync=True, of=JobsFacts)

    def __init__(self, model: Model | None = None, **traits: Any) -> None:
        self._model = model
        self._sent = 0.0
        self._order: list[tuple[int, str, str, int]] = []
        self._later: threading.Timer | None = None
        self._end_watch: Callable[[], None] = lambda: None
        super().__init__(**traits)
        if model is not None and not hasattr(model, "worker"):
            raise TypeError(
                f"model is {type(model).__name__}, expected one from vv.load or vv.wrap"
            )
        if model is None:
            return
        self.remote = on_server(model)
        self._facts = {"model": str(model.name), "host": host_of(model)}
        self._end_watch = model.worker.watch(_weak(self))
        self.refresh()

    # -- what is shown --------------------------------------------------------------------

    @property
    def records(self) -> list[JobRecord]:
        """The model's jobs, oldest first."""
        return [] if self._model is None else self._model.worker.jobs

    def refresh(self) -> None:
        """Send the list as it is now."""
        with self._lock:
            records = self.records
            took: dict[str, list[float]] = {}
            for record in records:
                if record.status == "done":
                    took.setdefault(record.name, []).append(record.elapsed)
            going = [record for record in records if not record.ended]
            ended = [record for record in records if record.ended]
            listed = [*reversed(ended[-self.shown :])]
            self._sent = time.monotonic()
            with self.hold_sync():
                self._entries = [entry(one, took.get(one.name, ())) for one in (*going, *listed)]
                self._facts = self._facts | {"ended": len(ended)}

    def _changed(self) -> None:
        """Show a new state at once; progress, at most a few times a second."""
        order = [
            (one.number, one.status, one.requests[-1].status if one.requests else "", position(one))
            for one in self.records
        ]
        with self._lock:
            new, self._order = order != self._order, order
            wait = self._sent + SENTENCE_S - time.monotonic()
            if self._later is not None:
                if not new:
                    return
                self._later.cancel()
            self._later = None
            if not new and wait > 0:
                # the last of a burst must not be lost
                self._later = threading.Timer(wait, _weak(self, "_catch_up"))
                self._later.daemon = True
                self._later.start()
                return
        self.refresh()

    def _catch_up(self) -> None:
        with self._lock:
            self._later = None
        self.refresh()

    @observe("shown")
    @reported
    def _new_length(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        self.refresh()

    # -- what is done to them -------------------------------------------------------------

    def _record(self, number: int) -> JobRecord:
        found = next((one for one in self.records if one.number == number), None)
        if found is None:
            known = ", ".join(str(one.number) for one in self.records) or "none yet"
            raise KeyError(f"job {seen(number)} is not in the list; there are {known}")
        return found

    def run(self) -> Jobs:
        """Refuse: a list of jobs has no work of its own."""
        raise ValueError(
            "a list of jobs runs nothing itself; begin one of them again with .again(number)"
        )

    def cancel(self, number: int) -> Jobs:
        """Stop a job of the list.

        What waits here is dropped at once; what runs here stops at its next block or token. A
        server has no way to cancel: what was sent is no longer waited for, and may run to its
        end there.

        Parameters
        ----------
        number : int
        """
        record = self._record(number)
        assert self._model is not None  # noqa: S101 - it has a record
        self._model.worker.drop(record)
        return self

    def stop(self) -> Jobs:
        """Stop everything that waits or runs for the model."""
        for record in self.records:
            if self._model is not None and not record.ended:
                self._model.worker.drop(record)
        super().stop()
        return self

    def again(self, number: int) -> Any:
        """Begin a job of the list once more.

        Parameters
        ----------
        number : int

        Returns
        -------
        Job or View
            What gets the result: a job given to ``model.submit`` is submitted again; a view runs
            with its present settings.

        Raises
        ------
        ValueError
            For a job of a cell, whose result would go to nobody: run the cell again.
        """
        start = self._record(number).again
        if start is None:
            raise ValueError(
                f"job {number} was a cell's, or nobody holds it any more: run the cell again"
            )
        return start()

    # -- what the browser asks ------------------------------------------------------------

    def _on_cancel(self, number: int) -> None:
        self.cancel(number)

    def _on_again(self, number: int) -> None:
        self.again(number)

    # -- out ------------------------------------------------------------------------------

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per job, oldest first.

        Returns
        -------
        pandas.DataFrame
            ``job`` (number), ``what``, ``state``, ``position`` in the server's queue,
            ``progress``, ``seconds`` run, seconds ``waited`` here, ``typical`` seconds of its
            kind, ``requests`` and bytes ``sent`` and ``received``, the server's ``runtime`` in
            seconds and ``memory`` in bytes, the last request's ``id``, ``host``, ``error``.
        """
        import pandas as pd

        records = self.records
        rows = []
        for record in records:
            alike = [r.elapsed for r in records if r.status == "done" and r.name == record.name]
            one = entry(record, alike)
            own = {"job": record.number, "what": record.name, "requests": len(record.requests)}
            own |= {"sent": record.sent, "received": record.received}
            row = one | cost(record.requests) | own
            rows.append({name: row.get(name) for name in COLUMNS})
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def export_state(self) -> dict[str, Any]:
        """Return the traits of an exported file; tracebacks, which name folders, stay here."""
        state = super().export_state()
        state["_entries"] = [one | {"traceback": "", "again": False} for one in self._entries]
        return state

    def close(self) -> None:
        """Leave the notebook; the jobs go on."""
        # without the turn, as in `View.close`; a refresh that is late finds nobody to tell
        self._end_watch()
        later = self._later
        if later is not None:
            later.cancel()
        super().close()

    def _export_title(self) -> str:
        name = self._facts.get("model")
        return f"Jobs of {name}" if name else "Jobs"


def position(record: JobRecord) -> int:
    """Return the place in the server's queue, 0 for none."""
    return (record.requests[-1].position or 0) if record.requests else 0


def _weak(view: Jobs, method: str = "_changed") -> Callable[[], None]:
    """Call a view's method as long as the view is there."""
    found = weakref.ref(view)

    def call() -> None:
        view = found()
        if view is not None:
            getattr(view, method)()

    return call
