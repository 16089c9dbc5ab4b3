"""The rows of a Steering view: what can be turned, and the steers its controls describe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from volvelle.arguments.said import came
from volvelle.arguments.texts import clean
from volvelle.compute.directions.directions import Dictionary, Direction, Feature
from volvelle.compute.directions.points import Point
from volvelle.compute.steering.methods import METHODS, OWN
from volvelle.compute.steering.steers import DEEPEST, HeadScale, Steer

if TYPE_CHECKING:
    from volvelle.compute.steering.where import Where

# What a method's own parameter starts from: a visible change, stated beside the control.
STARTS: dict[str, dict[str, Any]] = {
    "orthogonal": {"c": 2.0},
    "projection_cap": {"max": 0.0},
}
UNITS_OF = {"add": ("norm", "raw", "max_act"), "projection_cap": ("norm", "raw")}
UNITS_OF["clamp"] = ("raw", "max_act")
MOST_FOUND = 40  # features a search lists


class RowWire(TypedDict):
    """What the browser shows of a row."""

    name: str
    points: list[str]
    movable: bool
    methods: list[str]
    units: dict[str, list[str]]  # by method
    label: str
    feature: int  # -1 for what is no feature
    raw: float  # |v| of one unit of strength, beside the point's norm
    max_act: float


class FoundFeature(TypedDict):
    """A hit of the search."""

    feature: int
    label: str


@dataclass(frozen=True)
class Row:
    """Something to turn.

    Attributes
    ----------
    name : str
        Unique in its view.
    steer : Steer or HeadScale
        What was given; a bare direction as a `Steer` of strength 0.
    """

    name: str
    steer: Steer | HeadScale

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Its directions; none for a head."""
        return self.steer.directions

    @property
    def points(self) -> list[str]:
        """Where it acts as given."""
        if isinstance(self.steer, HeadScale):
            return [f"z.{self.steer.layer}"]
        return list(dict.fromkeys(str(d.point) for d in self.directions))

    @property
    def movable(self) -> bool:
        """Whether it is one vector, which another layer can take."""
        return len(self.directions) == 1

    @property
    def methods(self) -> list[str]:
        """What can be done with it."""
        if isinstance(self.steer, HeadScale):
            return ["head_scale"]
        features = all(isinstance(d, Feature) for d in self.directions)
        return [m for m in METHODS if m != "clamp" or features]

    def units(self, method: str) -> list[str]:
        """Return the units its strength, bounds or target can be given in."""
        known = all(d.a_max is not None for d in self.directions)
        return [u for u in UNITS_OF.get(method, ()) if u != "max_act" or known]

    def own_settings(self) -> dict[str, Any]:
        """Return the method's own numbers as given; bounds too that are not there, as None."""
        found: dict[str, Any] = {}
        if isinstance(self.steer, Steer) and self.steer.method == "projection_cap":
            bounds = zip(("min", "max"), self.steer.bounds, strict=True)
            return {name: bound if math.isfinite(bound) else None for name, bound in bounds}
        for name in ("c", "target", "factor"):
            value = getattr(self.steer, name, None)
            if isinstance(value, Direction):
                found[name] = value.name
            elif value is not None:
                found[name] = float(np.asarray(value, dtype=float).ravel()[0])
        return found

    def wire(self) -> RowWire:
        """Return what the browser shows of it."""
        first = self.directions[0] if self.directions else None
        labels = first.sae.labels if isinstance(first, Feature) else None
        length = first.norm if first is not None else 0.0
        return {
            "name": self.name,
            "points": self.points,
            "movable": self.movable,
            "methods": self.methods,
            "units": {method: self.units(method) for method in self.methods},
            "label": labels[first.index] if labels and isinstance(first, Feature) else "",
            "feature": first.index if isinstance(first, Feature) else -1,
            "raw": length,
            "max_act": length * first.a_max if first is not None and first.a_max else 0.0,
        }

    def steered(
        self,
        strength: float,
        *,
        unit: str,
        method: str,
        point: str,
        settings: Mapping[str, Any],
        where: Where,
    ) -> Steer | HeadScale:
        """Return the steer that controls describe.

        Parameters
        ----------
        strength : float
        unit, method : str
        point : str
            Empty for the directions' own.
        settings : dict
            The method's own parameters, ``target`` of swap as a Direction.
        where : Where
        """
        if isinstance(self.steer, HeadScale):
            factor = float(settings.get("factor", self.steer.factor))
            return replace(self.steer, strength=strength, factor=factor, where=where)
        allowed = self.units(method)
        given = {k: v for k, v in settings.items() if k in OWN.get(method, ())}
        if method != "projection_cap" or not given:  # bounds that were set are all there are
            given = STARTS.get(method, {}) | given
        if method == "clamp" and given.get("target") is None:
            given["target"] = _largest(self.directions, unit)
        return Steer(
            [moved(d, point) for d in self.directions],
            strength,
            unit=unit if unit in allowed else (allowed or ["norm"])[0],
            method=method,
            where=where,
            name=self.name,
            **given,
        )


def _largest(directions: tuple[Direction, ...], unit: str) -> float:
    if unit == "max_act":
        return 1.0
    return max((d.a_max or 0.0 for d in directions), default=0.0) or 1.0


def moved(direction: Direction, point: str) -> Direction:
    """Return a direction at another point; a feature becomes a plain direction there."""
    if not point or Point.parse(point) == direction.point:
        return direction
    return Direction(direction.vector, direction.name, point, direction.a_max)


def rows_of(given: Any, depth: int = 0) -> list[Row]:
    """Return one row per thing given.

    Parameters
    ----------
    given : Direction, Dictionary, ControlVector, Steer, HeadScale, list of them, or dict
        A dictionary makes a row of each of its directions; a dict names its rows.
    depth : int
        In how many lists it stands.
    """
    if depth > DEEPEST:
        raise TypeError(came("directions", given, "directions or a list of them"))
    if given is None:
        return []
    if isinstance(given, Mapping):
        rows = [Row(clean(str(name)), _steer(one)) for name, one in given.items()]
    elif isinstance(given, Dictionary):
        rows = [Row(given.names[i], _steer(given[i])) for i in range(len(given))]
    elif isinstance(given, (list, tuple)):
        rows = [row for one in given for row in rows_of(one, depth + 1)]
    else:
        steer = _steer(given)
        rows = [Row(str(getattr(given, "name", "") or steer.name), steer)]
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two directions are named {twice!r}; name them in a dict")
    return rows


def _steer(given: Any) -> Steer | HeadScale:
    return given if isinstance(given, (Steer, HeadScale)) else Steer(given, strength=0.0)


def search(sae: Any, query: str) -> list[FoundFeature]:
    """Return features whose label holds every word, or whose number is the first word.

    Parameters
    ----------
    sae : SAE or None
    query : str

    Returns
    -------
    list of FoundFeature
        First where the word comes early in the label, since its
        first token is the one the feature fires on most.
    """
    words = query.casefold().split()
    if sae is None or not words:
        return []
    labels = sae.labels or [""] * sae.n_features
    found = []
    for index, label in enumerate(labels):
        said = label.casefold()
        if all(word in said for word in words) or str(index) == words[0]:
            found.append((str(index) != words[0], said.find(words[0]), index))
    return [{"feature": i, "label": labels[i]} for *_, i in sorted(found)[:MOST_FOUND]]
