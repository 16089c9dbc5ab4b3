"""What a model holds at its points, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.points import Point
from volvelle.models.traces.reduce import OUTLIER
from volvelle.names import unknown
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from volvelle.models.engine.facts import Facts
    from volvelle.models.engine.tokens import Tokens

POSITIONS = ("all", "last", "mean")


@dataclass(frozen=True, eq=False)
class Capture:
    """States of texts at points.

    ``capture[point]`` is float32 of shape (text, token, d), or (text, d) for positions ``last``
    and ``mean``; token 0 comes first, padding is zero. A point may be spelled in any of its
    ways.

    Attributes
    ----------
    mask : array, bool, shape (text, token)
        True on tokens, False on padding.
    first : array, bool, shape (text, token)
        Position 0 of each text, whose norm is about 150 times the others'.
    outliers : array, bool, shape (text, token)
        Tokens other than position 0 with more than 4 times the median norm of their text, at
        any of the residual points captured. They and position 0 poison means, planes and FVE.
    tokens : tuple of Tokens
        One per text.
    positions : str
        ``"all"``, ``"last"`` (the last token, which of a text of one token is position 0) or
        ``"mean"`` (without position 0 and outliers).
    """

    states: Mapping[Point, np.ndarray] = field(repr=False)
    mask: np.ndarray
    outliers: np.ndarray
    tokens: tuple[Tokens, ...]
    positions: str
    outliers_at: Mapping[Point, np.ndarray] = field(repr=False)

    def __getitem__(self, point: str | Point) -> np.ndarray:
        wanted = Point.parse(point)
        if wanted not in self.states:
            raise KeyError(unknown("point", wanted, [str(point) for point in self.states]))
        return self.states[wanted]

    def __contains__(self, point: str | Point) -> bool:
        return Point.parse(point) in self.states

    def __iter__(self) -> Iterator[Point]:
        return iter(self.states)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def points(self) -> tuple[Point, ...]:
        """The points, in the order they were asked for."""
        return tuple(self.states)

    @property
    def first(self) -> np.ndarray:
        """Position 0 of each text, shape (text, token)."""
        first = np.zeros_like(self.mask)
        first[:, :1] = self.mask[:, :1]
        return first

    @property
    def usable(self) -> np.ndarray:
        """Tokens fit for means and fits: neither padding, position 0 nor outlier."""
        return self.mask & ~self.first & ~self.outliers

    def __repr__(self) -> str:
        points = ", ".join(str(point) for point in list(self.states)[:4])
        more = f" and {len(self.states) - 4} more points" if len(self.states) > 4 else ""
        alone = int((self.mask.sum(axis=1) == 1).sum()) if self.positions == "last" else 0
        first = f", {alone} of them position 0: unfit for means" if alone else ""
        return (
            f"Capture({len(self.tokens)} texts, {int(self.mask.sum())} tokens, {points}{more}, "
            f"positions={self.positions!r}{first})"
        )


def find_outliers(norms: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mark tokens of more than 4 times the median norm of their text.

    Parameters
    ----------
    norms : array, shape (text, token)
    mask : array, bool, shape (text, token)

    Returns
    -------
    array, bool, shape (text, token)
        Never position 0, which is known by its place; its norm is left out of the median.
    """
    found = np.zeros_like(mask)
    for row, (norm, real) in enumerate(looking(zip(norms, mask, strict=True))):
        here = real.copy()
        here[:1] = False
        if here.any():
            # of an even number the lower middle one, as torch takes it: of two tokens one of
            # which is extreme, the mean of both would hide it
            middle = (int(here.sum()) - 1) // 2
            found[row] = here & (norm > OUTLIER * np.partition(norm[here], middle)[middle])
    return found


def batches(
    lengths: Sequence[int], n_wide: int, max_tokens: int, max_numbers: int
) -> list[list[int]]:
    """Group texts of like length, so that little is padded and memory stays bounded.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    n_wide : int
        Numbers kept for each token, over all points.
    max_tokens : int
        Tokens of a batch, padding included.
    max_numbers : int
        Numbers kept at a time; a text that is alone in its batch may exceed both.
    """
    budget = max(1, min(max_tokens, max_numbers // max(n_wide, 1)))
    found: list[list[int]] = []
    width = 0
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        width = lengths[index]  # ascending, so the newest is the widest
        if (
            found
            and (len(found[-1]) + 1) * width <= budget
            and width <= 2 * lengths[found[-1][0]] + 8
        ):
            found[-1].append(index)
        else:
            found.append([index])
    return found


def right_padded(rows: Sequence[Sequence[int] | np.ndarray], pad: int) -> dict[str, Any]:
    """Return model inputs with token 0 first; causal attention never looks at the padding."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = torch.as_tensor(row)
        mask[n, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def left_padded(rows: Sequence[Sequence[int] | np.ndarray], pad: int) -> dict[str, Any]:
    """Return model inputs whose last tokens are aligned, with positions counted from each first."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[n, width - len(row) :] = torch.as_tensor(row)
        mask[n, width - len(row) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def positions(model: Facts, mask: torch.Tensor) -> torch.Tensor:
    """Return the positions of left-padded rows, int64, counted from each row's first token."""
    return (mask.cumsum(-1) - 1).clamp(min=0) + model.first_position


def to_numpy(state: torch.Tensor) -> np.ndarray:
    """Return float32 numpy on the host."""
    return state.detach().float().cpu().numpy()
