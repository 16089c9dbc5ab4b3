"""One side of a dual map: an SAE, a dictionary or plain vectors, brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from volvelle.arguments.arrays import array
from volvelle.compute.directions.directions import Dictionary
from volvelle.compute.directions.points import RESIDUAL
from volvelle.compute.maps.neighbours import unit_rows

_RESIDUAL = ("embed", *RESIDUAL)


@dataclass(frozen=True, eq=False)
class Side:
    """What a dual map needs of a dictionary.

    Attributes
    ----------
    name : str
    point : str
        ``""`` for plain vectors.
    vectors : float32 array, shape (n, d)
        Decoder rows or directions as they came.
    alive : bool array, shape (n,)
        Rows that are laid out: finite, not zero, and fired at least once where that is known.
    left_out : dict of str to int
        Why the others are not: ``{"NaN": 3, "zero": 1, "never fire": 12}``.
    labels : tuple of str
    tokens : tuple of tuple of str
        Tokens of each label, for names of regions; the label itself where there are none.
    densities : float32 array, shape (n,), or None
        Share of tokens a feature fires on.
    encoder : float32 array, shape (n, d), or None
    noun : SAE, Dictionary or None
        What it was made from.
    """

    name: str
    point: str
    vectors: np.ndarray
    alive: np.ndarray
    left_out: dict[str, int]
    labels: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    densities: np.ndarray | None
    encoder: np.ndarray | None
    noun: Any

    @property
    def n(self) -> int:
        """Rows, left out ones counted."""
        return len(self.vectors)

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.vectors.shape[1]

    @property
    def model_name(self) -> str:
        """Model it was made for, "" where it does not say."""
        return str(getattr(self.noun, "metadata", {}).get("model_name") or "")

    @property
    def is_residual(self) -> bool:
        """Whether it lives in the residual stream, or does not say where."""
        return not self.point or self.point.split(".")[0] in _RESIDUAL

    @property
    def n_alive(self) -> int:
        """Rows that are laid out."""
        return int(self.alive.sum())

    def unit(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return the alive rows at length one, in `out` where it is given."""
        # picking all of them would copy them
        return unit_rows(self.vectors if self.alive.all() else self.vectors[self.alive], out)


def side(given: Any, argument: str) -> Side:
    """Read one argument of a dual map.

    Parameters
    ----------
    given : SAE, Dictionary, or array or tensor, shape (n, d)
    argument : str
        ``"a"`` or ``"b"``, for messages and as the name of plain vectors.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        When no row is left to lay out.
    """
    densities = encoder = tokens = None
    vectors: Any
    if hasattr(given, "W_dec"):
        vectors, name, point = given.W_dec, given.name, str(given.point)
        encoder = np.asarray(given.W_enc.detach().cpu().float()).T
        tokens = given.label_tokens
        labels = given.labels or [f"{name}/{i}" for i in range(given.n_features)]
        labels = [label or f"{name}/{i}" for i, label in enumerate(labels)]
        densities = None if given.densities is None else np.asarray(given.densities, np.float32)
    elif isinstance(given, Dictionary):
        vectors, name, point = given.vectors, given.source or argument, str(given.point)
        labels = list(given.names)
    elif getattr(given, "ndim", 0) == 2:
        vectors, name, point = given, argument, ""
        labels = [f"{argument}/{i}" for i in range(len(given))]
    else:
        raise TypeError(
            f"{argument} is {type(given).__name__}, expected an SAE, a Dictionary, or an array "
            "of shape (n, d_model)"
        )
    rows = array(vectors, argument, ("n", "d_model"), finite=False)
    finite = np.isfinite(rows).all(axis=1)
    zero = finite & ~rows.any(axis=1)
    silent = np.zeros(len(rows), bool)
    if densities is not None:
        silent = finite & ~zero & (densities == 0)
    alive = finite & ~zero & ~silent
    counts = {"NaN": ~finite, "zero": zero, "never fire": silent}
    left_out = {why: int(which.sum()) for why, which in counts.items() if which.any()}
    if not alive.any():
        why = ", ".join(f"{count} {what}" for what, count in left_out.items()) or "no rows at all"
        raise ValueError(f"{argument} ({name}) has no direction to lay out: {why}")
    named = tuple(tuple(row) for row in tokens) if tokens else tuple((label,) for label in labels)
    return Side(
        name, point, rows, alive, left_out, tuple(labels), named, densities, encoder,
        None if getattr(given, "ndim", 0) == 2 else given,
    )  # fmt: skip
