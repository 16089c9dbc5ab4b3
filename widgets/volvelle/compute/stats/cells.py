"""A table of effects beside those of placebos: which stand out, paying for the whole table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from volvelle.compute.stats.permutation import LEVEL

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class CellTest:
    """How far each cell of a table stands out from the same cell of placebos.

    Made by `stand_out`. An effect and its placebos are divided by the placebos' spread, so that
    cells compare; the largest cell of each placebo is what the effect's cells are held against.

    Attributes
    ----------
    family : str
        What the p pays for: how many cells, against how many of which placebos.
    observed : array, shape (...)
        Each cell's distance from the placebos' mean, in their standard deviations, signed.
    null : array, shape (n,)
        Of each placebo the largest such distance over all cells, each placebo left out of its
        own mean and spread as the effect is of its.
    """

    family: str
    observed: np.ndarray
    null: np.ndarray = field(repr=False)

    @property
    def n(self) -> int:
        """How many placebos."""
        return len(self.null)

    @property
    def smallest(self) -> float:
        """The smallest p in reach, ``1 / (n + 1)``."""
        return 1 / (self.n + 1)

    @property
    def can_tell(self) -> bool:
        """Whether a p of .05 is within reach."""
        return self.smallest <= LEVEL

    @property
    def p(self) -> float:
        """Of the cell that stands out most, two-sided: ``(1 + k) / (n + 1)``."""
        return float(self.p_cells.min()) if self.observed.size else 1.0

    @property
    def p_cells(self) -> np.ndarray:
        """Of every cell, shape (...): k placebos have a cell anywhere that stands out as far."""
        far = np.abs(self.observed)[..., None]
        # a tie counts against the observation, rounding or not
        return (1 + (self.null >= far - 1e-9).sum(axis=-1)) / (self.n + 1)

    def __repr__(self) -> str:
        if not self.can_tell:
            return f"CellTest({self.family}: cannot tell, the smallest p is {self.smallest:.2g})"
        return f"CellTest({self.family}: p = {self.p:.2g})"


def stand_out(effects: np.ndarray, placebos: np.ndarray, family: str) -> CellTest:
    """Test a table of effects against the same table of placebos.

    Nothing tells the effect from a placebo but its name: every row is standardised by the mean
    and the spread of all the *other* rows, and the largest absolute cell of each is compared.
    For an effect that is one more placebo, p <= a has probability a at most, whatever the
    correlation of the cells and however their spreads differ.

    Parameters
    ----------
    effects : array, shape (...)
        In units that can be averaged, such as changes of log-odds. Cells that are NaN or
        infinite take no part: their p is 1.
    placebos : array, shape (n, ...)
        The same cells, in the same order, of n placebos. One that is NaN or infinite in a cell
        counts as standing out as far as any effect.
    family : str
        What is said beside every p.

    Returns
    -------
    CellTest

    Source: single-step maxT, Westfall and Young (1993), Resampling-Based Multiple Testing, 2.5;
    p-values that are never zero, Phipson and Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9.
    """
    rows = np.concatenate([effects[None], placebos]).astype(np.float64)
    flat = rows.reshape(len(rows), -1)
    known = np.isfinite(flat)
    # a cell where the effect is no number takes no part; a placebo that is none stands out
    cells = known[0]
    middle = np.where(known, flat, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    signed = np.where(cells, _left_out(np.where(known, flat, middle)), 0.0)
    far = np.where(cells & ~known, np.inf, np.abs(signed))
    observed = signed[0].reshape(effects.shape)
    return CellTest(family, observed, far.max(axis=1, initial=0.0)[1:])


def _left_out(rows: np.ndarray) -> np.ndarray:
    """Standardise every row by the mean and spread of the others, cell by cell."""
    n = len(rows) - 1
    if n < 2:
        # of one placebo there is no spread: the plain effect, of which nothing can be told
        return rows
    mean = (rows.sum(axis=0) - rows) / n
    square = ((rows**2).sum(axis=0) - rows**2) / n
    spread = np.sqrt(np.maximum(square - mean**2, 0) * n / (n - 1))
    # cells in which all move alike differ by rounding only
    floor = 1e-6 * np.abs(rows).max(axis=0) + _TINY
    return (rows - mean) / np.maximum(spread, floor)


@dataclass(frozen=True, eq=False)
class Band:
    """Where placebos' whole curves lie.

    Attributes
    ----------
    low, middle, high : array, shape (m,)
        Mean of the placebos, less and plus a number of their standard deviations.
    coverage : float in 0...1
        Share of exchangeable curves that stay inside at every strength: .95, or n / (n + 1)
        where n placebos can say no more.
    """

    low: np.ndarray = field(repr=False)
    middle: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    coverage: float


def simultaneous_band(curves: np.ndarray, level: float = LEVEL) -> Band:
    """Return the band that a placebo's whole curve leaves with probability `level` at most.

    Quantiles strength by strength hold for one strength that was chosen before: of curves over
    ten strengths far more than one in twenty leave such a band somewhere.

    Parameters
    ----------
    curves : array, shape (n, m)
        Of n >= 1 placebos at m strengths, in units without bounds, such as log-odds.
    level : float in 0...1

    Returns
    -------
    Band
        As high everywhere, in standard deviations, as the farthest point of the placebo that
        bounds the share; each placebo left out of its own mean and spread.
    """
    wide = curves.astype(np.float64)
    n = len(wide)
    # a curve held against n others leaves them behind with probability 1 / (n + 1)
    rank = min(int(np.ceil((1 - level) * (n + 1))), n)
    middle = wide.mean(axis=0)
    if n < 3:
        return Band(wide.min(axis=0), middle, wide.max(axis=0), (n - 1) / (n + 1))
    reach = np.sort(np.abs(_left_out(wide)).max(axis=1))[rank - 1] * wide.std(axis=0, ddof=1)
    return Band(middle - reach, middle, middle + reach, rank / (n + 1))
