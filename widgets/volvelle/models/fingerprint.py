"""What tells one model from another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from volvelle.models.model import Model


def fingerprint(model: Model) -> str:
    """Return a hash that tells one model from another, whatever both are called.

    Name, sizes and a few numbers of what it makes of a sentence; a model on another
    machine is known by its name and sizes.
    """
    told: list[object] = [model.name, model.n_layers, model.d_model]
    told.append(str(getattr(model, "revision", "")))
    probe = getattr(model, "fingerprint", None)
    if probe is not None:
        told.append(probe() if callable(probe) else probe)
    elif not model.remote:
        point = f"resid_post.{model.n_layers - 1}"
        state = model.capture(["The sun and the rain."], [point], positions="mean")[point][0]
        # three digits: what threads and batch sizes leave alone
        told.append([f"{x:.2e}" for x in (np.abs(state).mean(), state.std(), *state[:6])])
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:16]
