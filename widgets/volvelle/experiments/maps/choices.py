"""What a dual layout was asked for, and what follows from that: mode and match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volvelle.experiments.maps.sides import Side
    from volvelle.models.model import Model

MATCHES = ("auto", "decoder", "encoder", "activation")
MODES = ("auto", "joint", "separate")


@dataclass(frozen=True, eq=False)
class Choices:
    """What was asked for, with nothing left to decide."""

    a: Side
    b: Side | None
    model: Model | None
    model_b: Model | None
    texts: list[str]
    seed: int
    n_neighbors: int
    n_epochs: int
    search: str
    mode: str = ""
    match: str = ""


def chosen_mode(given: Choices, asked: str, other_model: bool) -> str:
    """Decide whether two dictionaries share one embedding, or say why they cannot."""
    a, b = given.a, given.b
    if b is None:
        return "alone"
    why = ""
    names = {name for name in (a.model_name, b.model_name) if name}
    if a.d_model != b.d_model:
        why = f"a has {a.d_model} dimensions, b has {b.d_model}"
    elif other_model and given.model_b is not given.model:
        why = "model_b says that b belongs to another model"
    elif len(names) > 1:
        why = f"a was made for {a.model_name}, b for {b.model_name}"
    elif a.point != b.point and not (a.is_residual and b.is_residual):
        why = f"{a.point} and {b.point} are not both the residual stream"
    if asked == "joint" and why:
        raise ValueError(f"mode='joint' needs one basis, and {why}; use mode='separate'")
    return asked if asked != "auto" else ("separate" if why else "joint")


def chosen_match(given: Choices, asked: str) -> str:
    """Decide how features are matched, or say which argument is missing."""
    a, b = given.a, given.b
    if b is None:
        return ""
    missing = [
        name for name, value in (("model", given.model), ("texts", given.texts)) if not value
    ]
    if asked == "activation" or (asked == "auto" and not missing):
        return _by_activation(given, missing)
    if a.d_model != b.d_model or (asked == "auto" and given.mode == "separate"):
        apart = _apart(a, b)
        if asked == "auto":
            raise ValueError(
                f"{apart}: their features can only be matched by what they do on text, and "
                f"{' and '.join(missing)} missing (model_b too where b belongs to another model)"
            )
        if a.d_model != b.d_model:
            raise ValueError(
                f"match={asked!r} compares vectors, and {apart}; use match='activation' with "
                "model and texts"
            )
    for one in (a, b):
        if asked == "encoder" and one.encoder is None:
            raise ValueError(f"match='encoder' needs encoders, and {one.name} has none")
    return "decoder" if asked == "auto" else asked


def _by_activation(given: Choices, missing: list[str]) -> str:
    if missing:
        raise ValueError(f"match='activation' reads texts with a model; {missing[0]} is missing")
    for one, model, argument in (
        (given.a, given.model, "model"),
        (given.b, given.model_b, "model_b"),
    ):
        if one is None:
            continue
        if not one.point:
            raise ValueError(
                f"match='activation' needs a point to read, and {one.name} is plain vectors; "
                "give an SAE or a Dictionary"
            )
        if model is not None and one.is_residual and one.d_model != model.d_model:
            raise ValueError(
                f"{one.name} reads {one.d_model}-dimensional vectors, the residual stream of "
                f"{model.name} has {model.d_model}; give the model that "
                f"{one.name} belongs to as {argument}"
            )
    return "activation"


def _apart(a: Side, b: Side) -> str:
    """Return why two dictionaries have no basis in common, in words."""
    if a.d_model != b.d_model:
        return f"a has {a.d_model} dimensions, b has {b.d_model}"
    if a.model_name and b.model_name and a.model_name != b.model_name:
        return f"a was made for {a.model_name}, b for {b.model_name}"
    return f"a ({a.point or 'no point'}) and b ({b.point or 'no point'}) share no basis"
