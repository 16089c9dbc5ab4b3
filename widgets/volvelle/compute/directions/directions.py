"""Directions at a point, and labelled sets of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from volvelle.archive.fields import IN_MEMORY, Axes
from volvelle.arguments.arrays import array
from volvelle.arguments.call import checked_in
from volvelle.arguments.plain import is_whole
from volvelle.arguments.said import came, seen
from volvelle.arguments.texts import clean
from volvelle.compute.directions.points import Point
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.directions.captures import Captures
    from volvelle.compute.directions.contrast import Contrast, Exchange


def _finite(vectors: object, what: str, n_axes: int) -> np.ndarray:
    """Return float32 numpy of the given number of axes, or say what is wrong with it."""
    found = array(vectors, what, ("n", "d_model")[-n_axes:])
    found.flags.writeable = False
    return found


def _as_array(array: np.ndarray, dtype: Any, copy: bool | None) -> np.ndarray:
    """Return what numpy's array protocol asks for; numpy before 2 knows no `copy=None`."""
    wanted = np.dtype(dtype or array.dtype)
    if copy is False and wanted != array.dtype:
        raise ValueError(f"float32 to {wanted} needs a copy, and copy=False forbids one")
    return array.astype(wanted, copy=bool(copy))


@checked_in
@dataclass(frozen=True, eq=False)
class Direction:
    """One direction at a point of a model.

    Parameters
    ----------
    vector : array or tensor, shape (d_model,)
        Kept as float32, not normalised.
    name : str
        What a reader calls it; halves of characters in it are replaced, as `clean` does.
    point : str or Point
        Where it lives, such as ``"resid_post.14"``.
    a_max : float, optional
        The largest activation seen, for SAE features: the unit of ``max_act`` steering.
    contrast : Contrast or Exchange, optional
        The states it was fitted to, of which `volvelle.steer` makes placebos under other labels.
        Kept in memory, not in files.
    """

    vector: np.ndarray
    name: str
    point: Point
    a_max: float | None = None
    contrast: Contrast | Exchange | None = None

    def __init__(
        self,
        vector: object,
        name: str,
        point: str | Point,
        a_max: float | None = None,
        contrast: Contrast | Exchange | None = None,
    ) -> None:
        object.__setattr__(self, "vector", _finite(vector, f"vector of {seen(name)}", 1))
        object.__setattr__(self, "name", clean(str(name)))
        object.__setattr__(self, "point", Point.parse(point))
        if a_max is not None and not (math.isfinite(a_max) and a_max >= 0):
            raise ValueError(
                f"a_max={a_max} of direction {name!r} is no largest activation; give a finite "
                "number, 0 or more, or None where it is unknown"
            )
        object.__setattr__(self, "a_max", a_max)
        object.__setattr__(self, "contrast", contrast)

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the vector: numpy takes a direction wherever it takes an array."""
        return _as_array(self.vector, dtype, copy)

    def __repr__(self) -> str:
        return (
            f"Direction({self.name!r}, {self.point}, d_model={self.d_model}, norm={self.norm:.3g})"
        )


@checked_in
@dataclass(frozen=True, eq=False)
class Dictionary:
    """A set of labelled directions at one point: emotions, probes, control vectors.

    Parameters
    ----------
    vectors : array or tensor, shape (n, d_model)
        Kept as float32, not normalised.
    names : sequence of str
        One label per row, unique once it is `clean`.
    point : str or Point
        Where they live.
    source : str
        Where they come from, shown in titles.
    contrasts : sequence of Contrast, optional
        What each was fitted to.
    """

    vectors: Annotated[np.ndarray, Axes("n", "d_model", kind="f")]
    names: Annotated[tuple[str, ...], Axes("n")]
    point: Point
    source: str
    contrasts: tuple[Contrast, ...] = field(default=(), metadata=IN_MEMORY)

    def __init__(
        self,
        vectors: object,
        names: Sequence[str],
        point: str | Point,
        source: str = "",
        contrasts: Sequence[Contrast] = (),
    ) -> None:
        rows = _finite(vectors, "vectors", 2)
        labels = tuple(clean(str(name)) for name in names)
        if len(labels) != len(rows):
            raise ValueError(f"names has {len(labels)} entries, vectors has {len(rows)} rows")
        if len(set(labels)) != len(labels):
            twice = next(name for name in labels if labels.count(name) > 1)
            raise ValueError(f"names must be unique, {twice!r} comes more than once")
        object.__setattr__(self, "vectors", rows)
        object.__setattr__(self, "names", labels)
        object.__setattr__(self, "point", Point.parse(point))
        object.__setattr__(self, "source", clean(str(source)))
        if contrasts and len(contrasts) != len(rows):
            raise ValueError(
                f"contrasts has {len(contrasts)} entries, vectors has {len(rows)} rows"
            )
        object.__setattr__(self, "contrasts", tuple(contrasts))

    @classmethod
    def from_pairs(
        cls,
        model: Captures,
        positive: Sequence[str] | Mapping[str, Sequence[str]],
        negative: Sequence[str] | Mapping[str, Sequence[str]],
        method: str = "mean_diff",
        *,
        point: str | Point | None = None,
        name: str = "positive - negative",
        positions: str = "last",
        progress: Callable[[float, str], None] | str | None = "bar",
    ) -> Dictionary:
        """Find directions by contrasting texts.

        Parameters
        ----------
        model : Model
        positive, negative : sequence of str, or dict of name -> sequence of str
            Texts; a dict gives one direction per name (its negatives under the same name, or
            one sequence for all).
        method : {"mean_diff", "pca_diff", "pca_center"}
            See `volvelle.compute.directions.pairs.pair_direction`; the PCA methods pair texts
            in order.
        point : str or Point, optional
            Where to read; the residual stream in the middle of the model by default.
        name : str
            Of the direction, where `positive` is a sequence.
        positions : {"last", "mean"}
        progress : "bar", callable(fraction, text) or None

        Returns
        -------
        Dictionary

        Notes
        -----
        Where it differs from repeng 0.4: one point here (`volvelle.ControlVector.from_pairs`
        reads every layer); ``mean_diff``, which repeng lacks and which keeps its length, is the
        default; the last block is read as it leaves the block, repeng reads it behind the final
        norm; position 0 is not steered unless asked for, repeng steers it too; ties in a
        component's sign go to the larger mean.
        """
        from volvelle.compute.directions.pairs import Bar, pair_contrasts

        place = Point.parse(f"resid_post.{(model.n_layers - 1) // 2}" if point is None else point)
        several = dict(positive) if isinstance(positive, Mapping) else {name: positive}
        if not several:
            raise ValueError("positive is an empty dict: give texts under at least one name")
        if isinstance(negative, Mapping) and (missing := [n for n in several if n not in negative]):
            raise ValueError(f"negative has no texts for {missing[0]!r}, as positive has")
        fitted: list[Contrast] = []
        with Bar(progress) as tell:
            for n, (label, texts) in enumerate(several.items()):
                against = negative[label] if isinstance(negative, Mapping) else negative

                def part(fraction: float, text: str, n: int = n) -> None:
                    if tell is not None:
                        tell((n + fraction) / len(several), text)

                fitted += pair_contrasts(
                    model, texts, against, [place], method, positions=positions, progress=part
                ).values()
        rows = [contrast.direction(contrast.positive) for contrast in fitted]
        return cls(np.stack(rows), list(several), place, f"{method} of pairs", fitted)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str | int) -> Direction:
        if isinstance(name, str):
            name = clean(name)
            if name not in self.names:
                raise KeyError(unknown("direction", name, self.names))
        elif not is_whole(name):
            raise TypeError(came("name", name, "a name of the dictionary, or a row's number"))
        elif not -len(self) <= name < len(self):
            raise IndexError(f"name={name} is outside the dictionary's 0...{len(self) - 1}")
        at = self.names.index(name) if isinstance(name, str) else int(name)
        contrast = self.contrasts[at] if self.contrasts else None
        return Direction(self.vectors[at], self.names[at], self.point, contrast=contrast)

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.vectors.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Directions and their width, (n, d_model)."""
        return self.vectors.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the vectors: numpy takes a dictionary wherever it takes an array."""
        return _as_array(self.vectors, dtype, copy)

    def __repr__(self) -> str:
        source = f", source={self.source!r}" if self.source else ""
        return f"Dictionary({len(self)} directions, {self.point}, d_model={self.d_model}{source})"


@checked_in
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
