"""Directions at a point, and labelled sets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.names import unknown
from volvelle.compute.points import Point

if TYPE_CHECKING:
    from collections.abc import Sequence


def _finite(vectors: object, what: str, n_axes: int) -> np.ndarray:
    """Return float32 numpy of the given number of axes, or say what is wrong with it."""
    if hasattr(vectors, "detach"):  # a torch tensor, without importing torch
        vectors = vectors.detach().float().cpu().numpy()  # type: ignore[attr-defined]
    array = np.array(vectors, dtype=np.float32)
    if array.ndim != n_axes:
        shape = "(d_model,)" if n_axes == 1 else "(n, d_model)"
        raise ValueError(f"{what} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds NaN or infinity; leave those rows out")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Direction:
    """One direction at a point of a model.

    Parameters
    ----------
    vector : array or tensor, shape (d_model,)
        Kept as float32, not normalised.
    name : str
        What a reader calls it.
    point : str or Point
        Where it lives, such as ``"resid_post.14"``.
    a_max : float, optional
        The largest activation seen, for SAE features: the unit of ``max_act`` steering.
    """

    vector: np.ndarray
    name: str
    point: Point
    a_max: float | None = None

    def __init__(
        self, vector: object, name: str, point: str | Point, a_max: float | None = None
    ) -> None:
        object.__setattr__(self, "vector", _finite(vector, f"direction {name!r}", 1))
        object.__setattr__(self, "name", str(name))
        object.__setattr__(self, "point", Point.parse(point))
        object.__setattr__(self, "a_max", a_max)

    @property
    def d_model(self) -> int:
        """Width of the vector."""
        return self.vector.shape[0]

    @property
    def norm(self) -> float:
        """Euclidean length of the vector."""
        return float(np.linalg.norm(self.vector))

    @property
    def unit(self) -> np.ndarray:
        """The vector at length one, shape (d_model,)."""
        if self.norm == 0:
            raise ValueError(f"direction {self.name!r} is zero: it points nowhere")
        return self.vector / self.norm

    def __repr__(self) -> str:
        return (
            f"Direction({self.name!r}, {self.point}, d_model={self.d_model}, norm={self.norm:.3g})"
        )


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A set of labelled directions at one point: emotions, probes, control vectors.

    Parameters
    ----------
    vectors : array or tensor, shape (n, d_model)
        Kept as float32, not normalised.
    names : sequence of str
        One label per row, unique.
    point : str or Point
        Where they live.
    source : str
        Where they come from, shown in titles.
    """

    vectors: np.ndarray
    names: tuple[str, ...]
    point: Point
    source: str

    def __init__(
        self, vectors: object, names: Sequence[str], point: str | Point, source: str = ""
    ) -> None:
        rows = _finite(vectors, "vectors", 2)
        labels = tuple(str(name) for name in names)
        if len(labels) != len(rows):
            raise ValueError(f"names has {len(labels)} entries, vectors has {len(rows)} rows")
        if len(set(labels)) != len(labels):
            twice = next(name for name in labels if labels.count(name) > 1)
            raise ValueError(f"names must be unique, {twice!r} comes more than once")
        object.__setattr__(self, "vectors", rows)
        object.__setattr__(self, "names", labels)
        object.__setattr__(self, "point", Point.parse(point))
        object.__setattr__(self, "source", str(source))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str | int) -> Direction:
        if isinstance(name, int):
            return Direction(self.vectors[name], self.names[name], self.point)
        if name not in self.names:
            raise KeyError(unknown("direction", name, self.names))
        return Direction(self.vectors[self.names.index(name)], name, self.point)

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.vectors.shape[1]

    def __repr__(self) -> str:
        source = f", source={self.source!r}" if self.source else ""
        return f"Dictionary({len(self)} directions, {self.point}, d_model={self.d_model}{source})"


@dataclass(frozen=True, eq=False, repr=False)
class Feature(Direction):
    """A feature of a sparse autoencoder: its decoder row, and the way back to its encoder.

    Parameters
    ----------
    vector, name, point, a_max
        As for `Direction`; the vector is the decoder row, not normalised.
    sae : SAE
        Where it comes from: clamping, conditions and shuffled placebos need it.
    index : int
        Its number there.
    """

    sae: Any = None
    index: int = -1

    def __init__(
        self,
        vector: object,
        name: str,
        point: str | Point,
        a_max: float | None = None,
        *,
        sae: object,
        index: int,
    ) -> None:
        super().__init__(vector, name, point, a_max)
        object.__setattr__(self, "sae", sae)
        object.__setattr__(self, "index", int(index))
