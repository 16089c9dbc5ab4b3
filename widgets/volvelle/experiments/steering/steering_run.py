"""The result of `volvelle.steer`: texts, probabilities and sizes, with the placebo beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.experiments.steering.summary import summarise
from volvelle.names import known_keywords_in, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from volvelle.experiments.steering.rows import SteerCard
    from volvelle.experiments.steering.steered_row import SteeredRow

# Measures of a row beside the watched tokens' probabilities.
MEASURES = ("perplexity", "repetition", "ratio")
PLACEBOS = ("random", "shuffled")


@known_keywords_in
@dataclass(frozen=True, eq=False)
class SteeringRun:
    """What a steer does at several strengths, and what placebos of the same size do.

    Attributes
    ----------
    model : str
    prompt : str
        As the model read it, template included.
    prompt_ids : int array, shape (n_prompt,)
    prompt_strings : tuple of str
    steers : tuple of SteerCard
        Formula, neutral value, place, and the strength in every unit.
    strengths : tuple of float
        Multipliers, ascending, 0 among them.
    watch : tuple of str
        Names of the answers that were followed.
    spellings : tuple of tuple of str
        What counted as each.
    rows : tuple of SteeredRow
    norms : dict of point -> float
        Median residual norm of each steered point: the unit ``norm``.
    settings : dict
        ``seed``, ``temperature``, ``max_new_tokens``, ``samples``, ``placebo``, ``chat``.
    vectors : dict of str -> float32 array
        The directions, ``"0.1"`` for the second of the first steer.
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

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per row.

        Columns: kind, placebo, strength, sample, text, n_tokens, perplexity, repetition, ratio
        (median |delta|/|h| where it acted), one ``P(answer)`` per watched answer
        (right after the prompt), per steered
        point the median |delta| as it is and in residual norms (``|delta| point [raw]``,
        ``[norm]``), and one ``<steer> [unit]`` per steer of method add and unit with its
        effective strength.
        """
        import pandas as pd

        lines = []
        for row in self.rows:
            line: dict[str, Any] = {
                "kind": row.kind,
                "placebo": row.number,
                "strength": row.strength,
                "sample": row.sample,
                "text": row.text,
                "n_tokens": len(row.ids),
                "perplexity": row.perplexity,
                "repetition": row.repetition,
                "ratio": row.ratio,
            }
            line |= {f"P({t})": float(p) for t, p in zip(self.watch, row.next, strict=True)}
            for point, delta in row.deltas.items():
                line[f"|delta| {point} [raw]"] = delta
                line[f"|delta| {point} [norm]"] = delta / self.norms[point]
            for steer in self.steers:
                for unit, value in steer.effective(row.strength).items():
                    if value is not None:
                        line[f"{steer.name} [{unit}]"] = value
            lines.append(line)
        return pd.DataFrame(lines)

    def tokens_to_pandas(self) -> pd.DataFrame:
        """Return one line per generated token.

        Columns: kind, placebo, strength, sample, position (0 is the first new token), string,
        id, logprob, base_logprob, steered (any steer acted on it), ratio.
        """
        import pandas as pd

        frames = []
        n = len(self.prompt_ids)
        for row in self.rows:
            ratios = np.stack([*row.ratios.values(), np.zeros(n + len(row.ids))])
            frames.append(
                pd.DataFrame(
                    {
                        "kind": row.kind,
                        "placebo": row.number,
                        "strength": row.strength,
                        "sample": row.sample,
                        "position": np.arange(len(row.ids)),
                        "string": row.strings,
                        "id": row.ids,
                        "logprob": row.logprobs,
                        "base_logprob": row.base_logprobs,
                        "steered": row.masks[:, n:].any(axis=0),
                        "ratio": np.fmax.reduce(ratios[:, n:], axis=0),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def summary(self) -> str:
        """Return one honest sentence: the effect, the placebos that do as much, the collapse."""
        return summarise(self)

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file (JSON in its header); returns its path."""
        from volvelle.experiments.steering.file import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> SteeringRun:
        """Read what `save` wrote."""
        from volvelle.experiments.steering.file import load

        return load(path)

    def __repr__(self) -> str:
        names = " and ".join(steer.name for steer in self.steers)
        points = ", ".join(dict.fromkeys(p for steer in self.steers for p in steer.points[:3]))
        kinds = [kind for kind, _ in self.placebos]
        placebo = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        strengths = ", ".join(f"{s:g}" for s in self.strengths)
        return (
            f"SteeringRun({self.model}, {names!r} at {points}, strengths {strengths}, "
            f"{placebo + ' placebos' if placebo else 'no placebo'}: {self.summary()})"
        )
