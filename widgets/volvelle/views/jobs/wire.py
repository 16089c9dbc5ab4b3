"""A job as the browser shows it: its state in a word and in a sentence, times, bytes, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from volvelle.views.kit.job_line import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.work.job import Job
    from volvelle.models.work.record import JobRecord

# What the reader waits for, or how it ended.
Going = Literal["waiting", "sending", "queued", "deploying", "running"]
JobState = Going | Literal["done", "failed", "lost", "stopped", "left"]
# A request's state by what the reader waits for.
STATES: dict[str, JobState] = {
    "sending": "sending",
    "received": "queued",
    "queued": "queued",
    "dispatched": "queued",
    "provisioning": "deploying",
    "deploying": "deploying",
    "running": "running",
    "lost": "lost",
}
WITHOUT_REQUEST: dict[str, JobState] = {"queued": "waiting", "done": "done", "failed": "failed"}
MOST_LINES = 20  # of the server's log


class JobStage(TypedDict):
    """One state a request to a server was in."""

    request: int
    status: str
    at: float  # seconds since the first request was sent
    text: str


class JobEntry(TypedDict):
    """A line of the list of jobs."""

    number: int
    name: str
    state: JobState
    words: str
    position: int  # in the server's queue, 0 in none
    progress: float
    seconds: float
    waited: float
    typical: float  # median seconds of `of` finished jobs of this name
    of: int
    host: str
    id: str
    error: str
    traceback: str
    stages: list[JobStage]
    ids: list[str]
    details: list[str]
    log: list[str]
    again: bool
    wire: str  # what went over the wire and what it cost, in words


class JobsFacts(TypedDict, total=False):
    """What stands above the list."""

    model: str
    host: str
    ended: int  # how many jobs have, listed or not


def entry(record: JobRecord, typical: Sequence[float]) -> JobEntry:
    """Return a line of the list of jobs.

    Parameters
    ----------
    record : JobRecord
    typical : sequence of float
        Seconds that finished jobs of this name took; the median is shown.
    """
    last = record.requests[-1] if record.requests else None
    ordered = sorted(typical)
    return {
        "number": record.number,
        "name": record.name,
        "state": _state(record),
        "words": _words(record),
        "position": (last.position or 0) if last and not record.ended else 0,
        "progress": round(record.progress, 4),
        "seconds": round(record.elapsed, 2),
        "waited": round(record.waited, 2),
        "typical": round(ordered[len(ordered) // 2], 2) if ordered else 0.0,
        "of": len(ordered),
        "host": last.host if last else "",
        "id": last.id if last else "",
        "error": record.error,
        "traceback": record.traceback,
        "stages": stages(record.requests),
        "ids": list(record.ids),
        "details": list(record.details),
        "log": [line.text for request in record.requests for line in request.log][-MOST_LINES:],
        "again": record.ended and record.again is not None,
        "wire": wire(record.requests),
    }


def stages(requests: Sequence[Any]) -> list[JobStage]:
    """Return the states every request went through, in order, with seconds from the first."""
    begun = next((request.stages[0].at for request in requests if request.stages), 0.0)
    return [
        {
            "request": number,
            "status": stage.status,
            "at": round(stage.at - begun, 2),
            "text": stage.text.strip().partition("\n")[0][:200],
        }
        for number, request in enumerate(requests, 1)
        for stage in request.stages
    ]


def _state(job: Job | JobRecord) -> JobState:
    requests = job.requests
    if job.status == "cancelled":
        return "left" if requests and requests[-1].status == "left" else "stopped"
    if job.status != "running":
        return WITHOUT_REQUEST[job.status]
    return STATES.get(requests[-1].status, "running") if requests else "running"


def _words(record: JobRecord) -> str:
    """Return the state of a job in a few words."""
    last = record.requests[-1] if record.requests else None
    if record.status == "queued":
        return "waiting for what runs before it here"
    if record.status == "running":
        going = last is not None and last.status not in ("completed", "running")
        return last.text if last is not None and going else record.text or "running"
    if record.status == "cancelled":
        return last.text if last is not None and last.status == "left" else "stopped"
    return record.status
