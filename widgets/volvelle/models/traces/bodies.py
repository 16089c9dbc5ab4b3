"""Names and format numbers of all that a request carries: what it is known by on a server.

A number is raised where a function asks for other arguments, gives other values or computes them
in another way: a request that was left with another number is not taken up as the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.models.traces.classes import pooled, reduced_classes
from volvelle.models.traces.codes import codes_of
from volvelle.models.traces.locate import locate
from volvelle.models.traces.observe import norms, observe, projected
from volvelle.models.traces.predict import predict
from volvelle.models.traces.prove import prove
from volvelle.models.traces.reduce import read
from volvelle.models.traces.score import score, write_scored
from volvelle.models.traces.top_tokens import top_tokens
from volvelle.models.traces.unembed import unembed
from volvelle.models.traces.write import write

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS: dict[Callable[..., Any], tuple[str, int]] = {
    locate: ("locate", 1),
    observe: ("observe", 5),
    predict: ("predict", 3),
    prove: ("prove", 4),
    read: ("read", 4),
    score: ("score", 4),
    unembed: ("unembed", 3),
    write: ("write", 3),
    write_scored: ("write and score", 4),
    # what readouts make of states
    codes_of: ("codes", 1),
    norms: ("norms", 1),
    pooled: ("pooled states", 1),
    projected: ("projection", 1),
    reduced_classes: ("class means", 1),
    top_tokens: ("top tokens", 1),
}
