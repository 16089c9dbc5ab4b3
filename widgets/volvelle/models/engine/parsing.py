"""Python 3.11 fails now and then where two threads parse source at once; nnsight parses traces."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# What CPython says (gh-106905): its parser counts depth for all threads together.
SAID = "AST constructor recursion depth mismatch"
TRIES = 20


def parsed_again(body: Callable[P, T]) -> Callable[P, T]:
    """Run a trace's body again that failed while it was parsed: nothing has run or left by then."""

    @functools.wraps(body)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(TRIES - 1):
            try:
                return body(*args, **kwargs)
            except SystemError as error:
                if SAID not in str(error):
                    raise
        return body(*args, **kwargs)

    return tried
