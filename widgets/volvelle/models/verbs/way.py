"""Which way readouts are made: where the model is, or of states that are brought here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volvelle.models.verbs.readout import FLOAT, Bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.engine import Engine
    from volvelle.models.verbs.readout import Readout, Size


def weighed(readouts: Sequence[Readout], size: Size) -> tuple[int, Bytes]:
    """Return the bytes of bringing states of a point back, and of making its readouts there."""
    kinds = {one.positions for one in readouts}
    width = next((one.width for one in readouts if one.width), size.width)
    back = sum(size.n_tokens if kind == "all" else size.n_texts for kind in kinds) * width * FLOAT
    moved = [one.bytes(size) for one in readouts]
    return back, Bytes(sum(one.sent for one in moved), sum(one.received for one in moved))


def chosen(model: Engine, size: Size, asked: Mapping[Point, Sequence[Readout]]) -> list[Point]:
    """Return the points whose readouts are better made on the server, and say so in the job."""
    from volvelle.models.remote import backend

    there: list[Point] = []
    ways: dict[str, list[tuple[Point, int, int]]] = {}
    left = backend.MOST_SENT if size.n_tokens else 0
    for point, readouts in asked.items():
        back, made = weighed(readouts, size)
        way = "back" if back <= sum(made) else "there" if made.sent < left else "large"
        way = "there" if any(one.modules for one in readouts) else way
        ways.setdefault(way, []).append((point, back, sum(made)))
        if way == "there":
            there.append(point)
            left -= made.sent
    job = model.worker.job
    if job is not None and size.n_tokens:
        for way, points in ways.items():
            job.note(_said(way, points))
    return there


def _said(way: str, points: Sequence[tuple[Point, int, int]]) -> str:
    named = ", ".join(str(point) for point, *_ in points[:3])
    named = named if len(points) <= 3 else f"{len(points)} points"
    _, *sizes = zip(*points, strict=True)
    back, made = (f"{sum(each) / 1e6:.2g} MB" for each in sizes)
    return (
        f"states of {named} are "
        + {
            "there": f"read there, which moves {made}: brought back they would be {back}",
            "back": f"brought back and read here, {back}: to read them there would move {made}",
            "large": f"brought back and read here, {back}: what reads them is too large to send",
        }[way]
    )
