"""A map on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from volvelle.experiments.maps.sides import Side


@dataclass(frozen=True)
class Picture:
    """A map on its way, as a view paints it.

    Attributes
    ----------
    xy_a, xy_b : float32 array, shape (n, 2)
        NaN where a feature is left out.
    label : str
        ``"principal axes"``, ``"epoch 20 of 100"``.
    epoch, n_epochs : int
        0 for the principal axes.
    side_a, side_b : Side, Side or None
        Names and labels.
    """

    xy_a: np.ndarray
    xy_b: np.ndarray
    label: str
    epoch: int
    n_epochs: int
    side_a: Side
    side_b: Side | None
