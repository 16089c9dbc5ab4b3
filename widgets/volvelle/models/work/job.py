"""A piece of work handed to a model's worker: how far it is, what it gives, how to stop it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from volvelle.models.work.turn import turn
from volvelle.progress import wanted

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("volvelle")

# How long an interrupt may go unseen, seconds.
WAIT = 0.5

# What work is called that no verb made.
NAMELESS = "work"

_numbers = itertools.count(1)
_here = threading.local()


class Cancelled(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a job that was asked to stop, and by `Job.result` of one that did."""


class Job:
    """A piece of work handed to a model's worker.

    Attributes
    ----------
    number : int
        Counts the jobs of this process.
    name : str
        What it does: the verb, or the view it is for.
    status : {"queued", "running", "done", "failed", "cancelled"}
    progress : float
        0...1, as far as the work says.
    text : str
        What it is doing.
    key : object or None
        Of two jobs with the same key the newer wins.
    group : object or None
        One and the same of jobs with one key; the worker compares these alone, by identity.
    requests : list of RemoteRequest
        What was sent to a server for it, in order: states with times, bytes, cost.
    details : list of str
        What it decided on the way and a reader should know, a sentence each.
    asked, began, finished : float
        When it was queued, began and ended, seconds since the epoch; 0.0 while it has not.
    again : callable or None
        Starts it again, where that makes sense without whoever waited for it.
    on_change : callable(Job) or None
        Called when it is queued, begins, says how far it is, or ends.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        *,
        key: object = None,
        on_progress: Callable[[float, str], None] | None = None,
        name: str = NAMELESS,
    ) -> None:
        self._work: Callable[[], Any] | None = work
        self._on_progress = on_progress
        self._ended = threading.Event()
        self._callbacks: list[Callable[[Job], None]] = []
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self.key, self.group = key, None if key is None else object()
        self.status = "queued"
        self.cancelled = False
        self.progress = 0.0
        self.text = ""
        self.requests: list[Any] = []
        self.details: list[str] = []
        self.number, self.name = next(_numbers), name
        self.asked, self.began, self.finished = time.time(), 0.0, 0.0
        self.again: Callable[[], Any] | None = None
        self.on_change: Callable[[Job], None] | None = None
        self._below: Job | None = None  # runs for it on another model's worker

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def ids(self) -> tuple[str, ...]:
        """The server's names for its requests, as far as it has answered."""
        return tuple(request.id for request in self.requests if request.id)

    @property
    def error(self) -> BaseException | None:
        """What the work raised."""
        return self._error

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the work and return what it returned.

        Parameters
        ----------
        timeout : float, optional
            Seconds; forever by default.

        Raises
        ------
        TimeoutError
            After `timeout`; the job goes on.
        Cancelled
            Where the job was cancelled.
        KeyboardInterrupt
            Where the wait was interrupted: the job is cancelled.
        BaseException
            Whatever the work raised.
        """
        try:
            with turn.given_back():
                # in pieces, because Windows interrupts no wait, only what follows it
                ended = self._ended.wait(timeout if timeout is not None else WAIT)
                while not ended and timeout is None:
                    ended = self._ended.wait(WAIT)
        except KeyboardInterrupt:
            self.cancel()
            raise
        if not ended:
            raise TimeoutError(f"the job is still {self.status} after {timeout} s")
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> None:
        """Ask the work to stop; it does at its next block, chunk or token."""
        self.cancelled = True
        below = self._below
        if below is not None:
            below.cancel()

    def check(self) -> None:
        """Raise `Cancelled` where the job was asked to stop."""
        if self.cancelled:
            raise Cancelled("the job was cancelled")

    def report(self, fraction: float, text: str = "") -> None:
        """Say how far the work is, and stop it where it was asked to."""
        self.check()
        self.progress, self.text = float(fraction), text
        self._say(text)

    @property
    def watched(self) -> bool:
        """Whether somebody is told how far it is."""
        return self._on_progress is not None

    def note(self, detail: str) -> None:
        """Keep what was decided on the way; said once however often it is decided."""
        if detail not in self.details:
            self.details.append(detail)
            self._change()

    def tell(self, text: str) -> None:
        """Say what is waited for, with nothing done yet; never stops the work."""
        self.text = text
        self._say(text)

    def _say(self, text: str) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress, text)
        self._change()

    def _change(self) -> None:
        if self.on_change is not None:
            told(self.on_change, self)

    def wait_for(self, below: Job) -> Any:
        """Wait for a job on another worker that is part of this one; stopped, it stops that."""
        self._below = below
        try:
            if self.cancelled:
                below.cancel()
            return below.result()
        finally:
            self._below = None

    def follow(self, below: Callable[[], Job | None]) -> Callable[[float, str], None]:
        """Return a listener that tells of a job below as if it were this one."""
        before = list(self.requests)

        def hear(_fraction: float, text: str) -> None:
            job = below()
            if job is not None:
                self.requests = [*before, *job.requests]
                self.details += [said for said in job.details if said not in self.details]
            self.tell(text)

        return hear

    def on_end(self, callback: Callable[[Job], None]) -> None:
        """Call `callback(job)` on the worker's thread when the job ends, or now if it has."""
        with self._lock:
            if not self._ended.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def carry_out(self) -> None:
        """Do the work, or end as cancelled; called once, by the worker."""
        work, self._work = self._work, None
        if self.cancelled or work is None:
            self._end("cancelled", error=Cancelled("the job was cancelled before it began"))
            return
        self.status, self.began = "running", time.time()
        above, _here.job = current_job(), self
        try:
            self._change()
            with wanted(self.check):
                value = work()
        except Cancelled as stop:
            self._end("cancelled", error=stop)
        except BaseException as error:  # noqa: BLE001 - raised again where result() is asked for
            self._end("failed", error=error)
        else:
            self.progress = 1.0
            self._end("done", value=value)
        finally:
            _here.job = above

    def _end(self, status: str, *, value: Any = None, error: BaseException | None = None) -> None:
        with self._lock:
            self._value, self._error = value, error
            self._work = None
            self.finished, self.status = time.time(), status
        try:
            self._change()  # before anybody who waits goes on: it is in the list by then
        finally:
            with self._lock:
                self._ended.set()
                callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            told(callback, self)

    def __repr__(self) -> str:
        return f"Job({self.number}: {self.name}, {self.status}, {self.progress:.0%})"


def told(callback: Callable[..., Any], *args: Any) -> None:
    """Call a callback of somebody's; what it raises is logged, and stops nothing.

    Off a job's thread what is no `Exception`, an interrupt, goes on to whoever called.
    """
    try:
        callback(*args)
    except Exception:
        log.exception("a callback of a job failed")
    except BaseException:
        if current_job() is None:
            raise
        log.exception("a callback of a job failed")


def current_job() -> Job | None:
    """Return the job this thread is at work on."""
    return getattr(_here, "job", None)


def named(work: Callable[..., Any]) -> str:
    """Return what work is called: the verb that wrote it.

    Verbs hand on functions of their own, ``Model.capture.<locals>.<lambda>``.
    """
    try:
        full = getattr(work, "__qualname__", "")
    except Exception:  # noqa: BLE001 - a name is for a list, and nothing to fail for
        return NAMELESS
    outer = full.partition(".<locals>")[0] if isinstance(full, str) else ""
    name = outer.rpartition(".")[2].strip("_")
    return NAMELESS if not name or name.startswith("<") else name
