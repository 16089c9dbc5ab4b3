"""What a row of the table of public calls is, and which parameters it has."""

from __future__ import annotations

import functools
import inspect
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import volvelle as vv
from volvelle.views.kit.view import HOST_TRAITS, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


RUNS, SLOW = "runs", "slow"


def as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Row:
    """One public callable and arguments that it takes.

    Attributes
    ----------
    of : str
        Its public name, ``"Circle.direction"``.
    on : callable, optional
        Makes the object that a method is called on.
    base : callable
        Makes arguments that work, by name; what it leaves out keeps its default.
    then : callable
        What is done with what comes back: a job is waited for, a steer is used.
    as_ : str
        What is special of this row, where a callable has several.
    cost : {"quick", "runs", "slow"}
        Whether a call that is not refused is over at once, runs a model or makes a view, or
        takes near a second: of which `make test` tries ever fewer values.
    also : mapping of parameter to names
        Under which other name an error may speak of it.
    unknown : tuple of str
        Parameters in which NaN says that a number is not known.
    without : mapping of parameter to {name of a value: why it is not given}
    """

    of: str
    on: Callable[[], Any] | None = None
    base: Callable[[], dict[str, Any]] = dict
    then: Callable[[Any], Any] = as_it_is
    as_: str = ""
    cost: str = "quick"
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    without: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.of} {self.as_}".strip()

    @property
    def function(self) -> Any:
        """What is public under its name; of a method, unbound."""
        return operator.attrgetter(self.of)(vv)

    @property
    def is_view(self) -> bool:
        return inspect.isclass(self.function) and issubclass(self.function, View)

    @property
    def makes_view(self) -> bool:
        """Whether it is a classmethod of a view that makes one."""
        made_by = self.of.rpartition(".")[2]
        return (
            self.on is None
            and made_by.startswith("from_")
            and hasattr(operator.attrgetter(self.of.partition(".")[0])(vv), "class_traits")
        )

    @property
    def traits(self) -> tuple[str, ...]:
        """What a view can be set to once it is made."""
        return traits_of(self.function)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What it takes by name; of a view also its traits."""
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        found = inspect.signature(self.function).parameters.values()
        names = [one.name for one in found if one.kind not in kinds and one.name != "self"]
        return tuple(dict.fromkeys([*names, *(traits_of(self.function) if self.is_view else ())]))

    def __call__(self, **arguments: Any) -> Any:
        if self.on is None:
            return self.then(self.function(**arguments))
        return self.then(getattr(self.on(), self.of.rpartition(".")[2])(**arguments))


@functools.cache
def traits_of(view: type) -> tuple[str, ...]:
    """Return the traits that a user of a view may set."""
    told = ("status", "error", "progress")
    known = view.class_traits(sync=True)
    return tuple(n for n in known if n[0] != "_" and n not in HOST_TRAITS and n not in told)
