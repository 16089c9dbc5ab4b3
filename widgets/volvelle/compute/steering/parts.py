"""Steers taken apart into single directions, ready to be laid out for a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volvelle.compute.directions.directions import Direction
    from volvelle.compute.directions.points import Point
    from volvelle.compute.steering.where import Where


@dataclass(frozen=True, eq=False)
class Part:
    """One direction of one steer, ready to be laid out for a batch.

    Attributes
    ----------
    method : str
        A formula of `volvelle.formulas`: add, rescale, cap, swap, clamp, heads.
    point : Point
        Where it acts.
    reads : array, shape (d,), or None
        Unit vector whose component is read (rescale, cap, swap).
    writes : array, shape (d,) or (K, d); (0,) for heads
        What is written: v for add, u for rescale and cap, t - u for swap, decoder rows for
        clamp. A placebo has its `writes` turned and keeps its `reads`, so that it changes the
        states by as much; where parts read what others wrote, both are turned.
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
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
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
