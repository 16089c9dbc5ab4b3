"""Whose turn it is to change what views hold.

One lock for all views, because their callbacks reach into one another: a list of jobs begins a
view's work again, a linked trait sets another view's. With a lock each, two threads could take
two of them in either order and wait for each other for good.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """A re-entrant lock that its holder gives back while it waits for a job.

    A callback of a user's, called with the turn held, may run a verb. The verb waits for the
    model, whose thread may be about to show a result and wait for the turn.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held = threading.local()

    @property
    def _depth(self) -> int:
        return getattr(self._held, "depth", 0)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._held.depth = self._depth + 1

    def __exit__(self, *exc: object) -> None:
        self._held.depth = self._depth - 1
        self._lock.release()

    @contextlib.contextmanager
    def given_back(self) -> Iterator[None]:
        """Let others have their turn inside; does nothing where this thread does not hold it."""
        depth, self._held.depth = self._depth, 0
        for _ in range(depth):
            self._lock.release()
        try:
            yield
        finally:
            for _ in range(depth):
                self._lock.acquire()
            self._held.depth = depth


turn = Turn()
