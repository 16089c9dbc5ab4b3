"""The work of one view: the newest start wins, a stop is heard, a failure is shown."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from volvelle.arguments.said import said
from volvelle.models.work.record import full_traceback
from volvelle.models.work.turn import turn
from volvelle.models.work.worker import Cancelled, current_job
from volvelle.views.kit.job_line import job_line
from volvelle.views.kit.pace import SENTENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from volvelle.models.model import Model

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("volvelle")

DIGITS = re.compile(r"[\d.,]+")


def sentence_of(error: BaseException) -> str:
    """Return what an error says; a KeyError's own text has quotes around it."""
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return error.args[0]
    return said(error)


class Stopped(Exception):  # noqa: N818  (a request, not an error)
    """Raised inside running work when it is no longer wanted."""


class Work:
    """What a view has queued and running on its model's thread.

    Parameters
    ----------
    view : View
        Its traits ``status``, ``error``, ``progress``, ``_stage``, ``_job_line`` and
        ``_traceback`` tell of the work; its ``run`` starts it again.
    fail : callable(error)
        Gets every failure, and hands it to `fail` in words of its own or as it is.

    Attributes
    ----------
    job : Job or None
        Of the last start.
    complaints : int
        Failures of callbacks so far.
    """

    def __init__(self, view: Any, fail: Callable[[BaseException], None]) -> None:
        self.job: Any = None
        self.complaints, self._inside = 0, False
        self._view, self._tell_failure = view, fail
        self._newest = 0  # serial of the newest start; only that one may write results
        self._settled = threading.Event()
        self._settled.set()
        self._sentence, self._said_at = "", 0.0  # what the last report said, numbers left out
        self._failed = False  # else the error is a callback's, and goes when one succeeds

    def start(
        self,
        model: Model,
        work: Callable[[Callable[[float, str], None]], T],
        done: Callable[[T], None],
    ) -> None:
        """Run `work` on the model's worker thread; the newest start wins.

        Parameters
        ----------
        model : volvelle.Model
            Its ``submit`` queues the work.
        work : callable
            Takes ``report(fraction, text)``, returns a result. `report` raises `Stopped` when a
            newer start or `stop` made the work stale, so call it between chunks.
        done : callable
            Takes the result and writes traits; runs on the worker's thread inside
            ``hold_sync``, so that the browser sees all of them at once.
        """
        with turn:
            self._newest += 1
            serial = self._newest
            self._settled.clear()
            self._said_at = 0.0
            self._say(status="queued", progress=0.0, _job_line={})

        try:
            self.job = model.submit(
                partial(self._carry_out, serial, work, done),
                key=f"view-{id(self._view)}",
                on_progress=partial(self._hear, serial),
                name=self._name,
                again=self._view.run,
            )
        except BaseException:
            self._settle("idle")  # nothing waits: else the view would be waited for without end
            raise
        self.job.on_end(partial(self._dropped, serial))

    def stop(self) -> None:
        """Drop what is queued and running."""
        with turn:
            self._newest += 1
            self._settle("idle")
        if self.job is not None:
            self.job.cancel()

    def close(self) -> None:
        """Drop what is queued and running, of a view that nobody sees any more."""
        # without the turn: Python closes a collected view in the middle of anything
        self._newest += 1
        if self.job is not None:
            self.job.cancel()
        self._settled.set()
        self._say(status="idle")

    def wait(self, timeout: float | None) -> None:
        """Wait until nothing is queued or running.

        Raises
        ------
        TimeoutError
            When the work is not done in time; it goes on.
        KeyboardInterrupt
            When interrupted; the view is stopped.
        RuntimeError
            Where the work itself waits, in an observer: it would wait for itself.
        """
        if self.job is not None and current_job() is self.job and not self._settled.is_set():
            raise RuntimeError(
                f"{self._name}.wait() was called by its own work, in an observer; wait in a cell"
            )
        try:
            with turn.given_back():
                settled = self._settled.wait(timeout)
        except KeyboardInterrupt:
            self._view.stop()
            raise
        if not settled:
            raise TimeoutError(
                f"{self._name} is still {self._view.status} after {timeout:g} s; "
                "wait longer, or .stop() it"
            )

    def while_newest(self, write: Callable[P, None]) -> Callable[P, None]:
        """Return `write`, which takes a turn and does nothing once newer work has begun.

        For what running work shows on the way, and `done` will show whole.
        """
        serial = self._newest

        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            with turn:
                if serial == self._newest:
                    write(*args, **kwargs)

        return guarded

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Show a failure inside; on success, take back what an earlier callback complained of."""
        with turn:
            inside, self._inside = self._inside, True
            known = self.complaints
            try:
                yield
            except Exception as error:  # noqa: BLE001  (the boundary: shown, logged, never lost)
                self.complaints += 1
                self._tell_failure(error)
                return
            finally:
                self._inside = inside
            # the outermost of callbacks that call each other knows whether any of them complained
            well = not inside and self.complaints == known
            if self._view.status == "failed" and not self._failed and well:
                self.forgive()
                self._settle("idle")

    def fail(self, error: BaseException) -> None:
        """Show a failure in the view and log it with its traceback."""
        log.error("%s: %s", self._name, sentence_of(error), exc_info=error)
        over = self._failed or self._view.status not in ("queued", "running")
        with self._view.hold_sync():
            self._say(error=sentence_of(error), _traceback=full_traceback(error))
            if over:
                self._at_rest("failed")
        if over:
            self._settled.set()

    def forgive(self) -> None:
        """Take back the last failure."""
        self._failed = False
        self._say(error="", _traceback="")

    @property
    def _name(self) -> str:
        return type(self._view).__name__

    def _say(self, **traits: Any) -> None:
        """Set the view's traits, in one message.

        What an observer of somebody's raises on the way is logged: it does not keep the work from
        ending, nor from being waited for.
        """
        with self._view.hold_sync():
            for name, value in traits.items():
                try:
                    self._view.set_trait(name, value)
                except Exception:
                    log.exception("%s: an observer of %s failed", self._name, name)
                except BaseException:
                    if current_job() is None:  # an interrupt of whoever called
                        raise
                    log.exception("%s: an observer of %s failed", self._name, name)

    def _carry_out(
        self,
        serial: int,
        work: Callable[[Callable[[float, str], None]], T],
        done: Callable[[T], None],
    ) -> None:
        """Do work on the model's thread and show its result, unless newer work has come."""
        try:
            self._wanted(serial)
            self._say(status="running")
            result = work(partial(self._report, serial))
            with turn:
                if serial == self._newest:
                    with self._view.hold_sync():
                        done(result)
                        self._say(_job_line=job_line(current_job(), over=True))
                        self.forgive()
                        self._at_rest("idle")
                    self._settled.set()
        except BaseException as error:
            if serial == self._newest:
                self._say(_job_line=job_line(current_job(), over=True))
                self._end_badly(error)
            if isinstance(error, Stopped):
                raise Cancelled("stopped, or overtaken by newer work") from None
            raise  # so that the job is known to have failed

    def _report(self, serial: int, fraction: float, text: str = "") -> None:
        """Say how far the work is; raise `Stopped` where it is no longer wanted."""
        self._wanted(serial)
        # in one sentence only the numbers change: a page that has no GPU draws each of them slowly
        sentence = DIGITS.sub("", text)
        now = time.monotonic()
        if sentence == self._sentence and now - self._said_at < SENTENCE_S:
            return
        self._sentence, self._said_at = sentence, now
        done = min(max(float(fraction), 0.0), 1.0)
        with self._view.hold_sync():
            self._say(progress=done)
            job = current_job()
            if job is None:
                self._say(_stage=text)
            else:
                job.report(done, text)

    def _wanted(self, serial: int) -> None:
        if serial != self._newest:
            raise Stopped

    def _hear(self, serial: int, _fraction: float, text: str) -> None:
        """Show what is waited for: a place in a queue, a model that is being loaded."""
        if serial == self._newest:
            self._say(_stage=text, _job_line=job_line(current_job()))

    def _dropped(self, serial: int, job: Any) -> None:
        """Settle where the job was dropped before it began: nobody else says that it is over."""
        if job.status == "cancelled" and serial == self._newest:
            self._settle("idle")

    def _end_badly(self, error: BaseException) -> None:
        """Settle after a failure, or quietly after a cancellation."""
        if isinstance(error, (Stopped, Cancelled, KeyboardInterrupt)):
            self._settle("idle")
            return
        self._failed = True
        try:
            self._tell_failure(error)
        except Exception:  # in words of its own, which it did not find
            log.exception("%s: a failure could not be told", self._name)
            self.fail(error)
        finally:
            self._settled.set()

    def _at_rest(self, status: str) -> None:
        self._say(progress=0.0, _stage="", status=status)

    def _settle(self, status: str) -> None:
        # after the traits are sent, never inside a hold_sync: who waits may close the view next
        try:
            self._at_rest(status)
        finally:
            self._settled.set()
