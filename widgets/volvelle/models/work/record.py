"""What is remembered of a job: nothing that it worked on or returned."""

from __future__ import annotations

import time
import traceback
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volvelle.arguments.said import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.work.job import Job


@dataclass(frozen=True, eq=False)
class JobRecord:
    """A job as it was when it was looked at.

    Attributes
    ----------
    number, name, status, progress, text, asked, began, finished
        As of the `Job`.
    requests : tuple of RemoteRequest
        What was sent to a server for it.
    details : tuple of str
        What it decided on the way.
    error : str
        Why it failed, or what stopping it means.
    traceback : str
        Where it failed, the server's own words last.
    """

    number: int
    name: str
    status: str
    progress: float
    text: str
    asked: float
    began: float
    finished: float
    requests: tuple[Any, ...]
    details: tuple[str, ...]
    error: str
    traceback: str
    _job: weakref.ref[Job]

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def again(self) -> Callable[[], Any] | None:
        """What starts it again, while somebody holds the job; None for a cell's."""
        job = self._job()
        return None if job is None else job.again

    @property
    def ids(self) -> tuple[str, ...]:
        """The server's names for its requests, as far as it has answered."""
        return tuple(request.id for request in self.requests if request.id)

    @property
    def sent(self) -> int:
        """Bytes that went to a server."""
        return sum(request.sent for request in self.requests)

    @property
    def received(self) -> int:
        """Bytes that came back."""
        return sum(request.received for request in self.requests)

    @property
    def runtime(self) -> float:
        """Seconds the server says it was at work on it."""
        return sum(request.runtime for request in self.requests)

    @property
    def elapsed(self) -> float:
        """Seconds it has run, or ran; 0.0 before it began."""
        return (self.finished or time.time()) - self.began if self.began else 0.0

    @property
    def waited(self) -> float:
        """Seconds it has waited for other jobs of this process."""
        return (self.began or self.finished or time.time()) - self.asked


def record_of(job: Job) -> JobRecord:
    """Return what is to be remembered of a job."""
    error = job.error if job.status in ("failed", "cancelled") else None
    return JobRecord(
        number=job.number,
        name=job.name,
        status=job.status,
        progress=job.progress,
        text=job.text,
        asked=job.asked,
        began=job.began,
        finished=job.finished,
        requests=tuple(job.requests),
        details=tuple(job.details),
        error="" if error is None else said(error),
        traceback="" if error is None or job.status == "cancelled" else full_traceback(error),
        _job=weakref.ref(job),
    )


def full_traceback(error: BaseException) -> str:
    """Return a failure's traceback, and after it what a server said."""
    try:
        there = str(getattr(error, "remote_traceback", ""))
        own = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - whatever an error does when it is looked at, it is told of
        return said(error)
    return f"{own}\nThe server's own words:\n{there}" if there else own
