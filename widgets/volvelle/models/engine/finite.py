"""What is said where a model gives NaN or infinity in the place of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volvelle.models.engine.facts import Facts

# The largest number of half precision.
LARGEST = 65_504


class NotFinite(ValueError):  # noqa: N818 - named after what is wrong
    """States or logits of a model hold NaN or infinity."""


def called(nan: bool) -> str:
    """Return what a state that is not finite holds."""
    return "NaN" if nan else "infinite"


def broken_weight(module: Any) -> str:
    """Return what of a model's weights is not finite, "" where all is, or where they are not here.

    A look at every weight (135 million: .1 s), so for failures only.
    """
    for name, weight in [*module.named_parameters(), *module.named_buffers()]:
        if weight.is_meta or not weight.is_floating_point():
            continue
        low, high = weight.detach().aminmax() if weight.numel() else (weight.sum(),) * 2
        # buffers hold minus infinity where a mask rules something out
        if bool(low.isnan()) or bool(high.isinf()):
            n = int((~weight.detach().isfinite()).sum())
            return f"{name} holds NaN or infinity ({n:,} of {weight.numel():,} numbers)"
    return ""


def cause_of(model: Facts, *, remote: bool, ratio: float | None = None) -> str:
    """Return the likely cause of what is not finite, and the way out.

    Parameters
    ----------
    model : Facts
    remote : bool
        Whether its weights are on a server.
    ratio : float, optional
        Of a steered text, the largest |delta|/|h|.
    """
    import torch

    lm = model.nnsight
    if not remote and (broken := broken_weight(lm._module)):  # noqa: SLF001 - nnsight's name
        return f"its weight {broken}; load it again, from files that are whole"
    out, size = [], ""
    if ratio is not None:
        size = f"the steer is {ratio:.2g} times as long as the state (|delta|/|h|)"
        out.append("take a smaller strength")
    half = not remote and lm.dtype == torch.float16
    if half:
        size = f"float16 holds no number above {LARGEST:,}{size and f', and {size}'}"
        out.append("load the model with dtype='bfloat16' or dtype='float32'")
    if remote:
        size = size or "weights that hold NaN, or an overflow in the server's precision"
        out.append("ask whoever runs the server, or load the model here")
    if not size:
        size = f"an overflow within the model, in {str(lm.dtype).removeprefix('torch.')}"
        out.append("load the model with dtype='float32', or from other files")
    return f"likely cause: {size}; {' or '.join(out)}"
