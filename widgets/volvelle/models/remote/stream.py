"""Tokens as they come: lines a trace prints on the server, taken apart and checked."""

from __future__ import annotations

import math
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

HEX = re.compile("[0-9a-f]+")


class StepShape(NamedTuple):
    """What one step of a generation tells.

    Attributes
    ----------
    rows : int
        Of the batch.
    watch : int
        Watched tokens of each row.
    width : int
        Tokens of the padded prompt, where it is told which were steered; 0 where it is not.
    """

    rows: int
    watch: int = 0
    width: int = 0


class TokenStream:
    """Turns log lines of one request back into calls.

    A server's standard output is shared by everything that runs in its process, so a line
    counts only with this request's own random mark, the next step's number, and exactly the
    numbers that belong to it. Everything else is ignored: the result brings all tokens again.

    Parameters
    ----------
    on_step : callable(step, ids, logprobs, watched, touched)
        What a local trace would call.
    shape : StepShape
    vocabulary : int
        Ids are below it.
    """

    def __init__(
        self,
        on_step: Callable[[int, list[int], list[float], list[list[float]], list[list[bool]]], None],
        shape: StepShape,
        vocabulary: int,
    ) -> None:
        self.mark = f"vv-{secrets.token_hex(16)}"
        self.on_step = on_step
        self.shape, self.vocabulary = shape, vocabulary
        self.next = 0

    def hear(self, line: str) -> bool:
        """Take one line of the server's log; returns whether it was this request's."""
        mark, _, rest = line.strip().partition(" ")
        if not secrets.compare_digest(mark.encode(), self.mark.encode()):
            return False
        parts = rest.split(" ")
        rows, watch, width = self.shape
        flags = rows if width else 0
        if len(parts) != 1 + rows * (2 + watch) + flags:
            return False
        end = len(parts) - flags
        try:
            step, *ids = map(int, parts[: 1 + rows])
            numbers = [float(part) for part in parts[1 + rows : end]]
            touched = [_bits(part, 1 if step else width) for part in parts[end:]]
        except ValueError:
            return False
        # a log-probability is at most 0, up to rounding
        if step != self.next or any(math.isnan(x) or x > 1e-3 for x in numbers):
            return False
        if not all(-1 <= i < self.vocabulary for i in ids):
            return False
        self.next += 1
        logprobs, flat = numbers[:rows], numbers[rows:]
        watched = [flat[r * watch : (r + 1) * watch] for r in range(rows)]
        self.on_step(step, ids, logprobs, watched, touched)
        return True


def _bits(said: str, width: int) -> list[bool]:
    """Return the tokens that a hexadecimal number marks, the first token its highest bit."""
    if not HEX.fullmatch(said) or 4 * len(said) >= width + 4 or int(said, 16) >> width:
        raise ValueError(f"{said!r} marks no {width} tokens")
    return [bit == "1" for bit in f"{int(said, 16):0{width}b}"]
