"""A view's own line about its work on a server: where it is, how long, how much, at what cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

from volvelle.models.plan import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.work.job import Job

MEMORY = "max_memory_usage"


class JobLine(TypedDict, total=False):
    """What a view says of its work on a server; empty for work in the kernel."""

    words: str  # where it is, or how long the last run took
    seconds: float  # of the requests so far
    wire: str  # bytes and cost, in words
    id: str  # of the last request, and its host


def job_line(job: Job | None, *, over: bool = False) -> JobLine:
    """Return a view's own line: what its job waits for on a server; empty for one here.

    Parameters
    ----------
    job : Job or None
    over : bool
        Whether its work has ended, well or not.

    Returns
    -------
    JobLine
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


def duration(seconds: float) -> str:
    """Return seconds as people read them: ``0.4 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
