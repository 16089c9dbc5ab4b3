"""Whether an order comes back to its beginning: a closed curve against open arcs and groups.

Shuffled labels ask whether names lie in an order at all; years in a row, an arch and a random walk
do. Here every name is left out and placed from the others along a closed curve, along open arcs
cut at every gap, and by the mean of its group. Which of them places names best is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import cast

import numpy as np

from volvelle.compute.stats.permutation import LEVEL

# Five names have (5 - 1)! / 2 = 12 orders around a circle, so that even a perfect one has p >= .08.
# Six have 60, but at a signal-to-noise of 2 an arc of 270 degrees was called closed in .08 of draws
# and four groups in .23; seven names (weekdays) in 0 and 0.
FEWEST = 7
# A closed curve must be 20 times as likely as what is not closed. At 0 a tenth to a third of noisy
# arcs of 270 degrees passed (8 names, signal-to-noise 1); so, under .05, for a few of the circles.
MARGIN = float(-np.log(LEVEL))
# A reference that leaves out more of the circle than this says itself that it is an arc.
WIDEST_GAP = np.radians(75.0)
# Arcs as wide as this are tried beside the closed curve, and the arch of a random walk.
SPANS = (90.0, 135.0, 180.0, 225.0, 270.0)
MOST_GROUPS = 6
_FLAT = 1e-6  # coordinates of less than this share of the widest are rounding errors
_TINY = 1e-12


@dataclass(frozen=True)
class Closure:
    """How well left-out names are placed by a closed curve, by open ones and by groups.

    Attributes
    ----------
    closed, opened, grouped : float
        Log likelihood of the left-out names: larger is better. Open arcs, of which there are
        many, count with their mean likelihood; groups with the best grouping, less the log of
        the number of groupings.
    cut : tuple of int
        The names before and after the gap of the best open arc.
    step : float
        The step over that gap, in multiples of the mean of the other steps.
    expected : float
        The same of a circle whose names lie at the reference.
    gap : float
        The largest gap of the reference, radians.
    n_groups : int
        Of the best grouping.
    """

    closed: float
    opened: float
    grouped: float
    cut: tuple[int, int]
    step: float
    expected: float
    gap: float
    n_groups: int

    @property
    def shape(self) -> str:
        """``"closed"`` where that is 20 times as likely, else ``"open"`` or ``"grouped"``."""
        if self.closed >= max(self.opened, self.grouped) + MARGIN and self.gap <= WIDEST_GAP:
            return "closed"
        return "grouped" if self.grouped > max(self.closed, self.opened) else "open"


def closure(coordinates: np.ndarray, angles: np.ndarray) -> Closure:
    """Compare a closed curve with open arcs and with groups on left-out names.

    Every curve has the same freedom, an origin and two vectors: ``m + a cos t + b sin t``. For the
    closed one t is the reference; for an open one the reference, cut at a gap, is spread over
    an arc of 90 to 270 degrees, or along the arch ``cos(pi t), cos(2 pi t)`` that the components
    of a random walk follow. Groups are runs of neighbours, two names or more in each.

    Parameters
    ----------
    coordinates : array, shape (n, k)
        Of the names, in components that were found without the angles.
    angles : array, shape (n,)
        Reference, radians, n >= 7.

    Returns
    -------
    Closure

    Source: left-out errors of a linear fit by its hat matrix, Allen (1974), Technometrics 16; the
    arch: Novembre and Stephens (2008), Nature Genetics 40, Antognini and Sohl-Dickstein (2018),
    arXiv:1806.08805.
    """
    order = np.argsort(angles % (2 * np.pi), kind="stable")
    turn = angles[order] % (2 * np.pi)
    y = _whitened(coordinates[order])
    gaps = np.diff(turn, append=turn[0] + 2 * np.pi)
    opened, cut = _opened(y, turn, gaps)
    grouped, n_groups = _grouped(y)
    return Closure(
        closed=float(_evidence(y, _waves(turn))),
        opened=opened,
        grouped=grouped,
        cut=(int(order[cut]), int(order[(cut + 1) % len(order)])),
        step=_step(coordinates[order], cut),
        expected=_step(_waves(turn), cut),
        gap=float(gaps.max()),
        n_groups=n_groups,
    )


def _whitened(x: np.ndarray) -> np.ndarray:
    """Return principal coordinates of unit variance, so that rotating the rows changes nothing."""
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return u[:, s > _FLAT * s[0]] * np.sqrt(len(x))


def _step(x: np.ndarray, cut: int) -> float:
    steps = np.linalg.norm(np.roll(x, -1, axis=0) - x, axis=1)
    return float(steps[cut] / max(np.delete(steps, cut).mean(), _TINY))


def _waves(t: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(t), np.cos(t), np.sin(t)], axis=-1)


def _evidence(y: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return the log likelihood of left-out rows of y (n, k) under fits on (..., n, p)."""
    q = np.linalg.qr(design)[0]
    hat = q @ np.swapaxes(q, -1, -2)
    leverage = np.diagonal(hat, axis1=-2, axis2=-1)
    errors = (y - hat @ y) / np.maximum(1 - leverage, 1e-6)[..., None]
    return -0.5 * len(y) * np.log((errors**2).mean(axis=-2) + 1e-6).sum(axis=-1)


