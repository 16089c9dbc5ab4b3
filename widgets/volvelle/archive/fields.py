"""What the fields of a class say of its file: types, axes, and what is not kept."""

from __future__ import annotations

import inspect
import sys
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import numpy as np

# metadata of a field that stays in memory: it needs a default.
IN_MEMORY = {"kept": False}
# What safetensors keeps.
DTYPES = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
# Arrays of a sparse matrix, and the kinds of their numbers.
PARTS = {"data": "fiu", "indices": "iu", "indptr": "iu"}


class Unfit(ValueError):  # noqa: N818  (what is said of a file's content, and ends in its message)
    """What was read is not what a field holds; its text begins with the place."""


@dataclass(frozen=True)
class Axes:
    """The axes of an array field, beside its type: ``Annotated[np.ndarray, Axes("n", 2)]``.

    Lengths of one name are equal within one object, those of tuples and lists counted.

    Parameters
    ----------
    *lengths : str, int or None
        Of each axis: a name, a number, or None for any.
    kind : str
        Letters of numpy's kinds that are allowed: ``"f"``, ``"iu"``, ``"b"``, ``"U"``.
    """

    lengths: tuple[Any, ...]
    kind: str

    def __init__(self, *lengths: Any, kind: str = "biuf") -> None:
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "kind", kind)

    def hold(self, shape: tuple[int, ...], at: str, bound: dict[str, int]) -> None:
        """Raise `Unfit` where a shape does not fit; names met first are bound."""
        wanted = self.lengths
        fits = len(shape) == len(wanted)
        for have, want in zip(shape, wanted, strict=False):
            length = bound.setdefault(want, have) if isinstance(want, str) else want
            fits = fits and length in (None, have)
        if not fits:
            said = ", ".join("any" if w is None else str(bound.get(w, w)) for w in wanted)
            raise Unfit(f"{at} has shape {shape}, expected ({said})")


def inside(indices: np.ndarray, n: int, what: str, least: int = 0) -> None:
    """Raise ValueError where indices leave ``least ... n - 1``."""
    if indices.size and not least <= int(indices.min()) <= int(indices.max()) < n:
        raise ValueError(f"{what} leave {least}...{n - 1}")


@cache
def kept_fields(cls: Any) -> dict[str, tuple[Any, Axes | None, bool]]:
    """Return type, axes and whether there is a default, of each field that is in a file."""
    found: dict[str, tuple[Any, Axes | None, bool]] = {}
    for one in fields(cls):
        if one.init and one.metadata.get("kept", True):
            default = one.default is not MISSING or one.default_factory is not MISSING
            found[one.name] = (*parted(_hint_of(cls, one.name)), default)
    return found


def _hint_of(cls: type, name: str) -> Any:
    """Return the type of one field, with what is annotated beside it."""
    for owner in cls.__mro__:
        hints = inspect.get_annotations(owner)
        if name in hints:
            one = SimpleNamespace(__annotations__={name: hints[name]})
            names = vars(sys.modules[owner.__module__])
            return get_type_hints(one, globalns=names, include_extras=True)[name]
    raise AttributeError(f"{cls.__name__} has no field {name!r}")


@cache
def parted(hint: Any) -> tuple[Any, Axes | None]:
    """Return a type and the axes that are annotated beside it, or beside a member of a union."""
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        return hint, next((each for each in more if isinstance(each, Axes)), None)
    if get_origin(hint) in (Union, UnionType):
        return hint, next((axes for each in get_args(hint) if (axes := parted(each)[1])), None)
    return hint, None


@cache
def options(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, bare; of any other type itself."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(parted(each)[0] for each in members)


def is_sparse(hint: Any) -> bool:
    """Whether a type is scipy's sparse matrix, which is not loaded for the question."""
    return getattr(hint, "__name__", "") == "csr_array"


def members_of(inner: tuple[Any, ...], n: int, hint: Any) -> tuple[Any, ...]:
    """Return the types of n members: lists and ``tuple[T, ...]`` have one for all."""
    open_ended = get_origin(hint) is list or inner[-1:] == (...,)
    return inner[:1] * n if open_ended else inner
