"""Long calls that cannot be stopped, made so that whoever waits for them can be."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from volvelle.models.work.job import current_job

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Seconds between two looks at Stop.
LOOK = 0.1


def look() -> None:
    """Raise `Cancelled` where this thread is at work on a job that was asked to stop."""
    job = current_job()
    if job is not None:
        job.check()


def aside(work: Callable[[], T]) -> T:
    """Do one call that cannot be left half-way on a thread of its own, and wait for it.

    For a call of bounded length that holds the interpreter's lock for less than `LOOK` at a time,
    such as a tokenizer's. Where the wait ends early, by Stop or Ctrl-C, what was begun goes on to
    its own end and nobody hears of it.
    """
    ended = threading.Event()
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, name="volvelle: aside", daemon=True).start()
    while not ended.wait(LOOK):
        look()
    if raised:
        raise raised[0]
    return found[0]
