"""What a model is asked: a body, its arguments, and how much it reads and writes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Request(Generic[T]):
    """One run of a body of `models.traces`, here or on a server.

    Attributes
    ----------
    body : callable
        A function of `models.traces`, named in `models.traces.bodies`.
    args : tuple
        Its arguments after the model: plain values, lists, tensors, and functions that travel.
    reads : int
        Tokens it has the model read, padding included.
    writes : int
        Tokens it has the model write, at most.
    beside : bool
        Whether it is no part of the work: a proof or a norm, which an earlier kernel may have
        known and a later one not.
    """

    body: Callable[..., T]
    args: tuple[Any, ...]
    reads: int
    writes: int = 0
    beside: bool = False

    @property
    def name(self) -> str:
        """What its body is called where it is remembered."""
        return next(iter(self.formats))

    @property
    def formats(self) -> dict[str, int]:
        """Name and format number of its body, then of each function that goes along."""
        from volvelle.models.traces.bodies import FORMATS

        body = inspect.unwrap(self.body)
        return dict(FORMATS[one] for one in _functions((body, self.args)))


def _functions(payload: Any) -> Iterator[Callable[..., Any]]:
    if isinstance(payload, dict):
        payload = list(payload.values())
    if isinstance(payload, (list, tuple)):
        for one in payload:
            yield from _functions(one)
    elif callable(payload):
        yield payload