def _opened(y: np.ndarray, turn: np.ndarray, gaps: np.ndarray) -> tuple[float, int]:
    """Return the evidence of open arcs, and the cut of the best (the name before it)."""
    n = len(turn)
    places: list[np.ndarray] = []
    for cut in range(n):
        along = (turn - turn[(cut + 1) % n]) % (2 * np.pi)
        places.append(along / max(2 * np.pi - gaps[cut], _TINY))
    t = np.stack(places)
    arcs = [_waves(np.radians(span) * (t - 0.5)) for span in SPANS]
    arch = np.stack([np.ones_like(t), np.cos(np.pi * t), np.cos(2 * np.pi * t)], axis=-1)
    found = _evidence(y, np.stack([*arcs, arch]))
    best = np.unravel_index(int(found.argmax()), found.shape)
    return _mean_of(found), int(best[1])


def _mean_of(evidence: np.ndarray) -> float:
    """Return the log of the mean likelihood: each of many curves has its share of the doubt."""
    top = evidence.max()
    return float(top + np.log(np.exp(evidence - top).mean()))


def _grouped(y: np.ndarray) -> tuple[float, int]:
    """Return the evidence of runs of neighbours, and how many the best are."""
    n = len(y)
    most = min(MOST_GROUPS, n // 2)
    # of two groups or more one begins among the first half of the names
    starts = np.arange(n // 2 + 1)
    cost = _run_costs(y)[(starts[:, None] + np.arange(n)) % n]
    found: list[float] = []
    for groups, owner in enumerate(_runs(cost, most), start=2):
        turned = np.take_along_axis(owner, (np.arange(n) - starts[:, None]) % n, axis=1)
        evidence = _evidence(y, np.eye(groups)[turned])
        # there are about this many ways to cut n names into so many runs; the best was taken
        found.append(float(evidence.max()) - float(np.log(comb(n, groups))))
    return _mean_of(np.array(found)), int(np.argmax(found)) + 2


def _run_costs(y: np.ndarray) -> np.ndarray:
    """Return (n, n + 1): left-out squared error of the run from i of m names, around the circle."""
    n = len(y)
    cost = np.full((n, n + 1), np.inf)
    twice = np.concatenate([y, y])
    sums = np.concatenate([np.zeros((1, y.shape[1])), twice.cumsum(axis=0)])
    squares = np.concatenate([[0.0], (twice**2).sum(axis=1).cumsum()])
    i = np.arange(n)
    for m in range(2, n + 1):
        within = squares[i + m] - squares[i] - ((sums[i + m] - sums[i]) ** 2).sum(axis=1) / m
        cost[:, m] = within * (m / (m - 1)) ** 2
    return cost


def _runs(cost: np.ndarray, most: int) -> list[np.ndarray]:
    """Return, for 2 to `most` groups, the group (n_starts, n) of each name at least cost.

    Parameters
    ----------
    cost : array, shape (n_starts, n, n + 1)
        Of the run from i of m names, counted from each start.
    most : int
    """
    n_starts, n = len(cost), cost.shape[1]
    rows = np.arange(n_starts)
    best = np.full((most + 1, n_starts, n + 1), np.inf)
    size = np.zeros((most + 1, n_starts, n + 1), dtype=np.intp)
    best[0, :, 0] = 0
    for g in range(1, most + 1):
        for end in range(2 * g, n + 1):
            m = np.arange(2, end + 1)
            total = best[g - 1][:, end - m] + cost[:, end - m, m]
            size[g, :, end] = m[total.argmin(axis=1)]
            best[g, :, end] = total.min(axis=1)
    found: list[np.ndarray] = []
    for groups in range(2, most + 1):
        owner: np.ndarray = np.zeros((n_starts, n), dtype=np.intp)
        begins: np.ndarray = np.full(n_starts, n)
        for g in range(groups, 1, -1):
            begins -= size[g, rows, begins]
            later = cast("np.ndarray", np.arange(n) >= begins[:, None])
            owner += later
        found.append(owner)
    return found
