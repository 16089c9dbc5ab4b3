"""Steers: directions with a strength, a method and a place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from volvelle.arguments import plain
from volvelle.arguments.arrays import array
from volvelle.arguments.call import checked_in
from volvelle.arguments.said import came, kind_of, seen
from volvelle.arguments.texts import clean
from volvelle.compute.directions.directions import Dictionary, Direction, Feature
from volvelle.compute.directions.points import Point
from volvelle.compute.steering.methods import (
    ALIASES,
    METHODS,
    OWN,
    UNITS,
    check_cap,
    check_clamp,
    check_max_act,
    check_swap,
    finite,
    nonzero,
)
from volvelle.compute.steering.parts import Part
from volvelle.compute.steering.where import Where, check_where
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

S = TypeVar("S", "Steer", "HeadScale")

# a number that may be infinite, as `volvelle.arguments` reads it
Bound = float

PATHS: tuple[type, ...] = (str, PathLike)
# Lists of lists of directions that are followed.
DEEPEST = 8


@runtime_checkable
class Directed(Protocol):
    """What holds directions that act together, such as a control vector."""

    @property
    def directions(self) -> Iterable[Direction]:
        """The directions, in the order they act."""
        ...


@checked_in
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
    *Source*: Neuronpedia's and EasySteer's methods; the formulas are in `volvelle.formulas`.
    """

    direction: Any
    strength: float = 1.0
    unit: str = "norm"
    method: str = "add"
    where: Where = field(default_factory=Where)
    c: float | None = None
    min: Bound | None = None
    max: Bound | None = None
    target: Any = None
    name: str = ""
    # set for a placebo: what is written instead of the directions, one per part, and what is read
    turned: tuple[np.ndarray, ...] | None = field(default=None, repr=False)
    turned_reads: tuple[np.ndarray | None, ...] | None = field(default=None, repr=False)
    # what `times` has multiplied its own strength by
    multiplier: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        directions = _directions(self.direction)
        method = ALIASES.get(str(self.method).lower(), str(self.method).lower())
        if method not in METHODS:
            raise ValueError(unknown("method", self.method, METHODS))
        if self.unit not in UNITS:
            raise ValueError(unknown("unit", self.unit, UNITS))
        check_where(self.where)
        set_ = object.__setattr__
        set_(self, "direction", directions[0] if len(directions) == 1 else directions)
        set_(self, "method", method)
        set_(self, "strength", finite(self.strength, "strength"))
        set_(self, "turned", _turned(self.turned, "turned"))
        set_(self, "turned_reads", _turned(self.turned_reads, "turned_reads"))
        set_(self, "name", clean(self.name) or " + ".join(_shortened([d.name for d in directions])))
        self._check_settings(directions)

    def _check_settings(self, directions: tuple[Direction, ...]) -> None:
        for setting in ("c", "min", "max", "target"):
            if getattr(self, setting) is not None and setting not in OWN.get(self.method, ()):
                owners = " or ".join(m for m, names in OWN.items() if setting in names)
                raise ValueError(f"{setting}= belongs to method {owners}, not to {self.method!r}")
        if self.unit == "max_act":
            check_max_act(self.method, directions)
        if self.method == "clamp":
            check_clamp(self.target, directions)
        elif self.method == "swap":
            check_swap(self.target, directions)
        elif self.method == "orthogonal":
            if self.c is None:
                raise ValueError("orthogonal needs c=, the factor of the component; 1 is neutral")
            object.__setattr__(self, "c", finite(self.c, "c"))
        elif self.method == "projection_cap":
            check_cap(self.min, self.max)

    @property
    def bounds(self) -> tuple[float, float]:
        """What projection_cap keeps the component between, in its unit."""
        return check_cap(self.min, self.max)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions, always as a tuple."""
        chosen = cast("Direction | tuple[Direction, ...]", self.direction)
        return chosen if isinstance(chosen, tuple) else (chosen,)

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
        return _times(self, multiplier)

    def parts(self) -> tuple[Part, ...]:
        """Return one part per direction (clamp: one per SAE), in the order they act."""
        parts = _clamp_parts(self) if self.method == "clamp" else _direction_parts(self)
        if self.turned is None:
            return parts
        reads = self.turned_reads or tuple(part.reads for part in parts)
        if not len(parts) == len(self.turned) == len(reads):
            raise ValueError(
                f"turned has {len(self.turned)} arrays and turned_reads {len(reads)}, the steer "
                f"has {len(parts)} parts"
            )
        return tuple(
            replace(part, writes=w, reads=r)
            for part, w, r in zip(parts, self.turned, reads, strict=True)
        )


@checked_in
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
    multiplier: float = field(default=1.0, init=False, repr=False)

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
        object.__setattr__(self, "factor", finite(self.factor, "factor"))
        object.__setattr__(self, "strength", finite(self.strength, "strength"))
        object.__setattr__(self, "name", clean(self.name) or f"head {self.layer}.{self.head}")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """No direction: a head is a subspace."""
        return ()

    def times(self, multiplier: float) -> HeadScale:
        """Return the same steer with its strength multiplied."""
        return _times(self, multiplier)

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


def _times(steer: S, multiplier: float) -> S:
    made = replace(steer, strength=steer.strength * multiplier)
    object.__setattr__(made, "multiplier", steer.multiplier * multiplier)
    return made


def _directions(given: object, depth: int = 0) -> tuple[Direction, ...]:
    if depth > DEEPEST:
        raise TypeError(came("direction", given, "a direction, or a list of them"))
    if isinstance(given, Direction):
        found: tuple[Direction, ...] = (given,)
    elif isinstance(given, Dictionary):
        found = tuple(given[i] for i in range(len(given)))
    elif isinstance(given, Directed):
        found = tuple(given.directions)
    elif isinstance(given, (list, tuple)):
        items = cast("Iterable[object]", given)
        found = tuple(d for item in items for d in _directions(item, depth + 1))
    else:
        raise TypeError(_no_direction(given))
    if not found:
        raise ValueError("a steer needs at least one direction, none came")
    for direction in found:
        nonzero(direction)
    return found


def _turned(given: Any, name: str) -> tuple[Any, ...] | None:
    """Return a placebo's arrays, one per part; None of one is left."""
    listed = plain.listed(given) if given is not None else None
    if given is not None and listed is None:
        raise TypeError(came(name, given, "a list of arrays, one per part"))
    return None if listed is None else tuple(None if x is None else array(x, name) for x in listed)


