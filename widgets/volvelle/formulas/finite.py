"""Where states stop being numbers.

Torch only: it travels to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def first_unsound(states: torch.Tensor, read: torch.Tensor | None = None) -> tuple[int, int, bool]:
    """Return the first state that holds NaN or infinity.

    Parameters
    ----------
    states : torch.Tensor, shape (rows, tokens, d)
    read : torch.Tensor, bool, shape (rows, tokens), optional
        Which of them count: padding may hold anything.

    Returns
    -------
    row, token : int
        -1 where all are finite.
    nan : bool
        Whether it is NaN, and not infinity.
    """
    bad = ~states.isfinite().all(-1)
    if read is not None:
        bad = bad & read
    if not bool(bad.any()):
        return -1, -1, False
    row, token = (int(place) for place in bad.nonzero()[0])
    return row, token, bool(states[row, token].isnan().any())
