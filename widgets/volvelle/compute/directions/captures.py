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


def only_first(text: str, source: str, model: str = "the model") -> ValueError:
    """Return the error for a text of which nothing but its first token could be read.

    Parameters
    ----------
    text : str
    source : str
        The argument that it came in.
    model : str
        What the message calls the model.
    """
    what = "is one token" if text else "is no token"
    return ValueError(
        f"{source}: {text!r:.60} {what} for {model}, and the state at a text's first token is "
        "hundreds of times longer than any other and hardly depends on the text: it would drown "
        "every mean and difference. Give sentences, such as 'I feel happy.'"
    )


def refuse_only_first(captured: Captured, texts: Sequence[str], source: str) -> None:
    """Raise ValueError for texts of one token, whose state is that of position 0.

    Parameters
    ----------
    captured : Capture
        Of these texts, for a statistic.
    texts : sequence of str
    source : str
        The argument that they came in.
    """
    for text, usable in zip(texts, captured.usable, strict=True):
        if not usable.any():
            raise only_first(text, source)
