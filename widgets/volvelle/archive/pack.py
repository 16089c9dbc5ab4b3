"""An object as JSON and tensors, by the types of its fields.

Arrays become tensors named by their place; those of one place in several rows lie behind each
other, and JSON holds their types and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, cast, get_args, get_origin

import numpy as np

from volvelle.archive.fields import (
    DTYPES,
    PARTS,
    is_sparse,
    kept_fields,
    members_of,
    options,
    parted,
)


class Packer:
    """Takes an object apart.

    Attributes
    ----------
    tensors : dict of str to list of array
        By place, in the order they were met.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, list[np.ndarray]] = {}

    def object(self, thing: Any, at: str = "") -> dict[str, Any]:
        """Return the JSON of an object; its arrays are in `tensors`."""
        return {
            name: self.value(getattr(thing, name), hint, f"{at}.{name}" if at else name)
            for name, (hint, _, _) in kept_fields(thing.__class__).items()
        }

    def value(self, value: Any, hint: Any, at: str) -> Any:
        """Return the JSON of one value."""
        hint, _ = parted(hint)
        hint = next((each for each in options(hint) if each is not NoneType), Any)
        if value is None or hint is Any:
            return plain(value, at)
        if get_origin(hint) is not None:
            return self._several(value, hint, at)
        if hint is np.ndarray:
            return self._array(value, at)
        if is_dataclass(hint):
            return self.object(value, at)
        return self._sparse(value, at) if is_sparse(hint) else plain(value, at)

    def _several(self, value: Any, hint: Any, at: str) -> Any:
        """Return the JSON of a tuple, list or mapping, as its members are."""
        inner = get_args(hint)
        if isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            return {str(k): self.value(one, inner[1], f"{at}.{k}") for k, one in named.items()}
        listed = list(value)
        members = members_of(inner, len(listed), hint)
        if set(members) == {str} and set(map(type, listed)) == {str}:
            return listed
        return [self.value(one, of, at) for one, of in zip(listed, members, strict=True)]

    def _array(self, array: np.ndarray, at: str) -> Any:
        if array.dtype.kind in "UO":
            return [str(one) for one in array.tolist()]
        name = array.dtype.newbyteorder("=").name
        if name not in DTYPES:
            raise TypeError(f"{at} is an array of {array.dtype}, which no file keeps")
        own = np.ascontiguousarray(array, dtype=name).reshape(array.shape)
        place = at
        if self.tensors.setdefault(at, [own])[0].dtype != own.dtype:
            place = f"{at}:{name}"
            self.tensors.setdefault(place, [own])
        if self.tensors[place][0] is not own:
            self.tensors[place].append(own)
        return f"{name}[{','.join(map(str, array.shape))}]"

    def _sparse(self, codes: Any, at: str) -> Any:
        said: dict[str, Any] = {"shape": list(map(int, codes.shape))}
        for part in PARTS:
            said[part] = self._array(getattr(codes, part), f"{at}.{part}")
        return said

    def packed(self) -> dict[str, np.ndarray]:
        """Return one array per place: as it is where there is one, else all behind each other."""
        return {
            at: arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
            for at, arrays in self.tensors.items()
        }


def plain(value: Any, at: str) -> Any:
    """Return JSON of a value without arrays; tuples become lists.

    Raises
    ------
    TypeError
        For what JSON has no word for.
    """
    if isinstance(value, np.generic):
        return plain(cast("Any", value.item()), at)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        named = cast("Mapping[Any, Any]", value)
        return {str(key): plain(one, f"{at}.{key}") for key, one in named.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(one, at) for one in cast("list[Any]", value)]
    raise TypeError(f"{at} holds a {type(value).__name__}, which no file keeps")
