"""One thread per model: nnsight cannot trace one model from two threads.

Everything that runs a model goes through its worker, from a cell as from a view: the cell
waits, the view does not. Called on the worker's own thread, a verb runs at once, so verbs may
call verbs.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.arguments.said import seen
from volvelle.models.work.job import NAMELESS, Cancelled, Job, current_job, named, told
from volvelle.models.work.record import JobRecord, record_of
from volvelle.models.work.turn import turn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cancelled", "Job", "JobRecord", "Worker", "current_job"]

T = TypeVar("T")
log = logging.getLogger("volvelle")

# How long the interpreter waits at its end for a cancelled job to leave the model.
LAST_WAIT = 5.0

# Ended jobs a worker remembers, without what they worked on and returned.
MOST_KEPT = 50


class Worker:
    """The one thread that runs a model, or the few that wait for a server.

    Threads are made as jobs come and are daemons; `stop` ends them. They hold no reference to
    a model between jobs.

    Parameters
    ----------
    name : str
    lanes : int
        Jobs that may be under way at once. One for a model that is here; on a server, where
        all a job does is wait, several stand in the queue together.
    """

    def __init__(self, name: str = "model", lanes: int = 1) -> None:
        self._name = name
        self._lanes = lanes
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._running: dict[threading.Thread, Job] = {}  # in the order they began
        self._stopping = False
        self._ended: deque[JobRecord] = deque(maxlen=MOST_KEPT)
        self._watchers: list[Callable[[], None]] = []
        _workers.add(self)

    @property
    def here(self) -> bool:
        """Whether the caller already is on a thread of the worker's."""
        return threading.current_thread() in self._threads

    @property
    def job(self) -> Job | None:
        """The job that runs on this thread; from outside, the one that has run longest."""
        mine = self._running.get(threading.current_thread())
        return mine or next(iter(self._running.copy().values()), None)

    @property
    def jobs(self) -> list[JobRecord]:
        """What ended, the last fifty of it, what runs, and what waits, oldest first."""
        with self._wake:
            going = [job for job in (*self._running.values(), *self._queue) if not job.ended]
            return [*self._ended, *map(record_of, going)]

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` whenever a job is queued, begins, says how far it is, or ends.

        On whatever thread that happens. Returns a function that ends the watch.
        """
        self._watchers.append(callback)

        def end() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return end

    def _changed(self, job: Job) -> None:
        if job.ended:
            self._ended.append(record_of(job))
        for watcher in list(self._watchers):
            told(watcher)

    def submit(
        self,
        work: Callable[[], T],
        *,
        key: object = None,
        on_progress: Callable[[float, str], None] | None = None,
        name: str = "",
        again: Callable[[], Any] | None = None,
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
        name : str, optional
            What a list of jobs calls it; by default the verb that made it.
        again : callable, optional
            Starts it again; by default the same work is submitted once more, as long as its
            job is held by somebody.

        Raises
        ------
        TypeError
            For work, callbacks and keys that could not be run, called or compared.

        Notes
        -----
        On the worker's own thread the work runs at once, as part of the running job.
        """
        _check(work, key, name, on_progress=on_progress, again=again)
        job = Job(work, key=key, on_progress=on_progress, name=name or named(work))
        if self.here:
            self._name_after(job.name)
            job.carry_out()
            return job
        job.again = again or (lambda: self.submit(work, key=key, name=job.name))
        return self._queued(job)

    def _queued(self, job: Job) -> Job:
        """Put a job in the queue; of two with the same key the newer wins."""
        job.on_change = self._changed
        dropped = list[Job]()
        with self._wake:
            if self._stopping:
                raise RuntimeError(f"the worker of {self._name} has been stopped")
            if job.key is not None:
                held = (*self._running.values(), *self._queue)
                # keys are somebody's, and compared here, where what they raise reaches him
                like = next((other for other in held if _same(other.key, job.key)), job)
                job.group = like.group
                dropped = [other for other in self._queue if other.group is job.group]
                self._queue = deque(one for one in self._queue if one.group is not job.group)
                for other in self._running.values():
                    if other.group is job.group:
                        other.cancel()
            self._queue.append(job)
            self._start()
            self._wake.notify()
        for other in dropped:
            other.cancel()
            other.carry_out()  # ends it as cancelled
        self._changed(job)
        return job

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` on the worker's thread and wait for what it returns.

        Called from another worker's job, that one is told how far it is, and takes it along
        when it is stopped.
        """
        _check(work)
        if self.here:
            self._name_after(named(work))
            with turn.given_back():
                return work()
        above = current_job()
        if above is None:
            return self._queued(Job(work, name=named(work))).result()
        below: list[Job] = []
        heard = above.follow(lambda: below[0] if below else None)
        below.append(Job(work, name=named(work), on_progress=heard))
        return above.wait_for(self._queued(below[0]))

    def _name_after(self, name: str) -> None:
        """Call a job without a name of its own after the first verb it runs."""
        running = self.job
        if running is not None and running.name == NAMELESS:
            running.name = name

    def drop(self, job: Job | JobRecord) -> None:
        """Stop a job: one that waits is gone at once, one that runs at its next look."""
        with self._wake:
            held = [*self._running.values(), *self._queue]
            found = [one for one in held if one.number == job.number]
            waiting = [one for one in found if one in self._queue]
            self._queue = deque(one for one in self._queue if one not in waiting)
        for one in found:
            one.cancel()
        for one in waiting:
            one.carry_out()  # ends it as cancelled

    def stop(self, timeout: float | None = LAST_WAIT) -> None:
        """Cancel everything and end the thread; waits `timeout` seconds for it."""
        with self._wake:
            self._stopping = True
            waiting, self._queue = list(self._queue), deque()
            for job in self._running.values():
                job.cancel()
            self._wake.notify_all()
        for job in waiting:
            job.cancel()
            job.carry_out()  # ends it as cancelled
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        """Make one more thread where all there are have something to do."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        idle = len(self._threads) - len(self._running)
        if len(self._threads) < self._lanes and idle < len(self._queue):
            thread = threading.Thread(
                target=self._loop, name=f"volvelle: {self._name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _next(self) -> Job | None:
        """Take the first job that waits; of one key only one runs at a time."""
        busy = [job.group for job in self._running.values() if job.group is not None]
        for job in self._queue:
            if not any(job.group is group for group in busy):
                self._queue.remove(job)
                return job
        return None

    def _loop(self) -> None:
        here = threading.current_thread()
        while True:
            with self._wake:
                while (job := self._next()) is None and not self._stopping:
                    self._wake.wait()
                if job is None:
                    return
                self._running[here] = job
            try:
                job.carry_out()  # lets nothing out; were it to, later jobs would wait for ever
            except BaseException:
                log.exception("job %s ended in a way of its own", job.number)
            finally:
                with self._wake:
                    del self._running[here]
                    self._wake.notify_all()  # another of its key may wait for its end
            del job  # what it returned must not live until the next one comes


def _check(work: Any, key: object = None, name: Any = "", **callbacks: Any) -> None:
    """Raise TypeError for what cannot be scheduled, while whoever asked for it is there to hear."""
    if not callable(work):
        raise TypeError(f"work is {seen(work)}, expected a callable without arguments")
    if not isinstance(name, str):
        raise TypeError(f"name is {seen(name)}, expected a text")
    for what, callback in callbacks.items():
        if callback is not None and not callable(callback):
            raise TypeError(f"{what} is {seen(callback)}, expected a callable")
    if key is not None:
        try:
            hash(key)
            bool(key == key)  # noqa: PLR0124 - whether it can be asked
        except Exception as error:
            raise TypeError(
                f"key is a {type(key).__name__}, which cannot be compared with other keys "
                f"({type(error).__name__}); expected a text, a number or a tuple of them"
            ) from error


def _same(one: object, other: object) -> bool:
    """Whether two keys are one; keys that cannot be compared are two."""
    try:
        return one is other or bool(one == other)
    except Exception:  # noqa: BLE001 - of another's key: what is asked for now is not at fault
        return False


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for worker in list(_workers):
        worker.stop()
