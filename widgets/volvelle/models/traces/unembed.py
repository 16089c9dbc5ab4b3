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
    paths: tuple[str, str, str, str],
    vectors: torch.Tensor,
    k: int,
    what: str = "both",
    scale: float = 1.0,
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
        Of the embedding, the final norm ("" for none), the unembedding and what brings states
        to its width ("" for none).
    vectors : torch.Tensor, float32, shape (n, d)
    k : int
        How many tokens each direction promotes, and how many it suppresses, strongest first.
    what : str
        ``"both"`` returns what `effects_of` does, ``"promoted"`` the ids (n, k) of what is
        promoted alone, int32.
    scale : float
        What logits are multiplied with.
    backend : nnsight Backend, optional
        What takes the request to a server; without it the trace runs here.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        embed, norm, head, project = paths
        state_at(lm, embed, "output")
        weight = lm.get(head).weight
        narrow = lm.get(project).weight if project else None
        gain, centred = gain_of(lm.get(norm) if norm else None, like(vectors, weight))
        here = vectors.to(weight.device).split(UNEMBEDDED_AT_ONCE)
        parts = [
            effects_of(rows, weight, gain * scale, k, centred=centred, narrow=narrow)
            for rows in here
        ]
        if what == "promoted":
            parts = [(ids.int(),) for ids, *_ in parts]
        found = nnsight.save([torch.cat(part).cpu() for part in zip(*parts, strict=True)])
        run.stop()
    return found


def like(vectors: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return one row as wide as vectors, where and as precise as the unembedding."""
    return weight.new_ones(1, vectors.shape[-1])


def gain_of(norm: Any, row: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Return a norm's gain (d,) and whether it subtracts the mean.

    Measured on the module: architectures disagree whether a stored 0 means a gain of 0 or 1.

    Parameters
    ----------
    norm : module, or None for a gain of 1
    row : torch.Tensor, shape (..., d)
        Its width, device and dtype are taken.
    """
    if norm is None:
        return row.new_ones(row.shape[-1]).float(), False
    # root mean square 1 and, but for an odd width, mean 0: both kinds of norm leave it alone
    probe = row.new_ones(row.shape[-1])
    probe[1::2] = -1
    gain = ((norm(probe[None]) - norm(-probe[None])) / (2 * probe)).float()[0]
    shifted = norm(torch.ones_like(probe)[None]) - norm(torch.zeros_like(probe)[None])
    return gain, bool(shifted.abs().max() < 0.5 * gain.abs().max())


def effects_of(
    vectors: torch.Tensor,
    weight: torch.Tensor,
    gain: torch.Tensor,
    k: int,
    *,
    centred: bool,
    narrow: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what directions promote and suppress: ids and effects, each (n, k) twice.

    Parameters
    ----------
    vectors : torch.Tensor, shape (n, d)
    weight : torch.Tensor, shape (vocabulary, e)
        Of the unembedding.
    gain : torch.Tensor, shape (d,)
        Of the final norm, times what logits are multiplied with.
    k : int
    centred : bool
        Whether the final norm subtracts the mean.
    narrow : torch.Tensor, shape (e, d), optional
        What brings states to the width of the unembedding, where that is another.
    """
    if centred:
        vectors = vectors - vectors.mean(-1, keepdim=True)
    normed = (vectors * gain).to(weight.dtype)
    if narrow is not None:
        normed = normed @ narrow.to(weight.dtype).T
    effects = (normed @ weight.T).float()
    effects = effects - effects.mean(-1, keepdim=True)
    highest, promoted = effects.topk(k)
    lowest, suppressed = effects.topk(k, largest=False)
    return promoted, highest, suppressed, lowest
