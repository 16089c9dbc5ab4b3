"""Readers of arrays: numbers from numpy, torch, pandas or lists, as one kind of numpy array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from volvelle.arguments.plain import LONGEST_LIST, is_real, listed
from volvelle.arguments.said import came, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# A length, the name of any length, or None.
Axis: TypeAlias = "int | str | None"

# Deepest lists of lists that are read.
DEEPEST = 4
# Kinds of numpy's numbers that are real ones.
REAL = "biuf"


def array(
    value: Any,
    name: str,
    axes: Sequence[Axis] | None = None,
    *,
    dtype: str = "float32",
    finite: bool = True,
) -> np.ndarray:
    """Return real numbers as a numpy array in memory of the host, or raise saying what came.

    Parameters
    ----------
    value : array, tensor, data frame, column, or (nested) list of numbers
        Tensors lose their gradient and device; sparse ones are filled.
    name : str
        For which argument.
    axes : sequence of int, str or None, optional
        The shape that is expected: a length, the name of any length, or None; any shape by
        default.
    dtype : str
        Of what is returned.
    finite : bool
        Whether NaN and infinity are refused; also those that arise in `dtype`.

    Raises
    ------
    TypeError
        For what holds no real numbers: texts, objects, complex numbers, masked values, tensors
        without values (meta).
    ValueError
        For another shape, and for what is not finite.
    """
    import numpy as np

    found = _numbers(value, name)
    if axes is not None:
        fits = found.ndim == len(axes) and all(
            not isinstance(want, int) or have == want
            for have, want in zip(found.shape, axes, strict=True)
        )
        if not fits:
            shape = ", ".join("any" if axis is None else str(axis) for axis in axes)
            comma = "," if len(axes) == 1 else ""
            raise ValueError(f"{name} has shape {found.shape}, expected ({shape}{comma})")
    with np.errstate(over="ignore", invalid="ignore"):
        made = found.astype(dtype)
    if finite and not np.isfinite(made).all():
        raise ValueError(_not_finite(found, made, name, dtype))
    return made


def tensor_of(value: Any, name: str) -> Any:
    """Return a torch tensor of real numbers, filled where it is sparse; its history stays.

    Raises
    ------
    TypeError
        For a tensor without values (meta), and one of complex or quantised numbers.
    """
    if value.is_meta:
        raise TypeError(f"{name} is a tensor on the meta device, which has a shape and no numbers")
    if value.is_complex() or value.is_quantized:
        raise TypeError(f"{name} is a tensor of {value.dtype}, expected real numbers")
    return value if str(value.layout) == "torch.strided" else value.to_dense()


def _numbers(value: Any, name: str) -> np.ndarray:
    """Return real numbers as numpy has them, of whatever shape and type."""
    import numpy as np

    expected = "real numbers (an array, a tensor or lists of numbers)"
    if hasattr(value, "detach") and hasattr(value, "is_meta"):
        return _of_tensor(value, name)
    if isinstance(value, np.ma.MaskedArray):
        masked = cast("Any", value)
        if np.ma.getmaskarray(masked).any():
            raise TypeError(f"{name} has masked values, expected numbers; fill them: .filled(0.0)")
        value = np.asarray(masked.data)
    if isinstance(value, range) and (value := listed(value)) is None:
        raise ValueError(f"{name} is a range of over {LONGEST_LIST:,}, too long for {expected}")
    if isinstance(value, (list, tuple)):
        _hold_numbers(cast("Sequence[Any]", value), name, expected, 1)
    elif not hasattr(value, "__array__") and not is_real(value):
        raise TypeError(came(name, value, expected))
    try:
        found = np.asarray(value)
    except Exception as error:
        raise ValueError(f"{name} is {kind_of(value)} that makes no array: {error}") from error
    if found.dtype.kind == "O":  # columns with gaps hold objects
        found = _of_objects(found, value, name, expected)
    if found.dtype.kind == "V" or found.dtype.kind not in REAL:
        raise TypeError(f"{name} is {kind_of(value)} of {found.dtype}, expected {expected}")
    return found


def _of_tensor(value: Any, name: str) -> np.ndarray:
    """Return a tensor's numbers on the host."""
    dense = tensor_of(value, name).detach()
    known = str(dense.dtype) not in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2")
    return cast("np.ndarray", (dense if known else dense.float()).cpu().numpy())


def _of_objects(found: np.ndarray, value: Any, name: str, expected: str) -> np.ndarray:
    import numpy as np

    members = found.reshape(-1).tolist()
    if not all(is_real(each) or isinstance(each, bool) for each in members):
        wrong = next(each for each in members if not is_real(each) and not isinstance(each, bool))
        raise TypeError(f"{name} is {kind_of(value)} that holds {wrong!r:.40}, expected {expected}")
    try:
        return np.array([float(each) for each in members]).reshape(found.shape)
    except OverflowError as error:  # 10**400
        raise ValueError(f"{name} holds a number that no float holds") from error


def _hold_numbers(value: Sequence[Any], name: str, expected: str, depth: int) -> None:
    """Raise for lists of what numpy would guess at, and those that hold themselves."""
    if depth > DEEPEST:
        raise TypeError(came(name, value, expected))
    for each in value:
        if isinstance(each, (list, tuple, range)):
            _hold_numbers(cast("Sequence[Any]", each), name, expected, depth + 1)
        elif not (is_real(each) or isinstance(each, bool) or hasattr(each, "__array__")):
            raise TypeError(came(f"a member of {name}", each, expected))


def _not_finite(found: np.ndarray, made: np.ndarray, name: str, dtype: str) -> str:
    import numpy as np

    at = np.argwhere(~np.isfinite(made))[0]
    where = f"[{', '.join(map(str, at))}]" if made.ndim else ""
    first = found[tuple(at)]
    if np.isfinite(first):
        return f"{name}{where} is {first:g}, which {dtype} cannot hold"
    return f"{name}{where} is {first:g}, expected finite numbers; leave such rows out"
