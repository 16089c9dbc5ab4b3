"""The rows of a steering experiment: strengths, placebos and samples, run as one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.methods import METHODS
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volvelle.models.model import Model

    AnySteer = Steer | HeadScale

KINDS = ("steered", "random", "shuffled")


@dataclass(frozen=True)
class Key:
    """Which row.

    Attributes
    ----------
    kind : {"steered", "random", "shuffled"}
        The steers themselves, a norm-matched random turn of them, or other features of the
        same SAE at the same length.
    number : int
        Which placebo, from 0; -1 for the steers themselves.
    strength : float
        Multiplier of every steer's own strength; 0 is the baseline.
    sample : int
        From 0. Rows of one sample draw from the same noise, whatever their strength.
    prompt : int
        Which of several prompts, from 0.
    """

    kind: str
    number: int
    strength: float
    sample: int = 0
    prompt: int = 0


def as_steers(given: Any) -> list[AnySteer]:
    """Return a list of steers from one or several; a bare direction is added, in unit norm."""
    if isinstance(given, Mapping):
        raise TypeError(
            f"steers is a dict of {', '.join(map(repr, given))}; give a list of steers, which "
            "act together"
        )
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if not listed:
        raise ValueError("steers is empty; give at least one vv.Steer(direction, strength)")
    try:
        return [s if isinstance(s, (Steer, HeadScale)) else Steer(s) for s in listed]
    except TypeError as error:
        raise TypeError(f"steers: {error}") from error


# Strengths of one run.
MOST_STRENGTHS = 200

# Multipliers where none are given. Added in residual norms, 1 is as long as the state itself
# (on the demo model perplexity 1.9 to 85); of any other method or unit it is the whole change.
GENTLE = (-0.2, 0.0, 0.2)
GENTLE_DOSES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
WHOLE = (0.0, 1.0)
WHOLE_DOSES = (0.0, 0.5, 1.0, 1.5, 2.0)


def in_norms(steers: Iterable[AnySteer]) -> bool:
    """Return whether every steer is added in residual norms."""
    return all((steer.method, steer.unit) == ("add", "norm") for steer in steers)


def as_strengths(given: Any) -> tuple[float, ...]:
    """Return the multipliers with the baseline 0 among them, in ascending order."""
    listed = list(given) if np.iterable(given) and not isinstance(given, str) else [given]
    if not all(isinstance(value, Real) and np.isfinite(float(value)) for value in listed):
        raise ValueError(
            f"strengths={given!r} must be finite numbers, such as (-1, 0, 1): multiples of every "
            "steer's own strength"
        )
    if len(listed) > MOST_STRENGTHS:
        raise ValueError(
            f"strengths holds {len(listed):,} numbers, at most {MOST_STRENGTHS} are run"
        )
    return tuple(sorted({0.0, *(float(value) for value in listed)}))


def plan_rows(
    steers: Sequence[AnySteer],
    strengths: Sequence[float],
    placebos: dict[tuple[str, int], list[AnySteer]],
    samples: int = 1,
    prompts: int = 1,
) -> list[tuple[Key, list[AnySteer]]]:
    """Return every row's key and steers: the steers' own rows first, strengths ascending.

    The baseline is shared: a placebo at strength 0 is the same row.
    """
    rows: list[tuple[Key, list[AnySteer]]] = []
    for prompt in looking(range(prompts), 1):
        for strength in strengths:
            mine = [s.times(strength) for s in steers]
            rows += [
                (Key("steered", -1, strength, sample, prompt), mine) for sample in range(samples)
            ]
        for (kind, number), others in placebos.items():
            for strength in strengths:
                if strength == 0:
                    continue
                mine = [s.times(strength) for s in others]
                rows += [
                    (Key(kind, number, strength, sample, prompt), mine) for sample in range(samples)
                ]
    return rows


@dataclass(frozen=True)
class SteerCard:
    """What a reader should know of one steer, kept with a result.

    Attributes
    ----------
    name, method, formula, neutral : str
    unit : str
    strength : float
        The steer's own s; a row's effective strength is its multiplier times this.
    points : tuple of str
    where : dict
        ``prompt``, ``generated``, ``special``, ``first``, ``turns``, ``when``.
    settings : dict
        The method's own numbers: c, min, max, target. A clamp's target also in every unit, per
        feature: ``target_raw`` (activations), ``target_max_act`` (multiples of the largest;
        None where that is unknown), ``target_norm`` (length of what it writes, in residual
        norms).
    lengths : dict of unit -> float or None
        |v| at s = 1 for method add at its first point, in every unit: ``raw``, ``norm``
        (multiples of the point's median residual norm) and ``max_act`` (multiples of the
        feature's largest activation; None where it has none).
    """

    name: str
    method: str
    formula: str
    neutral: str
    unit: str
    strength: float
    points: tuple[str, ...]
    where: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, float | None] = field(default_factory=dict)

    def effective(self, multiplier: float) -> dict[str, float | None]:
        """Return s times |v| in every unit, signed, at a multiplier of the strength."""
        s = multiplier * self.strength
        return {unit: None if v is None else s * v for unit, v in self.lengths.items()}


def card(steer: AnySteer, model: Model) -> SteerCard:
    """Describe a steer on a model."""
    where = steer.where
    when = where.when
    described = {
        "prompt": where.prompt,
        "generated": where.generated,
        "special": where.special,
        "first": where.first,
        "turns": where.turns,
        "when": None if when is None else {"feature": when.feature.name, "above": when.above},
    }
    parts = steer.parts()
    settings: dict[str, Any] = {}
    for name in ("c", "min", "max", "factor"):
        if getattr(steer, name, None) is not None:
            settings[name] = float(getattr(steer, name))
    target = getattr(steer, "target", None)
    if isinstance(target, Direction):
        settings["target"] = target.name
    elif target is not None:
        settings["target"] = np.asarray(target, dtype=float).tolist()
        settings |= _targets(parts, model)
    return SteerCard(
        name=steer.name,
        method=steer.method,
        formula=METHODS[steer.method].formula if steer.method in METHODS else steer.formula,
        neutral=steer.neutral,
        unit=steer.unit,
        strength=steer.strength,
        points=tuple(dict.fromkeys(str(part.point) for part in parts)),
        where=described,
        settings=settings,
        lengths=_lengths(parts[0], model) if steer.method == "add" else {},
    )


def _targets(parts: Sequence[Any], model: Model) -> dict[str, Any]:
    found: dict[str, list[float | None]] = {"raw": [], "max_act": [], "norm": []}
    for part in parts:
        norm = model.norm(part.point)
        for feature, level in zip(part.sources, part.settings["level"], strict=True):
            found["raw"].append(float(level))
            found["max_act"].append(float(level / feature.a_max) if feature.a_max else None)
            found["norm"].append(float(level * feature.norm / norm))
    return {f"target_{unit}": values for unit, values in found.items()}


def _lengths(part: Any, model: Model) -> dict[str, float | None]:
    norm = model.norm(part.point)
    vector = float(np.linalg.norm(part.writes))
    raw = part.scale(norm) * vector
    a_max = part.settings.get("a_max")
    return {
        "raw": raw,
        "norm": raw / norm,
        "max_act": raw / (a_max * vector) if a_max else None,
    }
