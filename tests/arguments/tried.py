"""Odd values given to one parameter of one public call, or to one trait of a view that is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from arguments import calls_compute, calls_experiments, calls_models, calls_views, made
from arguments.judged import fault, holes_of, limited, of_view
from arguments.odd import ODD, some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arguments.calls import Row

TABLES = (calls_models, calls_compute, calls_experiments, calls_views)
VIEWS = calls_views.VIEWS
# Base arguments of these work ...
WORK = [row for table in TABLES for row in table.ROWS] + VIEWS
# ... and of these are refused by name.
REFUSED = calls_models.REFUSED + calls_views.REFUSED
ROWS = WORK + REFUSED
EXCEPT = {name: why for table in TABLES for name, why in table.EXCEPT.items()}

PARAMETERS = [(row, name) for row in ROWS for name in row.parameters]
TRAITS = [(row, name) for row in VIEWS for name in row.traits]
PLACES = {f"{row.name}({name})": n for n, (row, name) in enumerate(PARAMETERS)}
PLACES |= {f"{row.name}.{name}": n for n, (row, name) in enumerate(TRAITS)}

# `make test` tries every n-th value: of calls by what they cost, and of traits.
EVERY = {"quick": 3, "runs": 15, "slow": 60}
EVERY_TRAIT = 15


def slice_of(row: Row, name: str) -> list[str]:
    """Return which values `make test` gives to a parameter: others than to its neighbours."""
    return some(PLACES[f"{row.name}({name})"], EVERY[row.cost])


def slice_of_trait(row: Row, name: str) -> list[str]:
    """Return which values `make test` sets a trait to."""
    return some(PLACES[f"{row.name}.{name}"], EVERY_TRAIT)


def given(row: Row, name: str, values: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with how a call takes odd values, by their names."""
    with limited(60):
        holes = _holes(row, name)
    found: dict[str, str] = {}
    for value in values:
        if value in row.without.get(name, ()):
            continue
        made_of = ODD[value]
        arguments = row.base() | {name: made_of()}
        found[value] = fault(_call(row, arguments), (name, *row.also.get(name, ())), holes)
        if found[value].startswith("hangs"):
            made.new_model()
    return {value: wrong for value, wrong in found.items() if wrong}


def _holes(row: Row, name: str) -> frozenset[str] | None:
    if name in row.unknown:
        return None
    if row in REFUSED or row.is_view:
        return frozenset()
    return holes_of(row(**row.base()))


def _call(row: Row, arguments: dict[str, Any]) -> Callable[[], Any]:
    if not (row.is_view or row.makes_view):
        return lambda: row(**arguments)

    def shown() -> None:
        view = row(**arguments)
        try:
            of_view(view)
        finally:
            view.close()

    return shown


def set_to(row: Row, name: str, values: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with how an open view takes odd values of a trait, by their names."""
    found: dict[str, str] = {}
    view = of_view(row(**row.base()))
    good = getattr(view, name)
    for value in values:
        odd = ODD[value]()
        wrong = fault(partial(_set, view, name, odd), (name, *row.also.get(name, ())))
        after = fault(partial(_set, view, name, good), ()) if not wrong else ""
        found[value] = wrong or (after and f"after it a good value: {after}")
        if found[value]:
            view.close()
            if "hangs" in found[value]:
                made.new_model()
            view = of_view(row(**row.base()))
    view.close()
    return {value: wrong for value, wrong in found.items() if wrong}


def _set(view: Any, name: str, value: object) -> None:
    setattr(view, name, value)
    of_view(view)


def told(faults: dict[str, str]) -> str:
    """Return faults as lines."""
    return "\n".join(f"  {value}: {wrong}" for value, wrong in faults.items())
