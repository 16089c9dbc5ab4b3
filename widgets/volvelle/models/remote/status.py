"""What happened to a request on a server: stages, place in the queue, bytes, cost."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

# The server's states, as a reader should see them. Sources: nnsight's Status, NDIF 0.1.2.
SAID = {
    "RECEIVED": "received by the server",
    "PROVISIONING": "the server is making room for the model",
    "DEPLOYING": "the server is loading the model, which was not up; this can take minutes",
    "QUEUED": "in the server's queue",
    "DISPATCHED": "handed to the model",
    "RUNNING": "running on the server",
    "COMPLETED": "done on the server",
    "ERROR": "failed on the server",
    "LEFT": "no longer waited for, may still run on the server",
    "AWAY": "the server does not answer",
    "LOST": "the connection was lost",
}
# Of a server's log: lines kept, and characters of each.
MOST_LINES = 100
LONGEST_LINE = 500
POSITION = re.compile(r"position (\d+)")


@dataclass(frozen=True)
class Stage:
    """One state a request was in.

    Attributes
    ----------
    status : str
        ``sending``, then the server's own in lower case: ``received``, ``provisioning``,
        ``deploying``, ``queued``, ``dispatched``, ``running``, ``completed``, ``error``; ``lost``
        or ``left`` where the connection ended before the request did, ``away`` while a server
        that is to be looked at again does not answer.
    at : float
        Seconds since the epoch, on this machine's clock.
    text : str
        What the server said.
    """

    status: str
    at: float
    text: str = ""


@dataclass(eq=False)
class RemoteRequest:
    """One request to a server.

    Attributes
    ----------
    host, model : str
    id : str
        The server's name for it; "" until it has answered.
    stages : list of Stage
    position : int or None
        In the queue, 1 is next; None when it is not in one.
    sent, received : int
        Bytes of the request's code and data, and of the result, as they travelled.
    meta : dict
        What the server says it cost: ``runtime`` in seconds, ``max_memory_usage`` in bytes, ...
    log : deque of Stage
        The last lines the server printed meanwhile that are no tokens of ours: its own, warnings,
        and what others who run there print. Text of strangers.
    detached : bool
        Whether the server keeps the result under the id, so that it can be fetched later.
    """

    host: str
    model: str
    id: str = ""
    stages: list[Stage] = field(default_factory=list)
    position: int | None = None
    sent: int = 0
    received: int = 0
    meta: dict[str, Any] = field(default_factory=dict)
    log: deque[Stage] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    detached: bool = False

    @property
    def status(self) -> str:
        """The latest state."""
        return self.stages[-1].status if self.stages else "sending"

    @property
    def elapsed(self) -> float:
        """Seconds from sending to the latest state, or until now while it goes on."""
        if not self.stages:
            return 0.0
        ended = self.status in ("completed", "error", "lost", "left")
        return (self.stages[-1].at if ended else time.time()) - self.stages[0].at

    def enter(self, status: str, text: str = "") -> None:
        """Note a state; one that is only repeated moves the place in the queue."""
        status = status.lower()
        found = POSITION.search(text)
        self.position = int(found[1]) if status == "queued" and found else None
        if self.status != status or not self.stages:
            self.stages.append(Stage(status, time.time(), text))

    def hear(self, line: str) -> None:
        """Keep a line of the server's log, at a readable length."""
        self.log.append(Stage("log", time.time(), line.strip()[:LONGEST_LINE]))

    @property
    def runtime(self) -> float:
        """Seconds the server says it was at work; 0.0 where it does not say."""
        said = self.meta.get("runtime")
        return float(said) if isinstance(said, (int, float)) and said >= 0 else 0.0

    def reached(self, status: str) -> bool:
        """Whether it has been in a state."""
        return any(stage.status == status for stage in self.stages)

    def spent(self) -> dict[str, float]:
        """Return seconds spent in each state that has been left."""
        found: dict[str, float] = {}
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            found[before.status] = found.get(before.status, 0.0) + after.at - before.at
        return found

    @property
    def text(self) -> str:
        """The state in words."""
        said = SAID.get(self.status.upper(), self.status)
        return f"{said}, position {self.position}" if self.position else said

    def __repr__(self) -> str:
        return (
            f"RemoteRequest({self.id or 'not sent'}: {self.text}, {self.elapsed:.1f} s, "
            f"{self.sent:,} bytes sent, {self.received:,} received)"
        )


class Announced:
    """Writes the states that take long to stderr, once each."""

    def __init__(self) -> None:
        self.said = ""

    def __call__(self, request: RemoteRequest) -> None:
        """Take a change of state."""
        slow = request.status in ("provisioning", "deploying") or (request.position or 0) > 1
        if slow and request.text != self.said:
            self.said = request.text
            sys.stderr.write(f"{request.model} at {request.host}: {request.text}\n")
