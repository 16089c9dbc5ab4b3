"""How far one part of some work is, told as how far the whole is; and whether to go on at all."""

from __future__ import annotations

import atexit
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

# Seconds between two looks at Stop while something is waited for.
LOOK = 0.1

# Seconds that Python's own end waits for what was left on threads of their own, all together.
LAST = 10.0

_here = threading.local()
# what runs aside, and what tells it that nobody waits
_asides: dict[threading.Thread, threading.Event] = {}


@contextmanager
def wanted(check: Callable[[], None]) -> Iterator[None]:
    """Let `look` call `check` inside, on this thread: it raises where the work is to stop."""
    before = getattr(_here, "check", None)
    _here.check = check
    try:
        yield
    finally:
        _here.check = before


def look() -> None:
    """Raise where the work of this thread is no longer wanted; loops that may be long call it."""
    check = getattr(_here, "check", None)
    if check is not None:
        check()


def looking(items: Iterable[T], every: int = 256) -> Iterator[T]:
    """Give items one after the other, with a `look` before every so many."""
    for n, item in enumerate(items):
        if n % every == 0:
            look()
        yield item


def aside(work: Callable[[], T]) -> T:
    """Do calls that cannot be left half-way on a thread of their own, and wait for them.

    Whoever waits can be stopped and interrupted while one long call of numpy's or a tokenizer's
    runs, as long as it holds the interpreter's lock for no more than moments. What was begun then
    ends at its own next `look`, and nobody hears of it.
    """
    ended, left = threading.Event(), threading.Event()
    found: list[T] = []
    raised: list[BaseException] = []

    def check() -> None:
        if left.is_set():
            raise InterruptedError("nobody waits for this any more")

    def run() -> None:
        try:
            with wanted(check):
                found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)
        finally:
            _asides.pop(threading.current_thread(), None)
            ended.set()

    thread = threading.Thread(target=run, name="volvelle: aside", daemon=True)
    _asides[thread] = left
    thread.start()
    try:
        while not ended.wait(LOOK):
            look()
    except BaseException:
        left.set()
        raise
    if raised:
        raise raised[0]
    return found[0]


@atexit.register
def _wait_for_asides() -> None:
    """Let what is aside end: a thread torn out of numpy or torch takes the process with it."""
    until = time.monotonic() + LAST
    for thread, left in list(_asides.items()):
        left.set()
        thread.join(max(0.0, until - time.monotonic()))


@overload
def share(progress: None, start: float, stop: float, before: str = "") -> None: ...
@overload
def share(
    progress: Callable[..., None], start: float, stop: float, before: str = ""
) -> Callable[..., None]: ...
def share(
    progress: Callable[..., None] | None, start: float, stop: float, before: str = ""
) -> Callable[..., None] | None:
    """Return what a part of the work reports to.

    Parameters
    ----------
    progress : callable(fraction) or callable(fraction, text), or None
        Of the whole.
    start, stop : float
        Fractions of the whole at which the part begins and ends.
    before : str
        Put before what the part says, ``"window 2 of 3: "``, and all that is said of one that
        tells a fraction alone.

    Returns
    -------
    callable or None
        Takes the part's own fraction, 0...1; None where nobody listens.
    """
    if progress is None:
        return None

    def report(fraction: float, *text: str) -> None:
        said = [before + each for each in text] or [before][: bool(before)]
        progress(start + (stop - start) * fraction, *said)

    return report
