"""A sparse autoencoder as formulas.

Torch only, nothing of volvelle: it takes tensors and plain values, keeps gradients, and travels
to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

# sae-lens adds this to the standard deviation before dividing by it.
LAYER_NORM_EPS = 1e-5


def normalise(
    x: torch.Tensor, how: str
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Bring vectors to the scale an SAE was trained at.

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
    how : str
        ``"none"``, ``"layer_norm"`` ((x - mean) / (std + 1e-5), std with n - 1) or
        ``"constant_norm_rescale"`` (x * sqrt(d) / |x|).

    Returns
    -------
    x, scale, shift : torch.Tensor or None
        ``x * scale + shift`` undoes it; None where there is nothing to undo.

    Notes
    -----
    Source: sae-lens, ``SAE.run_time_activation_norm_fn_in`` and ``_out``.
    """
    if how == "layer_norm":
        shift = x.mean(-1, keepdim=True)
        scale = (x - shift).std(-1, keepdim=True)
        return (x - shift) / (scale + LAYER_NORM_EPS), scale, shift
    if how == "constant_norm_rescale":
        scale = length(x) / x.shape[-1] ** 0.5
        return x / scale, scale, None
    return x, None, None


def length(x: torch.Tensor) -> torch.Tensor:
    """Return the length of vectors (..., d), shape (..., 1)."""
    # torch gives it no types
    return x.norm(dim=-1, keepdim=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def pre_activations(
    x: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    subtract_b_dec: bool,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return ``(x - b_dec) W_enc + b_enc``, without ``b_enc`` where there is none (gated).

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
        Already normalised.
    weights : mapping of str to torch.Tensor
        ``W_enc`` (d_model, n), ``b_dec`` (d_model,), ``b_enc`` (n,).
    subtract_b_dec : bool
        Whether the SAE was trained on ``x - b_dec``.
    out : torch.Tensor, shape (n_rows, n), optional
        Memory to write into, used again and again for a long text.

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if subtract_b_dec:
        x = x - weights["b_dec"]
    rows = x.reshape(-1, x.shape[-1])
    if "b_enc" in weights:
        pre = torch.addmm(weights["b_enc"], rows, weights["W_enc"], out=out)
    else:
        pre = torch.mm(rows, weights["W_enc"], out=out)
    return pre.view(*x.shape[:-1], pre.shape[-1])


def activate(
    pre: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    architecture: str,
    cut: torch.Tensor | None = None,
) -> torch.Tensor:
    """Turn pre-activations into feature activations.

    Parameters
    ----------
    pre : torch.Tensor, shape (..., n)
    weights : mapping of str to torch.Tensor
        ``threshold`` (n,) for jumprelu; ``b_gate``, ``r_mag``, ``b_mag`` (n,) for gated.
    architecture : str
        ``"standard"``, ``"topk"``, ``"abstopk"``, ``"jumprelu"`` or ``"gated"``.
    cut : torch.Tensor, shape (..., 1), for the top-k kinds
        What a pre-activation (for abstopk its size) must reach to be among the k largest;
        all that equal the k-th are kept.

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if architecture == "jumprelu":
        return pre.relu() * (pre > weights["threshold"])
    if architecture == "gated":
        size = (pre * weights["r_mag"].exp() + weights["b_mag"]).relu()
        return size * (pre + weights["b_gate"] > 0)
    if cut is None:
        return pre.relu()
    if architecture == "topk":
        return pre.relu() * (pre >= cut)
    if architecture == "abstopk":
        return pre * (pre.abs() >= cut)
    return pre.relu()


def kth_largest(pre: torch.Tensor, k: int, architecture: str) -> torch.Tensor:
    """Return each row's k-th largest pre-activation (abstopk: by size), the cut of `activate`.

    Parameters
    ----------
    pre : torch.Tensor, shape (..., n)
    k : int
        More than n keeps everything.
    architecture : str
        ``"topk"`` or ``"abstopk"``.

    Returns
    -------
    torch.Tensor, shape (..., 1)
    """
    score = pre.abs() if architecture == "abstopk" else pre
    return score.topk(min(k, pre.shape[-1]), dim=-1, sorted=False).values.amin(-1, keepdim=True)


def encode(
    x: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    architecture: str,
    k: int | None = None,
    normalize: str = "none",
    subtract_b_dec: bool = True,
) -> torch.Tensor:
    """Encode vectors into dense feature activations.

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
    weights : mapping of str to torch.Tensor
        Canonical orientation, see `pre_activations` and `activate`.
    architecture : str
    k : int
        For the top-k kinds.
    normalize : str
        See `normalise`.
    subtract_b_dec : bool
        ``apply_b_dec_to_input`` of the SAE.

    Returns
    -------
    torch.Tensor, shape (..., n_features)
    """
    pre = pre_activations(normalise(x, normalize)[0], weights, subtract_b_dec=subtract_b_dec)
    if architecture in ("topk", "abstopk") and k is not None:
        return activate(pre, weights, architecture, kth_largest(pre, k, architecture))
    return activate(pre, weights, architecture)


def decode(
    z: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    scale: torch.Tensor | None = None,
    shift: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return ``z W_dec + b_dec``, brought back by ``* scale + shift`` of `normalise`."""
    x = z @ weights["W_dec"] + weights["b_dec"]
    if scale is not None:
        x = x * scale
    return x if shift is None else x + shift
