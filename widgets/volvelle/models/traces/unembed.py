"""What directions promote and suppress, where the unembedding is."""

from __future__ import annotations

from typing import Any

import nnsight
import torch

from volvelle.models.traces.sites import state_at

# Directions whose effects on the whole vocabulary are held at once: 100 MB of 50,000 tokens.
UNEMBEDDED_AT_ONCE = 512


def unembed(  # noqa: PLR0917 - a runner passes what follows the model by place
    lm: Any,
    inputs: dict[str, Any],
    paths: tuple[str, str, str],
    vectors: torch.Tensor,
    k: int,
    what: str = "both",
    *,
    backend: Any = None,
) -> list[torch.Tensor]:
    """Return the tokens that directions promote and suppress, where the weights are.

    Parameters
    ----------
    lm : nnsight TransformersModel
    inputs : dict
        Any one token: a trace begins with a forward pass, which ends at once here.
    paths : tuple of str
        Of the embedding, the final norm ("" for none) and the unembedding.
    vectors : torch.Tensor, float32, shape (n, d)
    k : int
        How many tokens each direction promotes, and how many it suppresses, strongest first.
    what : str
        ``"both"`` returns what `effects_of` does, ``"promoted"`` the ids (n, k) of what is
        promoted alone, int32.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        embed, norm, head = paths
        state_at(lm, embed, "output")
        weight = lm.get(head).weight
        gain, centred = gain_of(lm.get(norm) if norm else None, weight)
        here = vectors.to(weight.device).split(UNEMBEDDED_AT_ONCE)
        parts = [effects_of(rows, weight, gain, k, centred=centred) for rows in here]
        if what == "promoted":
            parts = [(ids.int(),) for ids, *_ in parts]
        found = nnsight.save([torch.cat(part).cpu() for part in zip(*parts, strict=True)])
        run.stop()
    return found


def gain_of(norm: Any, like: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Return a norm's gain (d,) and whether it subtracts the mean.

    Measured on the module: architectures disagree whether a stored 0 means a gain of 0 or 1.

    Parameters
    ----------
    norm : module, or None for a gain of 1
    like : torch.Tensor, shape (..., d)
        Its width, device and dtype are taken.
    """
    if norm is None:
        return like.new_ones(like.shape[-1]).float(), False
    # root mean square 1 and, but for an odd width, mean 0: both kinds of norm leave it alone
    probe = like.new_ones(like.shape[-1])
    probe[1::2] = -1
    gain = ((norm(probe[None]) - norm(-probe[None])) / (2 * probe)).float()[0]
    shifted = norm(torch.ones_like(probe)[None]) - norm(torch.zeros_like(probe)[None])
    return gain, bool(shifted.abs().max() < 0.5 * gain.abs().max())


def effects_of(
    vectors: torch.Tensor, weight: torch.Tensor, gain: torch.Tensor, k: int, *, centred: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what directions promote and suppress: ids and effects, each (n, k) twice."""
    if centred:
        vectors = vectors - vectors.mean(-1, keepdim=True)
    effects = ((vectors * gain).to(weight.dtype) @ weight.T).float()
    effects = effects - effects.mean(-1, keepdim=True)
    highest, promoted = effects.topk(k)
    lowest, suppressed = effects.topk(k, largest=False)
    return promoted, highest, suppressed, lowest
