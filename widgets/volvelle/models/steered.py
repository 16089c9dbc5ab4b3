"""From steers to what a trace applies: the seam between steering and generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.points import Point
    from volvelle.models.model import Model


def lay_out(
    model: Model, steers: Sequence[Sequence[Any]]
) -> Callable[[list[int]], Sequence[tuple[Point, dict[str, Any]]]]:
    """Return what `generate_rows` and `next_token` ask for the rows they run together.

    Parameters
    ----------
    model : Model
    steers : sequence of sequence
        The steers of each row. A ``(point, payload)`` pair is passed on as it is.

    Returns
    -------
    callable(row numbers) -> list of (point, payload)
        Payloads hold tensors and plain values only; `trace_math.steer` reads them.
    """
    del model
    return lambda rows: list(steers[rows[0]])
