"""A job as the browser shows it: its state in a word and in a sentence, times, bytes, cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.work.job import Job
    from volvelle.models.work.record import JobRecord

# A request's state by what the reader waits for.
STATES = {
    "sending": "sending",
    "received": "queued",
    "queued": "queued",
    "dispatched": "queued",
    "provisioning": "deploying",
    "deploying": "deploying",
    "running": "running",
    "lost": "lost",
}
MEMORY = "max_memory_usage"
MOST_LINES = 20  # of the server's log


def told(job: Job | None, *, over: bool = False) -> dict[str, Any]:
    """Return a view's own line: what its job waits for on a server; empty for one here.

    Parameters
    ----------
    job : Job or None
    over : bool
        Whether its work has ended, well or not.

    Returns
    -------
    dict
        ``words`` (where it is, or how long the last run took), ``seconds`` (of the requests so
        far), ``wire`` (bytes and cost, in words), ``id`` (of the last request, and its host).
    """
    if job is None or not job.requests:
        return {}
    last = job.requests[-1]
    seconds = sum(request.elapsed for request in job.requests)
    words = last.text
    if last.status == "completed":
        words = f"last run: {duration(seconds)}"
    elif over and last.status != "left":
        words = f"failed after {duration(seconds)}"
    return {
        "words": words,
        "seconds": round(seconds, 2),
        "wire": wire(job.requests),
        "id": f"{last.id} at {last.host}",
    }


def entry(record: JobRecord, typical: Sequence[float]) -> dict[str, Any]:
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


def wire(requests: Sequence[Any]) -> str:
    """Return what went over the wire for a job, and what the server says it cost, in words."""
    if not requests:
        return ""
    sent, received = (sum(getattr(r, way) for r in requests) for way in ("sent", "received"))
    spent = cost(requests)
    parts = [f"{len(requests)} requests"] if len(requests) > 1 else []
    parts.append(f"{size(sent)} sent")
    if received:
        parts.append(f"{size(received)} back")
    if "runtime" in spent:
        parts.append(f"{duration(spent['runtime'])} on the server")
    if "memory" in spent:
        parts.append(f"{size(spent['memory'])} of its memory")
    return " · ".join(parts)


def size(n: float) -> str:
    """Return bytes as people read them, in decimal units: ``12 kB``, ``1.2 MB``."""
    units = ("B", "kB", "MB", "GB", "TB")
    at = 0
    while n >= 999.5 and at < len(units) - 1:
        n, at = n / 1000, at + 1
    return f"{n:.1f} {units[at]}" if n < 9.95 and at else f"{n:.0f} {units[at]}"


def duration(seconds: float) -> str:
    """Return seconds as people read them: ``0.4 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def cost(requests: Sequence[Any]) -> dict[str, float]:
    """Return the server's figures over all requests: ``runtime`` (seconds) and ``memory`` (bytes).

    A server's own words are not trusted: what is no finite number is left out.
    """
    runtimes = [_number(request.meta.get("runtime")) for request in requests]
    memories = [_number(request.meta.get(MEMORY)) for request in requests]
    found = {}
    if any(value is not None for value in runtimes):
        found["runtime"] = round(sum(value or 0.0 for value in runtimes), 4)
    if any(memories):
        found["memory"] = max(value or 0.0 for value in memories)
    return found


def stages(requests: Sequence[Any]) -> list[dict[str, Any]]:
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


def _state(job: Job | JobRecord) -> str:
    requests = job.requests
    if job.status == "cancelled":
        return "left" if requests and requests[-1].status == "left" else "stopped"
    if job.status != "running":
        return {"queued": "waiting"}.get(job.status, job.status)
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


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def host_of(model: Any) -> str:
    """Return where a model runs; "" for this machine."""
    remote = getattr(model, "remote", False)
    if not remote:
        return ""
    from volvelle.models.remote import servers

    return servers.host_of(remote)
