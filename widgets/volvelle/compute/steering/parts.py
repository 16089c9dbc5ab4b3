"""Steers taken apart into single directions, ready to be laid out for a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.directions import Direction, Feature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volvelle.compute.directions.points import Point
    from volvelle.compute.steering.steers import Steer
    from volvelle.compute.steering.where import Where


@dataclass(frozen=True, eq=False)
class Part:
    """One direction of one steer, ready to be laid out for a batch.

    Attributes
    ----------
    method : str
        A formula of `trace_math`: add, rescale, cap, swap, clamp, heads.
    point : Point
        Where it acts.
    reads : array, shape (d,), or None
        Unit vector whose component is read (rescale, cap, swap).
    writes : array, shape (d,) or (K, d); (0,) for heads
        What is written: v for add, u for rescale and cap, t - u for swap, decoder rows for
        clamp. A placebo has its `writes` turned and keeps its `reads`, so that it changes the
        states by as much.
    unit : str
        Unit of add's strength and of cap's bounds.
    strength : float
        s.
    where : Where
        The tokens it touches.
    settings : dict
        The method's own numbers: ``factor``; ``low``, ``high``; ``level`` (K,) in activation
        units, ``sae``, ``features``; ``head``; for add ``a_max``.
    name : str
        What a reader calls it.
    sources : tuple of Direction
        The directions behind the rows of `writes`, in order.
    """

    method: str
    point: Point
    reads: np.ndarray | None
    writes: np.ndarray
    unit: str
    strength: float
    where: Where
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    sources: tuple[Direction, ...] = ()

    def scale(self, norm: float) -> float:
        """Return the factor from one unit of strength to the vector written as given.

        Parameters
        ----------
        norm : float
            Median residual norm of the point.
        """
        if self.method != "add":
            return 1.0
        if self.unit == "norm":
            return norm / float(np.linalg.norm(self.writes))
        return float(self.settings["a_max"]) if self.unit == "max_act" else 1.0


def direction_parts(steer: Steer) -> tuple[Part, ...]:
    """Return one part per direction, for every method but clamp."""
    parts = []
    for direction in _spanned(steer):
        unit = direction.unit
        kind, reads, writes = "add", None, direction.vector
        settings: dict[str, Any] = {"a_max": direction.a_max}
        if steer.method in ("orthogonal", "ablate"):
            factor = 0.0 if steer.c is None else steer.c
            kind, reads, writes, settings = "rescale", unit, unit, {"factor": factor}
        elif steer.method == "projection_cap":
            low, high = steer.bounds
            kind, reads, writes, settings = "cap", unit, unit, {"low": low, "high": high}
        elif steer.method == "swap":
            kind, reads, writes, settings = "swap", unit, steer.target.unit - unit, {}
        parts.append(
            Part(
                method=kind,
                point=direction.point,
                reads=reads,
                writes=writes,
                unit=steer.unit,
                strength=steer.strength,
                where=steer.where,
                settings=settings,
                name=direction.name,
                sources=(direction,),
            )
        )
    return tuple(parts)


def _spanned(steer: Steer) -> tuple[Direction, ...]:
    """Make the directions of each point orthogonal where their order must not matter."""
    if steer.method not in ("ablate", "orthogonal") or len(steer.directions) == 1:
        return steer.directions
    found: list[Direction] = []
    for point in dict.fromkeys(d.point for d in steer.directions):
        here = [d for d in steer.directions if d.point == point]
        basis = _basis(np.stack([d.unit for d in here]))
        names = [d.name for d in here] if len(basis) == len(here) else [steer.name] * len(basis)
        found += [Direction(b, n, point) for b, n in zip(basis, names, strict=True)]
    return tuple(found)


def clamp_parts(steer: Steer) -> tuple[Part, ...]:
    """Return one part per SAE: its features are set together, from one encoding."""
    features = [d for d in steer.directions if isinstance(d, Feature)]
    targets = np.broadcast_to(np.asarray(steer.target, dtype=float), (len(features),))
    levels = [
        target * (feature.a_max or 1.0) if steer.unit == "max_act" else target
        for feature, target in zip(features, targets, strict=True)
    ]
    parts = []
    for key in dict.fromkeys((id(f.sae), f.point) for f in features):
        here = [i for i, f in enumerate(features) if (id(f.sae), f.point) == key]
        mine = tuple(features[i] for i in here)
        parts.append(
            Part(
                method="clamp",
                point=mine[0].point,
                reads=None,
                writes=np.stack([f.vector for f in mine]),
                unit=steer.unit,
                strength=steer.strength,
                where=steer.where,
                settings={
                    "level": np.array([levels[i] for i in here], dtype=np.float32),
                    "sae": mine[0].sae,
                    "features": tuple(f.index for f in mine),
                },
                name=" + ".join(f.name for f in mine),
                sources=mine,
            )
        )
    return tuple(parts)


def _basis(rows: np.ndarray) -> np.ndarray:
    """Return orthonormal rows spanning `rows`, in Gram-Schmidt order where independent."""
    q, r = np.linalg.qr(rows.T.astype(np.float64))
    independent = np.abs(np.diag(r)) > 1e-6
    if independent.all():
        return (q * np.sign(np.diag(r))).T
    _, singular, vt = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    return vt[singular > 1e-6 * singular[0]]
