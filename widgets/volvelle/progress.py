"""How far one part of some work is, told as how far the whole is."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable


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
