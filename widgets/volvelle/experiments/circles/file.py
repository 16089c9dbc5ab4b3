"""Circles as arrays and plain values, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from volvelle.compute.circles.circle import Agreement, FittedCircle
from volvelle.compute.circles.layers import LayerScores
from volvelle.compute.circles.null import Null
from volvelle.compute.directions.directions import Dictionary

# Raised when the layout changes; older versions stay readable.
VERSION = 1

_LAYER_ARRAYS = ("score", "limit", "explained", "axes", "axes_limit", "best")
_NULL_ARRAYS = ("shuffled", "random", "best")
_TOLD = ("score", "explained", "method", "orientation", "details")
_ARRAYS = ("mean", "plane", "angles", "radii", "reference", "spread")


def to_parts(
    circle: FittedCircle, layers: LayerScores | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a circle, and what is told in words and numbers."""
    arrays: dict[str, np.ndarray | None] = {"vectors": circle.dictionary.vectors}
    arrays |= {name: getattr(circle, name) for name in _ARRAYS}
    told: dict[str, Any] = {
        "version": VERSION,
        "names": circle.names,
        "point": str(circle.point),
        "source": circle.dictionary.source,
        **{name: getattr(circle, name) for name in _TOLD},
        "agreement": {f.name: getattr(circle.agreement, f.name) for f in fields(Agreement)},
        "axis_names": circle.axis_names,
    }
    if circle.null is not None:
        told["n_tried"] = circle.null.n_tried
        arrays |= {f"null.{name}": getattr(circle.null, name) for name in _NULL_ARRAYS}
    if layers is not None:
        told["layers"] = {k: getattr(layers, k) for k in ("points", "picked", "method")}
        arrays |= {f"layers.{name}": getattr(layers, name) for name in _LAYER_ARRAYS}
    kept = {k: np.ascontiguousarray(v) for k, v in arrays.items() if v is not None}
    return kept, told


def from_parts(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a circle, its layers among them."""
    null = layers = None
    if "null.shuffled" in arrays:
        parts: dict[str, Any] = {name: arrays.get(f"null.{name}") for name in _NULL_ARRAYS}
        null = Null(score=told["score"], n_tried=told["n_tried"], **parts)
    if "layers" in told:
        said: dict[str, Any] = {name: arrays[f"layers.{name}"] for name in _LAYER_ARRAYS}
        said |= {**told["layers"], "points": tuple(told["layers"]["points"])}
        layers = LayerScores(**said)
    agreement: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in told["agreement"].items()
    }
    vectors = Dictionary(arrays["vectors"], told["names"], told["point"], told["source"])
    return {
        **{name: arrays.get(name) for name in _ARRAYS},
        **{name: told[name] for name in _TOLD},
        "dictionary": vectors,
        "null": null,
        "agreement": Agreement(**agreement),
        "axis_names": tuple(told["axis_names"]),
        "layers": layers,
    }
