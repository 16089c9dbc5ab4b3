"""What a trace needs to read features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from volvelle.compute.dictionaries.encode import options_of

if TYPE_CHECKING:
    from volvelle.compute.directions.directions import Direction


def reader(feature: Direction) -> dict[str, Any]:
    """Return what `formulas.steering.read` needs to see a feature's activation, or a projection."""
    sae = getattr(feature, "sae", None)
    if sae is None:
        unit = torch.from_numpy(np.ascontiguousarray(feature.unit, dtype=np.float32))
        return {"kind": "projection", "units": unit[None]}
    return sae_reader(sae, (feature.index,))  # type: ignore[attr-defined]


def sae_reader(sae: Any, features: tuple[int, ...]) -> dict[str, Any]:
    """Return the encoder of some features; the top-k kinds need every column."""
    index = torch.tensor(features)
    weights = {name: sae.weights[name] for name in sae.weights if name != "W_dec"}
    if not sae.is_top_k:
        columns = {"W_enc", "b_enc", "threshold", "b_gate", "b_mag", "r_mag"}
        weights = {
            name: value[..., index] if name in columns else value for name, value in weights.items()
        }
    return {
        "kind": "sae",
        "weights": weights,
        "options": options_of(sae),
        "features": index if sae.is_top_k else None,
    }