def _no_direction(given: object) -> str:
    """Return what is said of something that steers nothing, with the way out."""
    hint = ""
    if isinstance(given, PATHS):
        hint = "; a control vector file opens with vv.ControlVector.load(path)"
    elif hasattr(given, "encode_sparse"):
        hint = "; an SAE holds many: take sae.feature(i)"
    elif hasattr(given, "shape"):
        hint = "; name it and its place: vv.Direction(vector, 'name', 'resid_post.14')"
    said = kind_of(given) if hasattr(given, "shape") else seen(given)
    return f"direction: {said} is no Direction, Dictionary or list of them{hint}"


def _shortened(names: list[str]) -> list[str]:
    # a control vector has one direction per layer and mostly one name
    unique = list(dict.fromkeys(names))
    return unique if len(unique) <= 3 else [unique[0], f"{len(unique) - 1} more"]


def _direction_parts(steer: Steer) -> tuple[Part, ...]:
    """Return one part per direction, for every method but clamp."""
    parts: list[Part] = []
    for direction in _spanned(steer):
        unit = direction.unit
        kind, reads, writes = "add", None, direction.vector
        settings: dict[str, Any] = {"a_max": direction.a_max}
        if steer.method in ("orthogonal", "ablate"):
            factor = 0.0 if steer.c is None else steer.c
            kind, reads, writes, settings = "rescale", unit, unit, {"factor": factor}
        elif steer.method == "projection_cap":
            low, high = steer.bounds
            kind, reads, writes, settings = "cap", unit, unit, {"low": low, "high": high}
        elif steer.method == "swap":
            kind, reads, writes, settings = "swap", unit, steer.target.unit - unit, {}
        parts.append(
            Part(
                method=kind,
                point=direction.point,
                reads=reads,
                writes=writes,
                unit=steer.unit,
                strength=steer.strength,
                where=steer.where,
                settings=settings,
                name=direction.name,
                sources=(direction,),
            )
        )
    return tuple(parts)


def _spanned(steer: Steer) -> tuple[Direction, ...]:
    """Make the directions of each point orthogonal where their order must not matter."""
    if steer.method not in ("ablate", "orthogonal") or len(steer.directions) == 1:
        return steer.directions
    found: list[Direction] = []
    for point in dict.fromkeys(d.point for d in steer.directions):
        here = [d for d in steer.directions if d.point == point]
        basis = _basis(np.stack([d.unit for d in here]))
        names = [d.name for d in here] if len(basis) == len(here) else [steer.name] * len(basis)
        found += [Direction(b, n, point) for b, n in zip(basis, names, strict=True)]
    return tuple(found)


def _clamp_parts(steer: Steer) -> tuple[Part, ...]:
    """Return one part per SAE: its features are set together, from one encoding."""
    features = [d for d in steer.directions if isinstance(d, Feature)]
    targets = np.broadcast_to(np.asarray(steer.target, dtype=float), (len(features),))
    levels = [
        target * (feature.a_max or 1.0) if steer.unit == "max_act" else target
        for feature, target in zip(features, targets, strict=True)
    ]
    parts: list[Part] = []
    for key in dict.fromkeys((id(f.sae), f.point) for f in features):
        here = [i for i, f in enumerate(features) if (id(f.sae), f.point) == key]
        mine = tuple(features[i] for i in here)
        parts.append(
            Part(
                method="clamp",
                point=mine[0].point,
                reads=None,
                writes=np.stack([f.vector for f in mine]),
                unit=steer.unit,
                strength=steer.strength,
                where=steer.where,
                settings={
                    "level": np.array([levels[i] for i in here], dtype=np.float32),
                    "sae": mine[0].sae,
                    "features": tuple(f.index for f in mine),
                },
                name=" + ".join(f.name for f in mine),
                sources=mine,
            )
        )
    return tuple(parts)


def _basis(rows: np.ndarray) -> np.ndarray:
    """Return orthonormal rows spanning `rows`, in Gram-Schmidt order where independent."""
    q, r = np.linalg.qr(rows.T.astype(np.float64))
    independent = np.abs(np.diag(r)) > 1e-6
    if independent.all():
        return (q * np.sign(np.diag(r))).T
    _, singular, vt = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    return vt[singular > 1e-6 * singular[0]]
