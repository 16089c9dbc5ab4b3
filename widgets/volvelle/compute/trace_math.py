"""Formulas that also run inside a trace: torch only, nothing of volvelle.

What travels to a remote server is this module and the trace module of `models`; so it imports
neither numpy nor any other room, takes tensors and plain values, and keeps gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

# sae-lens adds this to the standard deviation before dividing by it.
LAYER_NORM_EPS = 1e-5


# -- sparse autoencoder ----------------------------------------------------------------------


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
        scale = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
        return x / scale, scale, None
    return x, None, None


def pre_activations(
    x: torch.Tensor, weights: Mapping[str, torch.Tensor], *, subtract_b_dec: bool
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

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if subtract_b_dec:
        x = x - weights["b_dec"]
    if "b_enc" not in weights:
        return x @ weights["W_enc"]
    rows = x.reshape(-1, x.shape[-1])
    pre = torch.addmm(weights["b_enc"], rows, weights["W_enc"])
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
        What a pre-activation (for abstopk its size) must reach to be among the k largest.

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if architecture == "jumprelu":
        return pre.relu() * (pre > weights["threshold"])
    if architecture == "gated":
        size = (pre * weights["r_mag"].exp() + weights["b_mag"]).relu()
        return size * (pre + weights["b_gate"] > 0)
    if architecture == "topk":
        return pre.relu() * (pre >= cut)
    if architecture == "abstopk":
        return pre * (pre.abs() >= cut)
    return pre.relu()


def keep_largest(pre: torch.Tensor, k: int, architecture: str) -> torch.Tensor:
    """Return the k largest pre-activations of each row in place, everything else zero.

    Parameters
    ----------
    pre : torch.Tensor, shape (..., n)
    k : int
        More than n keeps everything.
    architecture : str
        ``"topk"`` (largest, then relu) or ``"abstopk"`` (largest by size, sign kept).
    """
    score = pre.abs() if architecture == "abstopk" else pre
    index = score.topk(min(k, pre.shape[-1]), dim=-1, sorted=False).indices
    kept = pre.gather(-1, index)
    if architecture == "topk":
        kept = kept.relu()
    return torch.zeros_like(pre).scatter(-1, index, kept)


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
        return keep_largest(pre, k, architecture)
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
