"""Circles as arrays and plain values, and back."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from volvelle.compute.circles.circle import Agreement, FittedCircle
from volvelle.compute.circles.fit import circle_from_plane
from volvelle.compute.circles.layers import LayerScores
from volvelle.compute.circles.null import Null
from volvelle.compute.circles.planes import Plane
from volvelle.compute.directions.directions import Dictionary

# Raised when the layout changes; older versions stay readable. Version 1 holds no shuffles within
# quadrants, and its supervised scores are correlations, blind to rotation: see `_renewed`.
# Version 2 does not say whether a layer was named, nor what its score is worth among all of them.
VERSION = 3

_LAYER_ARRAYS = ("score", "limit", "explained", "axes", "axes_limit", "best")
_NULL_ARRAYS = ("shuffled", "random", "best", "within")
_NULL_TOLD = ("n_tried", "orders", "by_hand")
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
        told |= {name: getattr(circle.null, name) for name in _NULL_TOLD}
        arrays |= {f"null.{name}": getattr(circle.null, name) for name in _NULL_ARRAYS}
    if layers is not None:
        told["layers"] = {k: getattr(layers, k) for k in ("points", "picked", "method")}
        arrays |= {f"layers.{name}": getattr(layers, name) for name in (*_LAYER_ARRAYS, "largest")}
    kept = {k: np.ascontiguousarray(v) for k, v in arrays.items() if v is not None}
    return kept, told


def from_parts(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a circle, its layers among them."""
    null = layers = None
    if "null.shuffled" in arrays:
        parts: dict[str, Any] = {name: arrays.get(f"null.{name}") for name in _NULL_ARRAYS}
        found_by = {name: told[name] for name in _NULL_TOLD if name in told}
        null = Null(score=told["score"], **found_by, **parts)
    if "layers" in told:
        said: dict[str, Any] = {name: arrays[f"layers.{name}"] for name in _LAYER_ARRAYS}
        said |= {**told["layers"], "points": tuple(told["layers"]["points"])}
        layers = LayerScores(**said, largest=arrays.get("layers.largest"))
        if null is not None and null.best is None and "by_hand" not in told:
            null = replace(null, by_hand=layers.n_tried)
    agreement: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in told["agreement"].items()
    }
    vectors = Dictionary(arrays["vectors"], told["names"], told["point"], told["source"])
    found = {
        **{name: arrays.get(name) for name in _ARRAYS},
        **{name: told[name] for name in _TOLD},
        "dictionary": vectors,
        "null": null,
        "agreement": Agreement(**agreement),
        "axis_names": tuple(told["axis_names"]),
        "layers": layers,
    }
    return found if told["version"] > 1 or null is None else _renewed(found, null)


def _renewed(found: dict[str, Any], null: Null) -> dict[str, Any]:
    """Return the fields of a circle of version 1 with the nulls and scores of this one.

    A supervised fit is scored again at its own layer. The other layers' vectors are not in the
    file: their scores are dropped, and with them the p that paid for the choice.
    """
    again = circle_from_plane(
        found["dictionary"],
        Plane(found["mean"], found["plane"], found["explained"], found["orientation"]),
        np.radians(found["reference"]),
        found["method"],
        n_null=len(null.shuffled),
        seed=int(found["details"].get("seed", 0)),
    )
    assert again.null is not None  # noqa: S101 - there is a reference
    if found["method"] != "ridge":
        kept = replace(null, within=again.null.within, orders=again.null.orders)
        return {**found, "null": kept, "agreement": again.agreement}
    details = {**found["details"], "scored_again": "by mean cosine, one layer, from version 1"}
    return {
        **found,
        "score": again.score,
        # nothing pays for the layer any more
        "null": replace(
            again.null, by_hand=null.n_tried if null.best is not None else null.by_hand
        ),
        "agreement": again.agreement,
        "layers": None,
        "details": details,
    }
