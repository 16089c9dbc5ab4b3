"""The k largest of each row, with the cut that separates them from the rest."""

from __future__ import annotations

import torch


def largest(pre: torch.Tensor, k: int, *, by_size: bool) -> tuple[torch.Tensor, ...]:
    """Return the k largest entries of each row and the cut below them.

    Parameters
    ----------
    pre : torch.Tensor, shape (n_rows, n), float32
    k : int
        At least 1; k >= n keeps everything.
    by_size : bool
        Compare absolute values (abstopk).

    Returns
    -------
    values : torch.Tensor, shape (n_rows, k), float32
        With their sign, in no order.
    index : torch.Tensor, shape (n_rows, k), int64
    cut : torch.Tensor, shape (n_rows,), float32
        Half-way between the k-th and the next largest, minus infinity where everything is
        kept. A sum taken in another order (eight columns instead of all) rounds differently;
        half-way, the k-th is still found above and the next one below.
    """
    n = pre.shape[1]
    score = pre.abs() if by_size else pre
    if k >= n:
        index = torch.arange(n, device=pre.device).expand(pre.shape)
        return pre, index, torch.full((len(pre),), -torch.inf, device=pre.device)
    top, index = score.topk(k + 1, dim=1)
    kth, beyond = top[:, k - 1], top[:, k]
    # With ties at the k-th the midpoint is that value: `>=` keeps all of them.
    cut = kth + (beyond - kth) * 0.5
    index = index[:, :k]
    return (pre.gather(1, index) if by_size else top[:, :k]), index, cut
