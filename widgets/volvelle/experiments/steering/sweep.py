"""Rows of a steering run and what is measured on them: curves, bands, placebos as strong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.names import known_keywords_in, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from volvelle.experiments.steering.rows import SteerCard
    from volvelle.experiments.steering.steered_row import SteeredRow

# Measures of a row beside the watched tokens' probabilities.
MEASURES = ("perplexity", "repetition", "ratio")
PLACEBOS = ("random", "shuffled")


@known_keywords_in
@dataclass(frozen=True, eq=False)
class Sweep:
    """Steered rows at several strengths, placebos of the same size beside them.

    `SteeringRun` documents its fields.
    """

    model: str
    prompt: str
    prompt_ids: np.ndarray = field(repr=False)
    prompt_strings: tuple[str, ...] = field(repr=False)
    steers: tuple[SteerCard, ...]
    strengths: tuple[float, ...]
    watch: tuple[str, ...]
    rows: tuple[SteeredRow, ...] = field(repr=False)
    norms: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    vectors: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    spellings: tuple[tuple[str, ...], ...] = ()
    prompt_turns: tuple[str, ...] = field(default=(), repr=False)

    def row(
        self, strength: float, *, kind: str = "steered", number: int | None = None, sample: int = 0
    ) -> SteeredRow:
        """Return one row; the strength nearest to the asked one within rounding.

        Raises
        ------
        KeyError
            Where there is none, with the strengths that were run.
        """
        if kind not in ("steered", *PLACEBOS):
            raise KeyError(unknown("kind", kind, ("steered", *PLACEBOS)))
        wanted = -1 if kind == "steered" else (number or 0)
        if strength == 0:
            kind, wanted = "steered", -1
        for row in self.rows:
            if (row.kind, row.number, row.sample) == (kind, wanted, sample) and np.isclose(
                row.strength, strength
            ):
                return row
        raise KeyError(
            f"no row of kind {kind!r}, number {wanted}, sample {sample} at strength {strength:g}; "
            f"strengths are {', '.join(f'{s:g}' for s in self.strengths)}"
        )

    @property
    def baseline(self) -> SteeredRow:
        """The unsteered row of sample 0."""
        return self.row(0)

    @property
    def texts(self) -> dict[float, str]:
        """The steered text of sample 0 per strength."""
        return {strength: self.row(strength).text for strength in self.strengths}

    @property
    def placebos(self) -> tuple[tuple[str, int], ...]:
        """Kind and number of every placebo that was run."""
        return tuple(dict.fromkeys((r.kind, r.number) for r in self.rows if r.number >= 0))

    def curve(self, measure: str, *, kind: str = "steered", number: int = -1) -> np.ndarray:
        """Return a measure per strength, averaged over samples.

        Parameters
        ----------
        measure : str
            A watched answer (its probability right after the prompt), ``"perplexity"``,
            ``"repetition"`` or ``"ratio"``.
        kind, number
            Which steers.

        Returns
        -------
        array, shape (n_strengths,)
        """
        if measure not in (*self.watch, *MEASURES):
            raise KeyError(unknown("measure", measure, (*self.watch, *MEASURES)))
        found = []
        for strength in self.strengths:
            rows = [
                r
                for r in self.rows
                if r.strength == strength
                and ((r.kind, r.number) == (kind, number) or strength == 0)
            ]
            found.append(np.mean([self._measure(r, measure) for r in rows]))
        return np.array(found)

    def _numbers(self, kind: str) -> list[int]:
        if kind not in PLACEBOS:
            raise KeyError(unknown("kind of placebo", kind, PLACEBOS))
        return [number for k, number in self.placebos if k == kind]

    def _measure(self, row: SteeredRow, measure: str) -> float:
        if measure in self.watch:
            return float(row.next[self.watch.index(measure)])
        return float(getattr(row, measure))

    def band(
        self,
        measure: str,
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        kind: str = "random",
    ) -> pd.DataFrame:
        """Return quantiles of the placebos per strength, beside the steers themselves.

        Parameters
        ----------
        measure : str
            As in `curve`.
        quantiles : sequence of float in 0...1
        kind : {"random", "shuffled"}

        Returns
        -------
        pandas.DataFrame
            Index strength; columns ``steered`` and the quantiles. Few placebos make a coarse
            band: with 5, the 95 % quantile is their largest but a little.
        """
        import pandas as pd

        index = pd.Index(self.strengths, name="strength")
        frame = pd.DataFrame({"steered": self.curve(measure)}, index=index)
        numbers = self._numbers(kind)
        if numbers:
            curves = np.stack([self.curve(measure, kind=kind, number=n) for n in numbers])
            for quantile in quantiles:
                frame[f"{quantile:g}"] = np.nanquantile(curves, quantile, axis=0)
        return frame

    def as_strong(self, measure: str, kind: str = "random") -> tuple[int, int]:
        """Return how many placebos move a measure as far as the steers do, and of how many.

        Each side is taken at the strength where it goes furthest in the direction the steers
        go, so that the steers have no choice the placebos lack.
        """
        change = self.curve(measure) - self.curve(measure)[self.strengths.index(0)]
        sign = np.sign(change[np.nanargmax(np.abs(change))])
        reached = np.nanmax(sign * change)
        numbers = self._numbers(kind)
        base = self.curve(measure)[self.strengths.index(0)]
        others = [
            np.nanmax(sign * (self.curve(measure, kind=kind, number=n) - base)) for n in numbers
        ]
        return sum(bool(other >= reached) for other in others), len(numbers)
