"""Tokens as they come: lines a trace prints on the server, taken apart and checked."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenStream:
    """Turns log lines of one request back into calls.

    A server's standard output is shared by everything that runs in its process, so a line
    counts only with this request's own random mark, the next step's number, and exactly the
    numbers that belong to it. Everything else is ignored: the result brings all tokens again.

    Parameters
    ----------
    on_step : callable(step, ids, logprobs, watched)
        What a local trace would call.
    rows, watch : int
        Rows of the batch, watched tokens of each.
    vocabulary : int
        Ids are below it.
    """

    def __init__(
        self,
        on_step: Callable[[int, list[int], list[float], list[list[float]]], None],
        rows: int,
        watch: int,
        vocabulary: int,
    ) -> None:
        self.mark = f"vv-{secrets.token_hex(16)}"
        self.on_step = on_step
        self.rows, self.watch, self.vocabulary = rows, watch, vocabulary
        self.next = 0

    def hear(self, line: str) -> bool:
        """Take one line of the server's log; returns whether it was this request's."""
        mark, _, rest = line.strip().partition(" ")
        if not secrets.compare_digest(mark.encode(), self.mark.encode()):
            return False
        parts = rest.split(" ")
        if len(parts) != 1 + self.rows * (2 + self.watch):
            return False
        try:
            step, *ids = map(int, parts[: 1 + self.rows])
            numbers = [float(part) for part in parts[1 + self.rows :]]
        except ValueError:
            return False
        # a log-probability is at most 0, up to rounding
        if step != self.next or any(math.isnan(x) or x > 1e-3 for x in numbers):
            return False
        if not all(-1 <= i < self.vocabulary for i in ids):
            return False
        self.next += 1
        logprobs, flat = numbers[: self.rows], numbers[self.rows :]
        watched = [flat[r * self.watch : (r + 1) * self.watch] for r in range(self.rows)]
        self.on_step(step, ids, logprobs, watched)
        return True
