"""The trait that carries a numpy array to the browser as one binary buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import TraitError, TraitType

if TYPE_CHECKING:
    from collections.abc import Mapping

# What js/src/lib/wire/arrays.ts decodes. Half floats arrive there as Float32Array.
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")


def pack(array: np.ndarray) -> dict[str, Any]:
    """Return the wire form of an array.

    Parameters
    ----------
    array : numpy.ndarray
        Any shape, also with zero rows; a dtype of `DTYPES`.

    Returns
    -------
    dict
        ``{"dtype": "<f4", "shape": [...], "data": bytes}``, C order, little endian.
    """
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    code = f"{'|' if little.itemsize == 1 else '<'}{little.dtype.kind}{little.itemsize}"
    return {"dtype": code, "shape": list(little.shape), "data": little.tobytes()}


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
        super().__init__(**kwargs)
        self.tag(
            sync=True,
            to_json=lambda value, _widget: pack(value),
            from_json=lambda wire, _widget: unpack(wire),
        )

    def make_dynamic_default(self) -> np.ndarray:
        """Return a fresh empty array: the default of each instance."""
        return np.zeros([0 if length is None else length for length in self.shape], self.dtypes[0])

    def _narrowest(self, array: np.ndarray) -> np.ndarray:
        largest = array.max(initial=0)
        fitting = (each for each in self.dtypes if largest <= np.iinfo(each).max)
        return array.astype(next(fitting, self.dtypes[-1]))

    def validate(self, obj: Any, value: Any) -> np.ndarray:  # noqa: ARG002  (traitlets' signature)
        """Cast to the trait's dtype and check the shape."""
        try:
            if len(self.dtypes) > 1:
                array = self._narrowest(np.asarray(value))
            else:
                array = np.asarray(value, dtype=self.dtypes[0])
        except (TypeError, ValueError) as error:
            raise TraitError(f"trait {self.name!r} cannot be read as numbers: {error}") from error
        fits = array.ndim == len(self.shape) and all(
            want is None or have == want for have, want in zip(array.shape, self.shape, strict=True)
        )
        if not fits:
            want = ", ".join("any" if length is None else str(length) for length in self.shape)
            raise TraitError(f"trait {self.name!r} has shape {array.shape}, expected ({want})")
        return array
