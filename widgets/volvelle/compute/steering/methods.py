"""What can be done to states: the methods of a steer, their units and their own parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from volvelle.arguments.arrays import array
from volvelle.arguments.said import seen
from volvelle.compute.directions.directions import Direction, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable

UNITS = ("norm", "raw", "max_act")


@dataclass(frozen=True)
class Method:
    """What a method does, for docs, titles and controls.

    Attributes
    ----------
    formula : str
        The method's own h' at s = 1; s scales the change: h' = h + s * (method(h) - h).
    neutral : str
        The value of its own parameter that changes nothing.
    """

    formula: str
    neutral: str


METHODS: dict[str, Method] = {
    "add": Method("h + v", "strength 0"),
    "orthogonal": Method("h + (c - 1)(h.u)u", "c = 1"),
    "projection_cap": Method("h + (clip(h.u, min, max) - h.u)u", "min = -inf, max = inf"),
    "ablate": Method("h - (h.u)u", "strength 0"),
    "clamp": Method("h + decode(z') - decode(z), z' = z with z_f = target", "target = z_f"),
    "swap": Method("h + (h.u)(t - u)", "t = u"),
}

# What Neuronpedia and EasySteer call them.
ALIASES = {
    "additive": "add",
    "simple_additive": "add",
    "orthogonal_decomp": "orthogonal",
    "cap": "projection_cap",
}

# Which parameters of `Steer` belong to which method.
OWN = {
    "orthogonal": ("c",),
    "projection_cap": ("min", "max"),
    "clamp": ("target",),
    "swap": ("target",),
}


def nonzero(direction: Direction) -> None:
    """Raise ValueError for a direction of no length."""
    if direction.norm == 0:
        raise ValueError(f"direction {direction.name!r} is zero: it points nowhere")


def check_max_act(method: str, directions: Iterable[Direction]) -> None:
    """Raise ValueError where a strength cannot count a feature's largest activation."""
    if method not in ("add", "clamp"):
        raise ValueError(f"unit 'max_act' is for add and clamp, not for {method!r}")
    for direction in directions:
        if not direction.a_max:
            if direction.a_max is not None:
                raise ValueError(
                    f"unit 'max_act' counts the largest activation of {direction.name!r}, which is "
                    "0: it was never seen active; use unit 'norm' or 'raw'"
                )
            raise ValueError(
                f"unit 'max_act' needs the largest activation of {direction.name!r}, which "
                "only SAE features carry; use unit 'norm' or 'raw'"
            )


def check_swap(target: object, directions: Iterable[Direction]) -> None:
    """Raise for what cannot be swapped in, or not for these directions."""
    if not isinstance(target, Direction):
        raise TypeError(f"swap needs target=, the Direction to swap in, not {seen(target)}")
    nonzero(target)
    for direction in directions:
        if direction.d_model != target.d_model:
            raise ValueError(
                f"target {target.name!r} is {target.d_model}-dimensional, {direction.name!r} has "
                f"{direction.d_model}; swap directions of one model"
            )


def check_clamp(target: object, directions: Iterable[Direction]) -> None:
    """Raise for what cannot be clamped, or not there."""
    chosen = list(directions)
    for direction in chosen:
        if not isinstance(direction, Feature):
            raise TypeError(
                f"clamp sets a feature of an SAE, and {direction.name!r} is a plain direction; "
                "take sae.feature(i), or cap the projection with method 'projection_cap'"
            )
    if target is None:
        raise ValueError("clamp needs target=, the activation to hold the feature at")
    levels = array(target, "target")
    if levels.shape not in ((), (len(chosen),)) or not np.isfinite(levels).all():
        raise ValueError(
            f"target={seen(target)} is not one finite activation, nor one for each of the "
            f"{len(chosen)} features"
        )


def check_cap(low: object, high: object) -> tuple[float, float]:
    """Return the bounds of a projection cap, infinite where there are none.

    Raises
    ------
    ValueError, TypeError
        For what is no number, bounds that cross, and those nothing can lie between.
    """
    bounds = [
        free if given is None else _number(given, name)
        for name, given, free in (("min", low, -math.inf), ("max", high, math.inf))
    ]
    for name, bound, never in (("min", bounds[0], math.inf), ("max", bounds[1], -math.inf)):
        if math.isnan(bound) or bound == never:
            raise ValueError(f"{name}={bound} bounds nothing; give a number, or leave it out")
    if bounds[0] > bounds[1]:
        raise ValueError(f"min={low} is above max={high}")
    return bounds[0], bounds[1]


def finite(number: object, what: str) -> float:
    """Return a finite number, or say what came instead."""
    value = _number(number, what)
    if not math.isfinite(value):
        raise ValueError(f"{what}={value} is not finite")
    return value


def _number(number: object, what: str) -> float:
    try:
        return float(cast("Any", number))
    except (TypeError, ValueError):
        raise TypeError(f"{what}={number!r} is not a number") from None
