"""One thread per model: nnsight cannot trace one model from two threads.

Everything that runs a model goes through its worker, from a cell as from a view: the cell
waits, the view does not. Called on the worker's own thread, a verb runs at once, so verbs may
call verbs.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
log = logging.getLogger("volvelle")

# How long the interpreter waits at its end for a cancelled job to leave the model.
LAST_WAIT = 5.0

# How long an interrupt may go unseen, seconds.
WAIT = 0.5


class Cancelled(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a job that was asked to stop, and by `Job.result` of one that did."""


class Job:
    """A piece of work handed to a model's worker.

    Attributes
    ----------
    status : {"queued", "running", "done", "failed", "cancelled"}
    progress : float
        0...1, as far as the work says.
    text : str
        What it is doing.
    key : object or None
        Of two jobs with the same key the newer wins.
    requests : list of RemoteRequest
        What was sent to a server for it, in order: states with times, bytes, cost.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        *,
        key: object = None,
        on_progress: Callable[[float, str], None] | None = None,
    ) -> None:
        self._work: Callable[[], Any] | None = work
        self._on_progress = on_progress
        self._ended = threading.Event()
        self._callbacks: list[Callable[[Job], None]] = []
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self.key = key
        self.status = "queued"
        self.cancelled = False
        self.progress = 0.0
        self.text = ""
        self.requests: list[Any] = []

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

    def check(self) -> None:
        """Raise `Cancelled` where the job was asked to stop."""
        if self.cancelled:
            raise Cancelled("the job was cancelled")

    def report(self, fraction: float, text: str = "") -> None:
        """Say how far the work is, and stop it where it was asked to."""
        self.check()
        self.progress, self.text = float(fraction), text
        if self._on_progress is not None:
            self._on_progress(self.progress, text)

    @property
    def watched(self) -> bool:
        """Whether somebody is told how far it is."""
        return self._on_progress is not None

    def tell(self, text: str) -> None:
        """Say what is waited for, with nothing done yet; never stops the work."""
        self.text = text
        if self._on_progress is not None:
            self._on_progress(self.progress, text)

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
        self.status = "running"
        try:
            value = work()
        except Cancelled as stop:
            self._end("cancelled", error=stop)
        except BaseException as error:  # noqa: BLE001 - raised again where result() is asked for
            self._end("failed", error=error)
        else:
            self.progress = 1.0
            self._end("done", value=value)

    def _end(self, status: str, *, value: Any = None, error: BaseException | None = None) -> None:
        with self._lock:
            self._value, self._error, self.status = value, error, status
            self._work = None
            self._ended.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                log.exception("a callback at the end of a job failed")

    def __repr__(self) -> str:
        return f"Job({self.status}, {self.progress:.0%})"


class Worker:
    """The one thread that runs a model.

    The thread is made with the first job and is a daemon; `stop` ends it. It holds no
    reference to a model between jobs.
    """

    def __init__(self, name: str = "model") -> None:
        self._name = name
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: Job | None = None
        self._stopping = False
        _workers.add(self)

    @property
    def here(self) -> bool:
        """Whether the caller already is on the worker's thread."""
        return self._thread is threading.current_thread()

    @property
    def job(self) -> Job | None:
        """The job that runs now."""
        return self._running

    def submit(
        self,
        work: Callable[[], T],
        *,
        key: object = None,
        on_progress: Callable[[float, str], None] | None = None,
    ) -> Job:
        """Queue `work` and return its job at once.

        Parameters
        ----------
        work : callable without arguments
        key : hashable, optional
            Newest wins: a queued job of the same key is dropped, a running one is asked to
            stop.
        on_progress : callable(fraction, text), optional
            Called on the worker's thread.

        Notes
        -----
        On the worker's own thread the work runs at once, as part of the running job.
        """
        job = Job(work, key=key, on_progress=on_progress)
        if self.here:
            job.carry_out()
            return job
        dropped: list[Job] = []
        with self._wake:
            if self._stopping:
                raise RuntimeError(f"the worker of {self._name} has been stopped")
            if key is not None:
                dropped = [other for other in self._queue if other.key == key]
                self._queue = deque(other for other in self._queue if other.key != key)
                if self._running is not None and self._running.key == key:
                    self._running.cancel()
            self._queue.append(job)
            self._start()
            self._wake.notify()
        for other in dropped:
            other.cancel()
            other.carry_out()  # ends it as cancelled
        return job

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` on the worker's thread and wait for what it returns."""
        if self.here:
            return work()
        return self.submit(work).result()

    def stop(self, timeout: float | None = LAST_WAIT) -> None:
        """Cancel everything and end the thread; waits `timeout` seconds for it."""
        with self._wake:
            self._stopping = True
            waiting, self._queue = list(self._queue), deque()
            if self._running is not None:
                self._running.cancel()
            self._wake.notify_all()
        for job in waiting:
            job.cancel()
            job.carry_out()  # ends it as cancelled
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._loop, name=f"volvelle: {self._name}", daemon=True
            )
            self._thread.start()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                job = self._queue.popleft()
                self._running = job
            try:
                job.carry_out()
            finally:
                with self._wake:
                    self._running = None
            del job  # what it returned must not live until the next one comes


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for worker in list(_workers):
        worker.stop()
