"""What sparse autoencoders are made of, and scalings that move into their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from volvelle.formulas.encoder import length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# architecture -> the tensors it is made of, beyond W_enc, W_dec and b_dec
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "abstopk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "b_mag", "r_mag"),
}
TOP_K = ("topk", "abstopk")
NORMALIZATIONS = ("none", "layer_norm", "constant_norm_rescale")

# Whitespace a label could not show.
_SHOWN = str.maketrans({"\n": "↵", "\t": "⇥", "\r": "␍"})


def float32(tensor: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return a float32 tensor on the CPU, contiguous; a view where it already is one."""
    out = tensor if isinstance(tensor, torch.Tensor) else torch.tensor(np.asarray(tensor))
    return out.detach().to("cpu", torch.float32).contiguous()


def folded(
    weights: Mapping[str, torch.Tensor],
    *,
    by_decoder_norm: bool = False,
    input_scale: float | None = None,
) -> dict[str, torch.Tensor]:
    """Move scalings of input and activations into the weights.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        Canonical orientation.
    by_decoder_norm : bool
        ``rescale_acts_by_decoder_norm``: activations are times, and decoding divides by, the
        length of a feature's decoder row. Folded, decoder rows have length one, so that
        activation times row is still what the feature writes.
    input_scale : float, optional
        ``norm_scaling_factor``: the SAE was trained on x times this.

    Returns
    -------
    dict of str to torch.Tensor

    Notes
    -----
    *Source*: sae-lens, ``fold_W_dec_norm`` and ``fold_activation_norm_scaling_factor``.
    """
    out = dict(weights)
    if by_decoder_norm:
        norm = length(out["W_dec"]).squeeze(1)
        norm = torch.where(norm == 0, 1.0, norm)
        out["W_enc"] = out["W_enc"] * norm
        out["W_dec"] = out["W_dec"] / norm[:, None]
        out["b_enc"] = out["b_enc"] * norm
    if input_scale is not None:
        out["W_enc"] = out["W_enc"] * input_scale
        out["W_dec"] = out["W_dec"] / input_scale
        out["b_dec"] = out["b_dec"] / input_scale
    return out


def readable(tokens: Sequence[str]) -> list[str]:
    """Return tokens as a label shows them, each once.

    Spaces around a token are left out, newlines and tabs become signs, a token of spaces alone
    is shown as ``␣``.
    """
    shown = (token.translate(_SHOWN).strip(" ") or "␣" * len(token) for token in tokens if token)
    return list(dict.fromkeys(shown))
