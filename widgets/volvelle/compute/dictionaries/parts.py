"""What sparse autoencoders are made of, and scalings that move into their weights."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import torch

from volvelle.formulas.encoder import length
from volvelle.names import unknown

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
# The largest entry of a vector to encode: its square is still finite in float32.
LARGEST = 1e18
NORMALIZATIONS = ("none", "layer_norm", "constant_norm_rescale")

_TWO_PLACES = (
    "a transcoder writes at another place than it reads; for its directions alone take "
    "vv.Dictionary(W_dec, names, point='mlp_out.3')"
)
_BATCH = (
    "it picks the largest activations of a whole batch, in training only; what sae-lens saves for "
    "inference (save_inference_model) is a jumprelu SAE, which is read"
)
# architectures that exist elsewhere -> what they are, and the way out
NOT_READ: dict[str, str] = {
    "batchtopk": _BATCH,
    "matryoshka_batchtopk": _BATCH,
    "transcoder": _TWO_PLACES,
    "skip_transcoder": _TWO_PLACES,
    "jumprelu_transcoder": _TWO_PLACES,
    "jumprelu_skip_transcoder": _TWO_PLACES,
    "matching_pursuit": (
        "it picks features one after another by what the earlier ones left; for its directions "
        "alone take vv.Dictionary(W_dec, names, point='resid_post.14')"
    ),
    "temporal": (
        "its activations at a token depend on the tokens before it; for its directions alone take "
        "vv.Dictionary(W_dec, names, point='resid_post.14')"
    ),
}


def not_read(architecture: str) -> str:
    """Return the message for an architecture that is not read: what it is, and the way out."""
    if architecture in NOT_READ:
        return (
            f"architecture {architecture!r} is not read, read are {', '.join(ARCHITECTURES)}: "
            f"{NOT_READ[architecture]}"
        )
    return unknown("architecture", architecture, ARCHITECTURES)


# Whitespace a label could not show.
_SHOWN = str.maketrans({"\n": "↵", "\t": "⇥", "\r": "␍"})


def float32(tensor: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return a float32 tensor on the CPU, contiguous; a view where it already is one."""
    out = tensor if isinstance(tensor, torch.Tensor) else torch.tensor(np.asarray(tensor))
    return out.detach().to("cpu", torch.float32).contiguous()


def check_finite(numbers: torch.Tensor, what: str, most: float = math.inf) -> None:
    """Raise ValueError where an array holds NaN or infinity.

    Parameters
    ----------
    numbers : torch.Tensor, shape (..., n)
    what : str
        What the message calls it.
    most : float
        The largest size of an entry.
    """
    if not numbers.numel():
        return
    low, high = numbers.detach().aminmax()  # NaN where an entry is
    if -most <= float(low) and float(high) <= most and math.isfinite(float(high) - float(low)):
        return
    rows = numbers.detach().reshape(-1, numbers.shape[-1] if numbers.ndim else 1)
    bad = (~rows.isfinite().all(-1)).nonzero().reshape(-1)
    if len(bad):
        where = f" in {len(bad)} of {len(rows)} rows, first in row {int(bad[0])}"
        raise ValueError(f"{what} holds NaN or infinity{where if numbers.ndim > 1 else ''}")
    raise ValueError(
        f"{what} holds numbers as large as {max(abs(float(low)), float(high)):.2g}, expected at "
        f"most {most:.0e}: their squares are more than float32 holds"
    )


# Inputs are brought to a mean norm of sqrt(d_model): a factor beyond this is none.
LARGEST_SCALE = 1e30


def checked_scale(scale: float | None) -> float | None:
    """Return a ``norm_scaling_factor``, or say why it scales nothing.

    Raises
    ------
    ValueError
        For what is not above 0 and finite.
    """
    if scale is None:
        return None
    if (
        isinstance(scale, bool)
        or not isinstance(scale, Real)
        or not 0 < float(scale) < LARGEST_SCALE
    ):
        raise ValueError(
            f"norm_scaling_factor={scale!r} must be a number above 0 and under "
            f"{LARGEST_SCALE:g}: inputs are multiplied by it, sqrt(d_model) / mean input norm"
        )
    return float(scale)


def folded(
    weights: Mapping[str, torch.Tensor],
    *,
    by_decoder_norm: bool = False,
    input_scale: float | None = None,
    decoder_scale: torch.Tensor | None = None,
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
    decoder_scale : torch.Tensor, shape (n_features,), optional
        ``finetuning_scaling_factor``: activations are times this before they are decoded.

    Returns
    -------
    dict of str to torch.Tensor

    Notes
    -----
    *Source*: sae-lens, ``fold_W_dec_norm`` and ``fold_activation_norm_scaling_factor``,
    and ``apply_finetuning_scaling_factor`` of versions before 6.
    """
    out = dict(weights)
    if by_decoder_norm:
        norm = length(out["W_dec"]).squeeze(1)
        norm = torch.where(norm == 0, 1.0, norm)
        out["W_enc"] = out["W_enc"] * norm
        out["W_dec"] = out["W_dec"] / norm[:, None]
        out["b_enc"] = out["b_enc"] * norm
    if decoder_scale is not None:
        out["W_dec"] = out["W_dec"] * decoder_scale[:, None]
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
