"""An object from JSON and tensors; what does not fit the types of its fields is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin

import numpy as np

from volvelle.archive.fields import (
    DTYPES,
    PARTS,
    Axes,
    Unfit,
    is_sparse,
    kept_fields,
    members_of,
    options,
    parted,
)
from volvelle.arguments.said import seen

# Sizes and whole numbers that fit into 64 bits.
MOST = 2**62

T = TypeVar("T")

# As `encode` writes it: float32[12,2]
SHAPE = re.compile(r"(\w+)\[((?:\d{1,18}(?:,\d{1,18})*)?)\]")


class Spot(NamedTuple):
    """Where a value is read: its name, its axes, and the lengths its object has bound."""

    at: str
    axes: Axes | None
    bound: dict[str, int]

    def hold(self, shape: tuple[int, ...]) -> None:
        """Raise `Unfit` where a shape is not that of the axes."""
        if self.axes is not None:
            self.axes.hold(shape, self.at, self.bound)


class Unpacker:
    """Puts an object together.

    Parameters
    ----------
    tensors : mapping of str to array
    filling : bool
        Whether fields that have a default may be missing: in a file of an older layout.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], *, filling: bool = False) -> None:
        self.tensors = tensors
        self.filling = filling
        self._used: dict[str, int] = {}

    def object(self, cls: Callable[..., T], said: Any, at: str = "") -> T:
        """Return an object of a class; what does not fit raises `Unfit`."""
        here = at or cls.__name__
        known = kept_fields(cls)
        if not isinstance(said, dict):
            raise Unfit(f"{here} is {seen(said)}, expected {cls.__name__}")
        told = cast("dict[str, Any]", said)
        for name in told:
            if name not in known:
                raise Unfit(f"{here} has a field {name!r} that {cls.__name__} has not")
        values: dict[str, Any] = {}
        bound: dict[str, int] = {}
        for name, (hint, axes, optional) in known.items():
            if name in told:
                spot = Spot(f"{at}.{name}" if at else name, axes, bound)
                values[name] = self.value(told[name], hint, spot)
            elif not (optional and self.filling):
                raise Unfit(f"{here} lacks {name!r}")
        try:
            made = cls(**values)
            check = getattr(made, "_check", None)
            if check is not None:
                check()
        except Unfit:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise Unfit(f"{here}: {error}") from error
        return made

    def value(self, said: Any, hint: Any, spot: Spot) -> Any:
        """Return one value of a type."""
        hint, own = parted(hint)
        spot = spot._replace(axes=own or spot.axes)
        choices = options(hint)
        if said is None and (NoneType in choices or hint is Any):
            return None
        *others, last = [each for each in choices if each is not NoneType]
        for each in others:  # plain ones: the first that takes it
            with suppress(Unfit):
                return self._one(said, each, spot)
        return self._one(said, last, spot)

    def _one(self, said: Any, hint: Any, spot: Spot) -> Any:
        if get_origin(hint) is not None:
            return self._several(said, hint, spot)
        if hint is np.ndarray or is_sparse(hint):
            read = self._array if hint is np.ndarray else self._sparse
            found = read(said, spot)
            spot.hold(found.shape)
            return found
        if is_dataclass(hint):
            return self.object(cast("Any", hint), said, spot.at)
        return said if hint is Any else _scalar(said, hint, spot.at)

    def _several(self, said: Any, hint: Any, spot: Spot) -> Any:
        """Return a tuple, a list or a mapping."""
        origin: Any = get_origin(hint)
        inner = get_args(hint)
        if issubclass(origin, Mapping):
            if not isinstance(said, dict):
                raise Unfit(f"{spot.at} is {seen(said)}, expected names and values")
            return {
                key: self.value(one, inner[1], spot._replace(at=f"{spot.at}.{key}"))
                for key, one in cast("dict[str, Any]", said).items()
            }
        if not isinstance(said, list):
            raise Unfit(f"{spot.at} is {seen(said)}, expected a list")
        listed = cast("list[Any]", said)
        members = members_of(inner, len(listed), hint)
        if len(members) != len(listed):
            raise Unfit(f"{spot.at} has {len(listed)} entries, expected {len(members)}")
        if spot.axes is not None:
            Axes(spot.axes.lengths[0]).hold((len(listed),), spot.at, spot.bound)
            rest = spot.axes.lengths[1:]
            spot = spot._replace(axes=Axes(*rest, kind=spot.axes.kind) if rest else None)
        if set(members) == {str} and set(map(type, listed)) == {str}:
            return origin(listed)  # of long texts there are as many as tokens
        return origin(self.value(one, of, spot) for one, of in zip(listed, members, strict=True))

    def _array(self, said: Any, spot: Spot, kind: str = "") -> np.ndarray:
        at = spot.at
        kind = kind or ("biuf" if spot.axes is None else spot.axes.kind)
        if isinstance(said, list) and "U" in kind:
            texts = cast("list[Any]", said)
            if not all(isinstance(one, str) for one in texts):
                raise Unfit(f"{at} holds something else than texts")
            return np.array(texts, dtype=np.str_)
        match = SHAPE.fullmatch(said) if isinstance(said, str) else None
        if match is None or match[1] not in DTYPES:
            raise Unfit(f"{at} is {seen(said)}, expected the type and shape of an array")
        dtype, shape = np.dtype(match[1]), tuple(int(n) for n in match[2].split(",") if n)
        if dtype.kind not in kind:
            raise Unfit(f"{at} is of {dtype.name}, expected a kind of {kind!r}")
        name = at
        if name not in self.tensors or self.tensors[name].dtype != dtype:
            name = f"{at}:{dtype.name}"
        if name not in self.tensors or self.tensors[name].dtype != dtype:
            raise Unfit(f"{at} has no numbers of {dtype.name}")
        flat = self.tensors[name].reshape(-1)
        start = self._used.get(name, 0)
        stop = start + math.prod(shape)
        if stop > flat.size:
            raise Unfit(f"{at} has {flat.size:,} numbers, expected {stop:,} or more")
        self._used[name] = stop
        return flat[start:stop].reshape(shape)

    def _sparse(self, said: Any, spot: Spot) -> Any:
        from scipy.sparse import csr_array

        at = spot.at
        if not isinstance(said, dict) or set(cast("dict[str, Any]", said)) != {"shape", *PARTS}:
            raise Unfit(f"{at} is {seen(said)}, expected shape, data, indices and indptr")
        told = cast("dict[str, Any]", said)
        data, indices, indptr = (
            self._array(told[part], spot._replace(at=f"{at}.{part}"), kind)
            for part, kind in PARTS.items()
        )
        shape: Any = told["shape"]
        pair = cast("list[Any]", shape) if isinstance(shape, list) else []
        if [type(n) for n in pair] != [int, int] or {data.ndim, indices.ndim} != {1}:
            raise Unfit(f"{at} has shape {seen(shape)}, expected two whole numbers")
        rows, columns = cast("list[int]", pair)
        if not 0 <= rows <= MOST >= columns >= 0:
            raise Unfit(f"{at} has shape {seen(shape)}, which is no size")
        steps = np.diff(indptr.astype(np.int64).ravel())
        fits = indptr.shape == (rows + 1,) and indptr[0] == 0 and bool((steps >= 0).all())
        if not fits or int(indptr[-1]) != len(data) or len(data) != len(indices):
            raise Unfit(f"{at}.indptr does not share {len(data):,} values among {rows} rows")
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < columns:
            raise Unfit(f"{at}.indices leave 0...{columns - 1}")
        return csr_array((data, indices, indptr), shape=(rows, columns))

    def finish(self) -> None:
        """Raise `Unfit` where numbers are left that belong to no field."""
        for name, array in self.tensors.items():
            if self._used.get(name, -1) != array.size:
                raise Unfit(f"{name!r} holds more numbers than its fields")


def _scalar(said: Any, hint: Any, at: str) -> Any:
    """Return a number, a text or a truth value of exactly that type."""
    if hint is float and type(said) in (int, float):
        try:
            return float(said)
        except OverflowError:
            pass
    elif type(said) is hint and not (hint is int and abs(said) > MOST):
        return said
    raise Unfit(f"{at} is {seen(said)}, expected {getattr(hint, '__name__', hint)}")
