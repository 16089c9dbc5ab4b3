"""The trait that carries a numpy array to the browser as one binary buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from traitlets import TraitError, TraitType

from volvelle.arguments.arrays import array as numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

# What js/src/lib/wire/arrays.ts decodes. Half floats arrive there as Float32Array.
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")


class Packed(TypedDict):
    """An array on the wire."""

    dtype: str
    shape: list[int]
    data: bytes


def pack(array: np.ndarray) -> Packed:
    """Return the wire form of an array.

    Parameters
    ----------
    array : numpy.ndarray
        Any shape, also with zero rows; a dtype of `DTYPES`.

    Returns
    -------
    Packed
        ``{"dtype": "<f4", "shape": [...], "data": bytes}``, C order, little endian.
    """
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    code = _code(f"{little.dtype.kind}{little.itemsize}")
    return {"dtype": code, "shape": list(little.shape), "data": little.tobytes()}


def _code(dtype: str) -> str:
    """Return how a dtype of `DTYPES` is called on the wire; single bytes have no order."""
    return f"{'|' if dtype.endswith('1') else '<'}{dtype}"


def unpack(wire: Mapping[str, Any]) -> np.ndarray:
    """Return the array that `pack` packed; read-only."""
    flat = np.frombuffer(bytes(wire["data"]), dtype=np.dtype(wire["dtype"]))
    return flat.reshape(wire["shape"])


class Array(TraitType[np.ndarray, Any]):
    """A numpy array, synced as one buffer.

    Parameters
    ----------
    dtype : str or tuple of str
        One of `DTYPES`; what is assigned is cast to it. Of several unsigned kinds, the first
        that holds the largest value: ``("u2", "u4")`` sends indices in as few bytes as they need.
    shape : tuple of (int or None)
        Expected shape, None for any length. The default value has length 0 there.

    Attributes
    ----------
    codes : dict
        What dtypes are called on the wire, with the bits of an element.

    Examples
    --------
    ``_values = Array("f2", (None, None))`` holds an empty (0, 0) array until one is assigned.
    """

    info_text = "a numpy array"
    allow_none = False

    def __init__(
        self,
        dtype: str | tuple[str, ...],
        shape: tuple[int | None, ...] = (None,),
        **kwargs: Any,
    ) -> None:
        self.dtypes: list[str] = [dtype] if isinstance(dtype, str) else list(dtype)
        for each in self.dtypes:
            if each not in DTYPES:
                raise ValueError(f"dtype {each!r} does not travel; use one of {', '.join(DTYPES)}")
        self.shape = shape
        self.codes = {code: 8 * int(code[-1]) for code in map(_code, self.dtypes)}
        super().__init__(**kwargs)
        self.tag(
            sync=True,
            to_json=lambda value, _widget: pack(value),
            from_json=lambda wire, _widget: unpack(wire),
        )

    @property
    def lengths(self) -> str:
        """The expected shape in words."""
        return f"({', '.join('any' if n is None else str(n) for n in self.shape)})"

    def make_dynamic_default(self) -> np.ndarray:
        """Return a fresh empty array: the default of each instance."""
        return np.zeros([0 if length is None else length for length in self.shape], self.dtypes[0])

    def _narrowest(self, array: np.ndarray) -> np.ndarray:
        largest = array.max(initial=0)
        fitting = (each for each in self.dtypes if largest <= np.iinfo(each).max)
        return array.astype(next(fitting, self.dtypes[-1]))

    def validate(self, obj: Any, value: Any) -> np.ndarray:  # noqa: ARG002  (traitlets' signature)
        """Cast to the trait's dtype and check the shape."""
        name, dtype = str(self.name), str(np.dtype(self.dtypes[-1]))
        try:
            array = numbers(value, name, dtype=dtype, finite=False)
            if len(self.dtypes) > 1:
                array = self._narrowest(array)
        except (TypeError, ValueError) as error:
            raise TraitError(f"trait {self.name!r} cannot be read as numbers: {error}") from error
        fits = array.ndim == len(self.shape) and all(
            want is None or have == want for have, want in zip(array.shape, self.shape, strict=True)
        )
        if not fits:
            raise TraitError(
                f"trait {self.name!r} has shape {array.shape}, expected {self.lengths}"
            )
        return array
