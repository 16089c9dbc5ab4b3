"""Between numpy and torch, for code that does not load torch before it needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch


@runtime_checkable
class Tensor(Protocol):
    """What tells a torch tensor from an array without importing torch."""

    def detach(self) -> torch.Tensor:
        """Return it without its history."""
        ...


def on_host(given: object) -> object:
    """Return a tensor as float32 numpy on the CPU, and anything else as it is."""
    return given.detach().float().cpu().numpy() if isinstance(given, Tensor) else given


def tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor on the CPU over the memory of an array."""
    import torch

    # torch leaves the parameter without a type
    return torch.from_numpy(array)  # pyright: ignore[reportUnknownMemberType]
