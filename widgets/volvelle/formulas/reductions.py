"""What is made of many states before they travel: inner products, and what texts share taken out.

Torch only: it travels to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    # what a request is made of
    Payload = torch.Tensor | dict[Any, Any] | list[Any] | tuple[Any, ...] | str | float | None


def moved(payload: Payload, device: torch.device | str) -> Any:
    """Return lists, tuples and dicts of tensors with the tensors on another device."""
    if isinstance(payload, torch.Tensor):
        return payload.to(device)
    if isinstance(payload, dict):
        return {key: moved(value, device) for key, value in payload.items()}
    if isinstance(payload, (list, tuple)):
        return type(payload)(moved(value, device) for value in payload)
    return payload


def centred_gram(rows: torch.Tensor) -> torch.Tensor:
    """Return the inner products (n, n) of rows (n, d) around their mean, float64."""
    x = rows.double()
    x = x - x.mean(0)
    return x @ x.T


def packed_gram(inner: torch.Tensor, n_classes: int, *, paired: bool) -> torch.Tensor:
    """Return the numbers of a Gram matrix that resampling needs, each once, float32.

    Parameters
    ----------
    inner : torch.Tensor, shape (n, n)
        Symmetric.
    n_classes : int
    paired : bool
        Whether row j of every class is the same sentence, classes one after the other. Then
        sentences are drawn, for all classes alike: of the products of sentence j in class c with
        sentence k in class e, and of k in c with j in e, only the sum counts.

    Returns
    -------
    torch.Tensor, shape (n (n + 1) / 2,), or paired (C (C + 1) / 2 * m (m + 1) / 2,)
        For C classes of m rows.
    """
    n = len(inner)
    if not paired:
        first, second = torch.triu_indices(n, n)
        return inner[first, second].float()
    m = n // n_classes
    blocks = inner.view(n_classes, m, n_classes, m)
    blocks = (blocks + blocks.permute(0, 3, 2, 1)) / 2
    c, e = torch.triu_indices(n_classes, n_classes)
    j, k = torch.triu_indices(m, m)
    return blocks[c[:, None], j, e[:, None], k].flatten().float()


def without_components(rows: torch.Tensor, neutral: torch.Tensor, share: float) -> torch.Tensor:
    """Take out of rows (n, d) the first components of neutral rows that explain a share of them.

    Neutral rows are states of texts that have nothing to do with what the rows are about.

    Source: Sofroniew et al., arXiv:2604.07729 (50 % of the variance; second-hand).
    """
    x = neutral.double()
    _, s, axes = _svd(x - x.mean(0))
    shares = (s * s).cumsum(0) / (s * s).sum()
    axes = axes[: int((shares < share - 1e-12).sum()) + 1]
    wide = rows.double()
    return (wide - (wide @ axes.T) @ axes).float()


def _svd(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # torch gives linalg no types
    return torch.linalg.svd(x, full_matrices=False)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
