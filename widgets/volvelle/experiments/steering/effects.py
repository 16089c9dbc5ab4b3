"""What a steer does to watched answers right after the prompts, beside placebos."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.compute.stats.cells import CellTest, stand_out
from volvelle.compute.stats.intervals import interval, log_odds
from volvelle.experiments.steering.placebos import Relabelled
from volvelle.names import unknown

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("random", "shuffled", "relabelled", "rescaled")
# What a reader calls one placebo of each kind.
CALLED = {
    "random": "random direction",
    "shuffled": "other feature",
    "relabelled": "relabelled contrast",
    "rescaled": "relabelled contrast",
}

CELLS = Axes("n_prompts", "n_strengths", "n_answers", kind="f")


def counted(n: int, what: str) -> str:
    """Return "1 answer", "2 answers"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def called(kind: str, n: int) -> str:
    """Return how many placebos of a kind, as a reader calls them."""
    return counted(n, CALLED[kind]) + (" of its length" if kind == "rescaled" else "")


@dataclass(frozen=True, eq=False)
class Effects:
    """Probabilities of answers right after each prompt, steered and under placebos.

    Attributes
    ----------
    watch : tuple of str
        Names of the answers.
    strengths : tuple of float
        Multipliers, without 0.
    baseline : float32 array, shape (n_prompts, n_answers)
        Natural-log probabilities of the unsteered model.
    steered : float32 array, shape (n_prompts, n_strengths, n_answers)
    placebos : dict of kind -> float32 array, shape (n, n_prompts, n_strengths, n_answers)
        ``random`` directions of equal size, ``shuffled``: other features of the SAE,
        ``relabelled`` and ``rescaled``: what the direction's texts give under other labels, at
        its own length and at the direction's.
    labels : Relabelled
        How many labellings there are, and how like the direction they are.
    """

    watch: Annotated[tuple[str, ...], Axes("n_answers")]
    strengths: Annotated[tuple[float, ...], Axes("n_strengths")]
    baseline: Annotated[np.ndarray, Axes("n_prompts", "n_answers", kind="f")] = field(repr=False)
    steered: Annotated[np.ndarray, CELLS] = field(repr=False)
    placebos: dict[str, Annotated[np.ndarray, Axes(None, *CELLS.lengths, kind="f")]] = field(
        repr=False
    )
    labels: Relabelled = field(default_factory=Relabelled)

    @property
    def n_prompts(self) -> int:
        """How many prompts the effects are means over."""
        return len(self.baseline)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of placebos that were run."""
        return tuple(kind for kind in KINDS if len(self.placebos.get(kind, ())))

    def probabilities(self, kind: str = "steered") -> np.ndarray:
        """Return probabilities, mean over prompts.

        Returns
        -------
        array, shape (n_strengths, n_answers); of placebos (n, n_strengths, n_answers)
        """
        return np.exp(self._of(kind).astype(np.float64)).mean(axis=-3)

    def changes(self, kind: str = "steered") -> np.ndarray:
        """Return changes of the log-odds against the unsteered model, per prompt.

        Returns
        -------
        array, shape (n_prompts, n_strengths, n_answers); of placebos (n, n_prompts, ...)
            ``log(p / (1 - p))`` steered, less the same unsteered.
        """
        return log_odds(self._of(kind)) - log_odds(self.baseline)[:, None]

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval over prompts of the mean change of log-odds.

        Returns
        -------
        low, high : array, shape (n_strengths, n_answers)
            NaN of a single prompt: it has no spread to learn from.
        """
        return interval(self.changes(), level)

    def test(self, kind: str = "random") -> CellTest:
        """Test every strength and answer against placebos of one kind.

        The mean change of log-odds over prompts, each (strength, answer) in units of the
        placebos' spread, two-sided; every p pays for all strengths and answers at once.

        Parameters
        ----------
        kind : {"random", "shuffled", "relabelled", "rescaled"}

        Returns
        -------
        CellTest
            Its `p_cells` has shape (n_strengths, n_answers).

        Raises
        ------
        KeyError
            For a kind that was not run.
        """
        if kind not in self.kinds:
            raise KeyError(unknown("kind of placebo", kind, self.kinds))
        found = self.changes(kind).mean(axis=1)
        family = f"{self.family}, {called(kind, len(found))}"
        return stand_out(self.changes().mean(axis=0), found, family)

    @property
    def family(self) -> str:
        """What every p pays for."""
        cells = f"{counted(len(self.watch), 'answer')} x {counted(len(self.strengths), 'strength')}"
        return f"two-sided over {cells}"

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per answer and strength.

        Columns: answer, strength, P unsteered, P (means over prompts), log_odds (mean change),
        low, high (95 % over prompts; NaN of one), and one ``p [kind]`` per kind of placebo,
        corrected over all lines.
        """
        import pandas as pd

        low, high = self.interval()
        after, change = self.probabilities(), self.changes().mean(axis=0)
        before = np.exp(self.baseline.astype(np.float64)).mean(axis=0)
        cells = {kind: self.test(kind).p_cells for kind in self.kinds}
        return pd.DataFrame(
            [
                {
                    "answer": answer,
                    "strength": strength,
                    "P unsteered": before[k],
                    "P": after[s, k],
                    "log_odds": change[s, k],
                    "low": low[s, k],
                    "high": high[s, k],
                    **{f"p [{kind}]": p[s, k] for kind, p in cells.items()},
                }
                for k, answer in enumerate(self.watch)
                for s, strength in enumerate(self.strengths)
            ]
        )

    def _of(self, kind: str) -> np.ndarray:
        if kind == "steered":
            return self.steered
        if kind not in self.kinds:
            raise KeyError(unknown("kind of placebo", kind, ("steered", *self.kinds)))
        return self.placebos[kind]
