"""Rows of a steering run and what is measured on them: curves, bands, placebos as strong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked_in
from volvelle.arguments.plain import number
from volvelle.experiments.steering.effects import KINDS, Effects
from volvelle.experiments.steering.prompts import PromptCard  # noqa: TC001 - a field's type, read with its file
from volvelle.experiments.steering.rows import SteerCard  # noqa: TC001 - a field's type, read with its file
from volvelle.experiments.steering.steered_row import SteeredRow  # noqa: TC001 - a field's type, read with its file
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from volvelle.compute.stats.cells import CellTest

# Measures of a row beside the watched tokens' probabilities.
MEASURES = ("perplexity", "repetition", "ratio")
PLACEBOS = ("random", "shuffled")


@checked_in
@dataclass(frozen=True, eq=False)
class Sweep:
    """Steered rows at several strengths, placebos of the same size beside them.

    `SteeringRun` documents its fields.
    """

    model: str
    prompts: tuple[PromptCard, ...] = field(repr=False)
    steers: tuple[SteerCard, ...]
    strengths: tuple[float, ...]
    watch: tuple[str, ...]
    rows: tuple[SteeredRow, ...] = field(repr=False)
    norms: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    vectors: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    spellings: tuple[tuple[str, ...], ...] = ()
    effects: Effects | None = field(default=None, repr=False)

    def _check(self) -> None:
        """Raise ValueError where the rows of a file are not those of its run."""
        sizes = [len(prompt.ids) for prompt in self.prompts]
        there = {(r.kind, r.number, r.strength, r.prompt) for r in self.rows if r.sample == 0}
        for n in range(len(sizes)):
            for strength in {0.0, *self.strengths}:
                if ("steered", -1, strength, n) not in there:
                    raise ValueError(f"rows lack prompt {n} at strength {strength:g}")
        for n, row in enumerate(self.rows):
            n_prompt = sizes[row.prompt] if 0 <= row.prompt < len(sizes) else -1
            wanted = (len(self.steers), n_prompt + len(row.ids))
            if row.masks.shape != wanted or row.watched.shape[1:] != (len(self.watch),):
                raise ValueError(f"rows: row {n} is of another prompt, or of other steers")
            if any(not self.norms.get(point, 0) > 0 for point in row.sizes):
                raise ValueError(f"rows: row {n} was steered at points without a norm")
        found = self.effects
        if found is not None and (found.watch, found.strengths, found.n_prompts) != (
            self.watch,
            tuple(s for s in self.strengths if s != 0),
            len(sizes),
        ):
            raise ValueError("effects are of other answers, strengths or prompts")

    @property
    def prompt(self) -> str:
        """The first prompt as the model read it, template included."""
        return self.prompts[0].text

    @property
    def prompt_ids(self) -> np.ndarray:
        """Token ids of the first prompt, int (n_prompt,)."""
        return self.prompts[0].ids

    @property
    def prompt_strings(self) -> tuple[str, ...]:
        """Tokens of the first prompt as a reader sees them."""
        return self.prompts[0].strings

    @property
    def prompt_turns(self) -> tuple[str, ...]:
        """Whose each token of the first prompt is; empty where it is no chat."""
        return self.prompts[0].turns

    def row(
        self,
        strength: float,
        *,
        kind: str = "steered",
        number: int | None = None,
        sample: int = 0,
        prompt: int = 0,
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
            asked = (row.kind, row.number, row.sample, row.prompt)
            if asked == (kind, wanted, sample, prompt) and np.isclose(row.strength, strength):
                return row
        raise KeyError(
            f"no row of kind {kind!r}, number {wanted}, sample {sample}, prompt {prompt} at "
            f"strength {strength:g}; strengths are {', '.join(f'{s:g}' for s in self.strengths)}, "
            f"prompts 0 to {len(self.prompts) - 1}"
        )

    @property
    def baseline(self) -> SteeredRow:
        """The unsteered row of sample 0, of the first prompt."""
        return self.row(0)

    @property
    def texts(self) -> dict[float, str]:
        """The steered text of sample 0 per strength, of the first prompt."""
        return {strength: self.row(strength).text for strength in self.strengths}

    @property
    def placebos(self) -> tuple[tuple[str, int], ...]:
        """Kind and number of every placebo that wrote texts."""
        return tuple(dict.fromkeys((r.kind, r.number) for r in self.rows if r.number >= 0))

    def curve(self, measure: str, *, kind: str = "steered", number: int = -1) -> np.ndarray:
        """Return a measure per strength, averaged over samples and prompts.

        Parameters
        ----------
        measure : str
            A watched answer (its probability right after the prompt), ``"perplexity"``,
            ``"repetition"`` or ``"ratio"``.
        kind : {"steered", "random", "shuffled", "relabelled", "rescaled"}
        number : int
            Which placebo, the first where none is said.

        Returns
        -------
        array, shape (n_strengths,)

        Raises
        ------
        KeyError
            For a measure, a kind or a placebo that was not run.
        """
        if measure not in (*self.watch, *MEASURES):
            raise KeyError(unknown("measure", measure, (*self.watch, *MEASURES)))
        if number < -1 or (kind == "steered" and number != -1):
            raise KeyError(f"number={number} is no placebo: they count from 0")
        if kind != "steered":
            numbers = self._numbers(kind, measure)
            number = max(number, 0)
            if number not in numbers:
                raise KeyError(f"no placebo {number} of kind {kind!r}: {len(numbers)} were run")
        if self.effects is not None and measure in self.watch:
            return self._answer(self.effects, self.watch.index(measure), kind, number)
        found: list[float] = []
        for strength in self.strengths:
            rows = [
                r
                for r in self.rows
                if r.strength == strength
                and ((r.kind, r.number) == (kind, number) or strength == 0)
            ]
            found.append(float(np.mean([self._measure(r, measure) for r in rows])))
        return np.array(found)

    def _answer(self, effects: Effects, k: int, kind: str, number: int) -> np.ndarray:
        """Return the probability of answer k per strength, 0 among them, mean over prompts."""
        along = effects.probabilities(kind)
        along = along if kind == "steered" else along[number]
        before = float(np.exp(effects.baseline[:, k].astype(np.float64)).mean())
        return np.insert(along[:, k], self.strengths.index(0), before)

    def _numbers(self, kind: str, measure: str) -> list[int]:
        if self.effects is not None and measure in self.watch:
            if kind not in KINDS:
                raise KeyError(unknown("kind of placebo", kind, KINDS))
            return list(range(len(self.effects.placebos.get(kind, ()))))
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

        They show what chance looks like, strength by strength; whether an answer stands out
        over all of them is what `test` says.

        Parameters
        ----------
        measure : str
            As in `curve`.
        quantiles : sequence of float in 0...1
        kind : {"random", "shuffled", "relabelled", "rescaled"}
            Measures of a text have the first two only.

        Returns
        -------
        pandas.DataFrame
            Index strength; columns ``steered`` and the quantiles. Few placebos make a coarse
            band: with 5, the 95 % quantile is their largest but a little.
        """
        import pandas as pd

        shares = [number(one, "quantiles", 0, 1) for one in quantiles]
        index = pd.Index(self.strengths, name="strength")
        frame = pd.DataFrame({"steered": self.curve(measure)}, index=index)
        numbers = self._numbers(kind, measure)
        if numbers:
            curves = np.stack([self.curve(measure, kind=kind, number=n) for n in numbers])
            for quantile in shares:
                frame[f"{quantile:g}"] = np.nanquantile(curves, quantile, axis=0)
        return frame

    def test(self, kind: str = "random") -> CellTest:
        """Test the watched answers at every strength against placebos of one kind.

        Parameters
        ----------
        kind : {"random", "shuffled", "relabelled", "rescaled"}

        Returns
        -------
        CellTest
            `Effects.test` documents it.

        Raises
        ------
        ValueError
            Where no answer was watched.
        KeyError
            For a kind that was not run.
        """
        if self.effects is None:
            raise ValueError("no answer was watched: give vv.steer(..., watch=[' happy'])")
        return self.effects.test(kind)
