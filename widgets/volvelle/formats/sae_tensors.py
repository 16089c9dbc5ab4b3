"""Named tensors to a canonical SAE: orientation by shape, and everything checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from volvelle.arguments.said import seen
from volvelle.compute.dictionaries.parts import ARCHITECTURES, TOP_K, not_read
from volvelle.formats.left_over import refuse_left_over
from volvelle.formats.told import held

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# What a tensor means that the architecture at hand does not have, and the way out.
ODD = {
    "threshold": (
        "features below it are off, and this architecture has none; "
        "write SAE.load(..., architecture='jumprelu')"
    ),
    "log_threshold": (
        "it is a JumpReLU's threshold as training keeps it; save the SAE for inference, or hand "
        "over threshold = exp(log_threshold)"
    ),
    "W_skip": (
        "a skip transcoder adds W_skip x to what it writes, and volvelle reads SAEs, which have "
        "none; for its directions alone take vv.Dictionary(W_dec, names, point='mlp_out.3')"
    ),
    "b_dec_out": (
        "a transcoder writes at another place than it reads, and volvelle reads SAEs, which write "
        "where they read; for its directions alone take "
        "vv.Dictionary(W_dec, names, point='mlp_out.3')"
    ),
    "norm_scaling_factor": (
        "it scales inputs, and the configuration does not say that they are scaled; "
        "write SAE.load(..., norm_scaling_factor=...)"
    ),
    "scaling_factor": (
        "it scales activations before they are decoded, and a configuration must say so "
        "(finetuning_scaling_factor: true); fold it in: W_dec * scaling_factor[:, None]"
    ),
}
ODD["finetuning_scaling_factor"] = ODD["scaling_factor"]


def guess_architecture(tensors: Mapping[str, Any], k: int | None) -> str:
    """Return the architecture that these tensors (and a k) are made for."""
    if "r_mag" in tensors:
        return "gated"
    if "threshold" in tensors:
        return "jumprelu"
    return "topk" if k is not None else "standard"


def canonical(
    tensors: Mapping[str, Any],
    architecture: str,
    k: int | None,
    source: str,
    *,
    also: Collection[str] = (),
    ignore: Collection[str] = (),
) -> dict[str, torch.Tensor]:
    """Return the tensors of an architecture in canonical orientation, float32.

    Parameters
    ----------
    tensors : mapping of str to array or tensor
        Any float dtype; `W_enc` and `W_dec` in either orientation.
    architecture : str
        One of `ARCHITECTURES`.
    k : int or None
        Checked for the top-k kinds.
    source : str
        What error messages call it.
    also : collection of str
        Tensors that the caller reads itself.
    ignore : collection of str
        Tensors that may be there and do not matter.

    Returns
    -------
    dict of str to torch.Tensor
        ``W_enc`` (d_model, n_features), ``W_dec`` (n_features, d_model) and biases.

    Raises
    ------
    ValueError
        For an unknown architecture, a missing or misshapen tensor, one that is not read, NaN,
        or no k.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"{source}: {not_read(architecture)}")
    wanted = ("W_enc", "W_dec", "b_dec", *ARCHITECTURES[architecture])
    if missing := [name for name in wanted if name not in tensors]:
        raise ValueError(
            f"{source} lacks {' and '.join(missing)}; a {architecture} SAE has "
            f"{', '.join(wanted)}, here are {seen(sorted(map(str, tensors)))}"
        )
    refuse_left_over(
        tensors, {*wanted, *also}, kind="tensor", source=source, reasons=ODD, ignore=ignore
    )
    found = {name: _tensor(tensors[name], name, source) for name in wanted}
    biases = ARCHITECTURES[architecture]
    n_features = found[biases[0]].numel()
    d_model = found["b_dec"].numel()
    if not n_features or not d_model:
        raise ValueError(f"{source}: an SAE of {n_features} features and width {d_model} is empty")
    for name in biases:
        found[name] = _shaped(found[name].reshape(-1), (n_features,), name, source)
    found["b_dec"] = _shaped(found["b_dec"].reshape(-1), (d_model,), "b_dec", source)
    found["W_enc"] = _turned(found["W_enc"], (d_model, n_features), "W_enc", source)
    found["W_dec"] = _turned(found["W_dec"], (n_features, d_model), "W_dec", source)
    if architecture in TOP_K:
        _check_k(k, n_features, architecture, source)
    return found


def is_one(scale: torch.Tensor) -> bool:
    """Return whether a tensor of scales changes nothing."""
    return torch.allclose(scale, torch.ones_like(scale))


def _check_k(k: int | None, n_features: int, architecture: str, source: str) -> None:
    if k is None:
        raise ValueError(f"{source}: a {architecture} SAE needs k=, its features per token")
    held(k, f"{source}: k", "a whole number")
    if not 1 <= k <= n_features:
        raise ValueError(f"{source}: k={k} is outside 1...{n_features}, its number of features")


def _tensor(value: Any, name: str, source: str) -> torch.Tensor:
    """Return float32, refusing what is no number."""
    try:
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(np.asarray(value))
        tensor = tensor.detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{source}: {name} is a {type(value).__name__}, expected an array of floats"
        ) from error
    if not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(
            f"{source}: {name} holds {bad} NaN or infinite values of {tensor.numel()}; "
            "the file is damaged, or overflowed when it was written in half precision"
        )
    if tensor.ndim and not torch.isfinite(tensor.abs().sum(-1)).all():
        raise ValueError(f"{source}: {name} holds values so large that their sums overflow")
    return tensor


def _turned(matrix: torch.Tensor, shape: tuple[int, int], name: str, source: str) -> torch.Tensor:
    """Return a matrix in the given shape, transposed where only that fits."""
    if matrix.shape != shape and matrix.T.shape == shape:
        matrix = matrix.T
    return _shaped(matrix, shape, name, source)


def _shaped(tensor: torch.Tensor, shape: tuple[int, ...], name: str, source: str) -> torch.Tensor:
    if tensor.shape != shape:
        d_and_s = "" if len(shape) == 1 else " (from the lengths of the biases), in either order"
        raise ValueError(
            f"{source}: {name} has shape {tuple(tensor.shape)}, expected {shape}{d_and_s}"
        )
    return tensor
