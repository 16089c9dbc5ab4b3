"""What directions, circles and control vectors read of a model: its states, and how deep it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from volvelle.compute.directions.points import Point


@runtime_checkable
class Captured(Protocol):
    """States of texts at points, as `volvelle.models` reads them."""

    @property
    def usable(self) -> np.ndarray:
        """Tokens fit for means and fits, bool, shape (text, token)."""
        ...

    def __getitem__(self, point: str | Point) -> np.ndarray: ...


class Captures(Protocol):
    """A model whose states can be read. `volvelle.Model` is one."""

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        ...

    def capture(
        self,
        texts: Sequence[str],
        points: Sequence[Point],
        positions: str = "all",
        *,
        progress: Callable[[float, str], None] | None = None,
    ) -> Captured:
        """Read what the model holds at points while it reads texts."""
        ...


class Wrapped(Captures, Protocol):
    """A model whose architecture has a name."""

    @property
    def nnsight(self) -> Any:
        """The wrapped model, with its configuration."""
        ...
