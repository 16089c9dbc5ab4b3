"""Steers: directions with a strength, a method and a place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.directions import Dictionary, Direction, Feature
from volvelle.compute.directions.points import Point
from volvelle.compute.steering.parts import Part, clamp_parts, direction_parts
from volvelle.compute.steering.where import When, Where
from volvelle.names import known_keywords_in, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["METHODS", "UNITS", "HeadScale", "Method", "Steer", "When", "Where"]

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


@known_keywords_in
@dataclass(frozen=True, eq=False)
class Steer:
    """A direction with a strength, a method and a place to act.

    Every method is ``h' = h + s * (method(h) - h)``: strength s = 0 is off.

    Parameters
    ----------
    direction : Direction, Feature, Dictionary, or several
        What to turn. Several act one after the other with the same strength (a control vector:
        one per layer); ablating or rescaling several at one point acts on their span.
    strength : float
        s, any finite number. `volvelle.steer` multiplies it by each of its strengths.
    unit : "norm", "raw" or "max_act"
        What s counts for method "add": ``norm`` multiples of the point's median residual norm,
        along the unit vector; ``raw`` the vector as given; ``max_act`` the feature's largest
        activation times its decoder row (SAE features only). Also the unit of a projection
        cap's bounds (norm, raw) and of a clamp's target (activations; with max_act, multiples
        of the feature's largest activation).
    method : str
        ``add`` h + v; ``orthogonal`` h + (c - 1)(h.u)u, neutral c = 1; ``projection_cap``
        h + (clip(h.u, min, max) - h.u)u; ``ablate`` h - (h.u)u; ``clamp`` sets an SAE feature
        to `target` in delta form, so that the SAE's error cancels; ``swap`` h + (h.u)(t - u)
        with t the unit vector of `target`. u is the direction's unit vector. Neuronpedia's
        SIMPLE_ADDITIVE, ORTHOGONAL_DECOMP and PROJECTION_CAP are understood.
    where : Where
        The tokens it touches; special tokens and position 0 are left out unless asked for.
    c : float
        Factor of method orthogonal; 0 removes the component.
    min, max : float
        Bounds of method projection_cap; infinite ones are neutral.
    target : float, sequence of float, or Direction
        Activation of method clamp (one per feature, or one for all); direction t of swap.
    name : str, optional
        What a reader calls it; the directions' names by default.

    Raises
    ------
    ValueError, TypeError
        For what cannot steer: zero directions, unknown units, parameters of another method.

    Notes
    -----
    *Source*: Neuronpedia's and EasySteer's methods; the formulas are in `trace_math`.
    """

    direction: Any
    strength: float = 1.0
    unit: str = "norm"
    method: str = "add"
    where: Where = field(default_factory=Where)
    c: float | None = None
    min: float | None = None
    max: float | None = None
    target: Any = None
    name: str = ""
    # set by placebo(): what is written instead of the directions, one per part
    turned: tuple[np.ndarray, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        directions = _directions(self.direction)
        method = ALIASES.get(str(self.method).lower(), str(self.method).lower())
        if method not in METHODS:
            raise ValueError(unknown("method", self.method, METHODS))
        if self.unit not in UNITS:
            raise ValueError(unknown("unit", self.unit, UNITS))
        if not isinstance(self.where, Where):
            raise TypeError(f"where={self.where!r} is no place; write vv.Where(prompt=..., ...)")
        set_ = object.__setattr__
        set_(self, "direction", directions[0] if len(directions) == 1 else directions)
        set_(self, "method", method)
        set_(self, "strength", _finite(self.strength, "strength"))
        set_(self, "name", self.name or " + ".join(_shortened([d.name for d in directions])))
        self._check_settings(directions)

    def _check_settings(self, directions: tuple[Direction, ...]) -> None:
        for setting in ("c", "min", "max", "target"):
            if getattr(self, setting) is not None and setting not in OWN.get(self.method, ()):
                owners = " or ".join(m for m, names in OWN.items() if setting in names)
                raise ValueError(f"{setting}= belongs to method {owners}, not to {self.method!r}")
        if self.unit == "max_act":
            _check_max_act(self.method, directions)
        if self.method == "clamp":
            _check_clamp(self.target, directions)
        elif self.method == "swap":
            _check_swap(self.target)
        elif self.method == "orthogonal":
            if self.c is None:
                raise ValueError("orthogonal needs c=, the factor of the component; 1 is neutral")
            object.__setattr__(self, "c", _finite(self.c, "c"))
        elif self.bounds[0] > self.bounds[1]:
            raise ValueError(f"min={self.min} is above max={self.max}")

    @property
    def bounds(self) -> tuple[float, float]:
        """What projection_cap keeps the component between, in its unit."""
        low = -math.inf if self.min is None else float(self.min)
        high = math.inf if self.max is None else float(self.max)
        return low, high

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions, always as a tuple."""
        return self.direction if isinstance(self.direction, tuple) else (self.direction,)

    @property
    def formula(self) -> str:
        """The method's h' at s = 1."""
        return METHODS[self.method].formula

    @property
    def neutral(self) -> str:
        """What leaves every state as it is."""
        return METHODS[self.method].neutral

    def times(self, multiplier: float) -> Steer:
        """Return the same steer with its strength multiplied."""
        return replace(self, strength=self.strength * multiplier)

    def parts(self) -> tuple[Part, ...]:
        """Return one part per direction (clamp: one per SAE), in the order they act."""
        parts = clamp_parts(self) if self.method == "clamp" else direction_parts(self)
        if self.turned is None:
            return parts
        return tuple(replace(p, writes=w) for p, w in zip(parts, self.turned, strict=True))


@known_keywords_in
@dataclass(frozen=True, eq=False)
class HeadScale:
    """Multiply what one attention head writes.

    Parameters
    ----------
    layer : int
        Block, counted from 0.
    head : int
        Head within it, from 0.
    factor : float
        h' = h + s * (factor - 1) * h over the head's slice of ``z.layer``; neutral 1, 0 removes
        the head.
    strength : float
        s, 0 is off.
    where : Where
        The tokens it touches.
    """

    layer: int
    head: int
    factor: float = 0.0
    strength: float = 1.0
    where: Where = field(default_factory=Where)
    name: str = ""

    method = "head_scale"
    unit = "factor"
    formula = "h + (factor - 1) h, over one head"
    neutral = "factor = 1"

    def __post_init__(self) -> None:
        for name in ("layer", "head"):
            if not isinstance(getattr(self, name), (int, np.integer)):
                raise TypeError(f"{name}={getattr(self, name)!r} is not a whole number")
        if self.layer < 0 or self.head < 0:
            raise ValueError(f"layer {self.layer}, head {self.head}: both are counted from 0")
        object.__setattr__(self, "factor", _finite(self.factor, "factor"))
        object.__setattr__(self, "strength", _finite(self.strength, "strength"))
        object.__setattr__(self, "name", self.name or f"head {self.layer}.{self.head}")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """No direction: a head is a subspace."""
        return ()

    def times(self, multiplier: float) -> HeadScale:
        """Return the same steer with its strength multiplied."""
        return replace(self, strength=self.strength * multiplier)

    def parts(self) -> tuple[Part, ...]:
        """Return its one part."""
        settings = {"head": self.head, "factor": self.factor}
        part = Part(
            method="heads",
            point=Point("z", self.layer),
            reads=None,
            writes=np.zeros(0, dtype=np.float32),
            unit=self.unit,
            strength=self.strength,
            where=self.where,
            settings=settings,
            name=self.name,
        )
        return (part,)


def _directions(given: object) -> tuple[Direction, ...]:
    if isinstance(given, Direction):
        found: tuple[Direction, ...] = (given,)
    elif isinstance(given, Dictionary):
        found = tuple(given[i] for i in range(len(given)))
    elif hasattr(given, "directions"):
        found = tuple(given.directions)  # type: ignore[attr-defined]
    elif isinstance(given, (list, tuple)):
        found = tuple(d for item in given for d in _directions(item))
    else:
        hint = ""
        if isinstance(given, str) or hasattr(given, "__fspath__"):
            hint = "; a control vector file opens with vv.ControlVector.load(path)"
        elif hasattr(given, "shape"):
            hint = "; name it and its place: vv.Direction(vector, 'name', 'resid_post.14')"
        shape = getattr(given, "shape", None)
        said = repr(given) if shape is None else f"an array of shape {tuple(shape)}"
        raise TypeError(f"direction: {said} is no Direction, Dictionary or list of them{hint}")
    if not found:
        raise ValueError("a steer needs at least one direction, none came")
    for direction in found:
        _nonzero(direction)
    return found


def _nonzero(direction: Direction) -> None:
    if direction.norm == 0:
        raise ValueError(f"direction {direction.name!r} is zero: it points nowhere")


def _check_max_act(method: str, directions: Iterable[Direction]) -> None:
    if method not in ("add", "clamp"):
        raise ValueError(f"unit 'max_act' is for add and clamp, not for {method!r}")
    for direction in directions:
        if direction.a_max is None:
            raise ValueError(
                f"unit 'max_act' needs the largest activation of {direction.name!r}, which "
                "only SAE features carry; use unit 'norm' or 'raw'"
            )


def _check_swap(target: object) -> None:
    if not isinstance(target, Direction):
        raise TypeError(f"swap needs target=, the Direction to swap in, not {target!r}")
    _nonzero(target)


def _check_clamp(target: object, directions: Iterable[Direction]) -> None:
    chosen = list(directions)
    for direction in chosen:
        if not isinstance(direction, Feature):
            raise TypeError(
                f"clamp sets a feature of an SAE, and {direction.name!r} is a plain direction; "
                "take sae.feature(i), or cap the projection with method 'projection_cap'"
            )
    if target is None:
        raise ValueError("clamp needs target=, the activation to hold the feature at")
    levels = np.asarray(target, dtype=float)
    if levels.shape not in ((), (len(chosen),)) or not np.isfinite(levels).all():
        raise ValueError(
            f"target={target!r} is not one finite activation, nor one for each of the "
            f"{len(chosen)} features"
        )


def _finite(number: object, what: str) -> float:
    try:
        value = float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{what}={number!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{what}={value} is not finite")
    return value


def _shortened(names: list[str]) -> list[str]:
    # a control vector has one direction per layer and mostly one name
    unique = list(dict.fromkeys(names))
    return unique if len(unique) <= 3 else [unique[0], f"{len(unique) - 1} more"]
