"""Time things side by side, so that a busy machine slows all of them alike.

A case is repeated in turn with the others of its group, after a warm-up; what is
compared is the ratio within each turn, and the median of those ratios is printed.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPETITIONS = 9
WARM_UPS = 2
THREADS = 2


@dataclass(frozen=True)
class Timing:
    """Repetitions of one case.

    Attributes
    ----------
    seconds : list of float
        Wall time of each repetition.
    ratios : list of float
        The same, each over the first case of its turn.
    """

    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        """Median, milliseconds."""
        return 1e3 * median(self.seconds)

    @property
    def ratio(self) -> float:
        """Median of the turns' ratios to the first case."""
        return median(self.ratios)


def side_by_side(
    cases: Mapping[str, Callable[[], object]],
    *,
    repetitions: int = REPETITIONS,
    warm_ups: int = WARM_UPS,
) -> dict[str, Timing]:
    """Time cases in turn; the first is what the others are compared with."""
    for _ in range(warm_ups):
        for case in cases.values():
            case()
    timings = {name: Timing() for name in cases}
    gc.collect()
    gc.disable()
    try:
        for _ in range(repetitions):
            turn = {name: _seconds(case) for name, case in cases.items()}
            reference = next(iter(turn.values()))
            for name, seconds in turn.items():
                timings[name].seconds.append(seconds)
                timings[name].ratios.append(seconds / reference)
    finally:
        gc.enable()
    return timings


def _seconds(case: Callable[[], object]) -> float:
    start = time.perf_counter()
    case()
    return time.perf_counter() - start


@dataclass
class Table:
    """Rows of figures, printed as they come in.

    Parameters
    ----------
    title : str
    columns : tuple of str
        The first holds the case's name, the others figures.
    """

    title: str
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        print(f"\n{self.title}")
        self._print(self.columns)

    def row(self, *values: object) -> None:
        """Print one row; floats with three digits."""
        self._print(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)

    @staticmethod
    def _print(values: object) -> None:
        first, *others = values
        print(f"  {first:<44}" + "".join(f"{value:>14}" for value in others), flush=True)

    def compare(
        self, timings: Mapping[str, Timing], targets: Mapping[str, float] | None = None
    ) -> None:
        """Print each case's median and its ratio to the first, with the ratio aimed at."""
        for name, timing in timings.items():
            target = (targets or {}).get(name)
            aim = "" if target is None else f"<= {target:g}x"
            self.row(name, timing.ms, f"{timing.ratio:.2f}x", aim)


def two_threads() -> None:
    """Give torch the cores the targets are stated for."""
    import torch

    torch.set_num_threads(THREADS)
