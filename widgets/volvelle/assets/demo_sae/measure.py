"""What a dictionary is worth on text that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 4096


def encode(sae: dict[str, torch.Tensor], x: torch.Tensor, k: int) -> tuple[torch.Tensor, ...]:
    """Encode raw residuals: the k largest pre-activations, rectified.

    Parameters
    ----------
    sae : dict of str to torch.Tensor
        ``W_enc``, ``W_dec``, ``b_enc``, ``b_dec``, float32.
    x : torch.Tensor, shape (token, d_model)
    k : int

    Returns
    -------
    values, index : torch.Tensor, shape (token, k)
    """
    value, index = ((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]).topk(k, dim=1)
    return value.relu(), index


def decode(sae: dict[str, torch.Tensor], value: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rebuild residuals from the activations of `encode`."""
    rows = torch.nn.functional.embedding_bag(
        index, sae["W_dec"], per_sample_weights=value, mode="sum"
    )
    return rows + sae["b_dec"]


def chunks(
    x: np.ndarray, rows: np.ndarray, size: int = CHUNK
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Yield rows of a residual file in float32, some at a time, with their numbers."""
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        yield some, torch.from_numpy(x[some].astype(np.float32))


@torch.no_grad()
def fve(sae: dict[str, torch.Tensor], k: int, x: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Measure how much of the residuals' variance a dictionary explains.

    Parameters
    ----------
    sae : dict of str to torch.Tensor
    k : int
    x : numpy.ndarray, shape (token, d_model)
        Raw residuals.
    rows : numpy.ndarray of int
        Which tokens: no position 0, no outliers.

    Returns
    -------
    dict of str to float
        ``tokens``; ``fve``: 1 - sum |x - rebuilt|^2 / sum |x - mean|^2, the mean being that of
        these same tokens; ``l0``: mean count of activations above 0.
    """
    total, error, alive = 0.0, 0.0, 0
    mean = torch.stack([part.double().sum(0) for _, part in chunks(x, rows)]).sum(0) / len(rows)
    for _, part in chunks(x, rows):
        value, index = encode(sae, part, k)
        error += float((decode(sae, value, index) - part).double().square().sum())
        total += float((part.double() - mean).square().sum())
        alive += int((value > 0).sum())
    return {"tokens": len(rows), "fve": 1 - error / total, "l0": alive / len(rows)}


@torch.no_grad()
def pca_fve(k: int, train: np.ndarray, fit: np.ndarray, x: np.ndarray, rows: np.ndarray) -> float:
    """Measure the same with k principal components of the training tokens, as a floor."""
    sample = torch.from_numpy(train[fit[:: max(1, len(fit) // 100_000)]].astype(np.float32))
    centre = sample.mean(0)
    _, vectors = torch.linalg.eigh((sample - centre).T @ (sample - centre))
    top = vectors[:, -k:]
    part = torch.from_numpy(x[rows].astype(np.float32))
    rebuilt = (part - centre) @ top @ top.T + centre
    return 1 - float((rebuilt - part).square().sum() / (part - part.mean(0)).square().sum())


@torch.no_grad()
def agreement(
    a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], k: int, x: np.ndarray, rows: np.ndarray
) -> dict[str, float]:
    """Compare two dictionaries: how far one seed's features are another's.

    Parameters
    ----------
    a, b : dict of str to torch.Tensor
    k : int
    x, rows
        As in `fve`.

    Returns
    -------
    dict of str to float
        Per feature of a, its best match in b: mean and shares of the decoder cosine, of the
        correlation of activations over tokens, and of that correlation with tokens shuffled;
        share of mutual best matches.
    """
    cosine = a["W_dec"] @ b["W_dec"].T
    n = len(rows)
    n_features = cosine.shape[0]
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    cross, null = torch.zeros_like(cosine), torch.zeros_like(cosine)
    moments = torch.zeros(4, n_features, dtype=torch.float64)
    codes = [torch.cat([_dense(s, part, k).half() for _, part in chunks(x, rows)]) for s in (a, b)]
    for start in range(0, n, CHUNK):
        at = slice(start, start + CHUNK)
        za, zb = codes[0][at].float(), codes[1][at].float()
        cross += za.T @ zb
        null += za.T @ codes[1][shuffled[at]].float()
        moments += torch.stack(
            [za.sum(0), zb.sum(0), za.square().sum(0), zb.square().sum(0)]
        ).double()
    mean_a, mean_b, square_a, square_b = (moments / n).float()
    spread = torch.outer(
        (square_a - mean_a.square()).clamp(min=1e-8).sqrt(),
        (square_b - mean_b.square()).clamp(min=1e-8).sqrt(),
    )
    found = {"tokens": n}
    for name, matrix in (
        ("cosine", cosine),
        ("correlation", (cross / n - torch.outer(mean_a, mean_b)) / spread),
        ("correlation_shuffled", (null / n - torch.outer(mean_a, mean_b)) / spread),
    ):
        best, where = matrix.max(1)
        mutual = matrix.max(0).indices[where] == torch.arange(n_features)
        found |= {
            f"{name}_mean": float(best.mean()),
            f"{name}_above_0.5": float((best > 0.5).float().mean()),
            f"{name}_above_0.7": float((best > 0.7).float().mean()),
            f"{name}_mutual": float(mutual.float().mean()),
        }
    return found


def _dense(sae: dict[str, torch.Tensor], x: torch.Tensor, k: int) -> torch.Tensor:
    value, index = encode(sae, x, k)
    return torch.zeros(len(x), sae["W_enc"].shape[1]).scatter_(1, index, value)
