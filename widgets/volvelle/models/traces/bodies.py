"""What each body is called and the number of its format: what a request on a server is known by.

A number is raised where a function asks for other arguments, gives other values or computes them
in another way: a request that was left with another number is not taken up as the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.models.traces.classes import class_means
from volvelle.models.traces.codes import encode
from volvelle.models.traces.observe import observed
from volvelle.models.traces.predict import predict
from volvelle.models.traces.prove import prove
from volvelle.models.traces.reduce import read
from volvelle.models.traces.score import score, write_scored
from volvelle.models.traces.unembed import unembed
from volvelle.models.traces.write import write

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS: dict[Callable[..., Any], tuple[str, int]] = {
    class_means: ("class means", 3),
    encode: ("encode", 3),
    observed: ("observe", 3),
    predict: ("predict", 3),
    prove: ("prove", 3),
    read: ("read", 3),
    score: ("score", 3),
    unembed: ("unembed", 3),
    write: ("write", 3),
    write_scored: ("write and score", 3),
}
