"""Circles: a plane through a dictionary, where its names lie in it, and whether that is chance."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field's type, read with its file
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.arguments.arrays import array
from volvelle.arguments.call import checked_result
from volvelle.arguments.said import seen
from volvelle.compute.circles.doubts import doubts
from volvelle.compute.circles.null import Null  # noqa: TC001 - a field's type, read with its file
from volvelle.compute.circles.planes import N_COMPONENTS, principal_components
from volvelle.compute.directions.captures import Captured, refuse_only_first
from volvelle.compute.directions.contrast import Exchange
from volvelle.compute.directions.directions import Dictionary, Direction
from volvelle.compute.stats.closure import FEWEST, MARGIN, WIDEST_GAP, Closure, closure
from volvelle.compute.stats.permutation import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from volvelle.compute.directions.captures import Captures
    from volvelle.compute.directions.points import Point

# A plane that is off its names' span by more than this share of its axes is not made of them.
OWN = 1e-3

# By number of names, the score of a found circle below which a second draw of the same circle was
# found (p < .05) in fewer than 80 %: circles in 64 dimensions, signal-to-noise per name .15 to 1,
# 400 to 1,000 pairs of draws each, scores in windows of .1. With 25 names it is .42: a GPT-2 of
# random weights reached .2 (p .017) on emotion words.
WEAK_NAMES = (8, 12, 16, 24, 40)
WEAK = {
    "pca": (0.86, 0.75, 0.55, 0.43, 0.33),
    "axes": (0.86, 0.75, 0.55, 0.43, 0.33),
    "ridge": (0.87, 0.79, 0.62, 0.48, 0.40),
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """How the angles of a circle agree with its reference; NaN where there is none.

    Attributes
    ----------
    correlation : float
        Fisher-Lee circular correlation of the angles shown, absolute, in [0, 1]. For a
        supervised fit this one is in-sample and means little.
    leave_one_out : float
        The same, signed, each name placed by a fit without it: blind to a rotation of all.
    cosine : float
        Mean cosine of left-out angle minus reference, in [-1, 1]; by chance around 0.
    resultant : float
        Mean resultant length after the best rotation and reflection, in [0, 1].
    error : float
        Median angular distance after it, in degrees.
    order : float
        Agreement of cyclic order, absolute, in [0, 1].
    axes : tuple of float
        Pearson r of the two plane coordinates with cos and sin of the reference.
    axes_left_out : tuple of float
        The same with each name placed by a fit without it.
    n : int
        Names that have a reference angle.
    """

    correlation: float = np.nan
    leave_one_out: float = np.nan
    resultant: float = np.nan
    error: float = np.nan
    order: float = np.nan
    axes: tuple[float, float] = (np.nan, np.nan)
    axes_left_out: tuple[float, float] = (np.nan, np.nan)
    n: int = 0
    cosine: float = np.nan


@checked_result
@dataclass(frozen=True, eq=False, repr=False)
class FittedCircle:
    """A plane through a dictionary, oriented, with its score and null.

    Attributes
    ----------
    dictionary : Dictionary
        What it was fitted to, one vector per name.
    mean : array, shape (d_model,)
        Origin of the plane.
    plane : array, shape (2, d_model)
        Orthonormal: the directions of 0 and of 90 degrees.
    angles : array, shape (n,)
        Degrees in [0, 360), anticlockwise.
    radii : array, shape (n,)
        Distance from the origin within the plane, in the unit of the vectors.
    reference : array, shape (n,), or None
        Degrees, NaN for names that have none.
    score : float
        Absolute circular correlation with the reference, whose rotation is free. Of a supervised
        fit (``"ridge"``) the mean cosine of left-out prediction minus reference: a fit that has
        seen the answer scores on noise. NaN without reference angles.
    null : Null or None
        Scores of shuffled labels, of labels shuffled within quadrants and of random vectors.
    explained : float
        Share of the variance between names that lies in the plane, in [0, 1].
    agreement : Agreement
        Further statistics against the reference.
    method, orientation : str
        How the plane was fitted, and what fixed its rotation and reflection.
    axis_names : tuple of str
        What 0 and 90 degrees mean.
    spread : array, shape (n, 2), or None
        Degrees below and above each angle that hold 95 % of bootstrap draws.
    details : dict
        What made it (model, stimuli, seed); strings and numbers.
    """

    dictionary: Dictionary
    mean: Annotated[np.ndarray, Axes("d_model", kind="f")]
    plane: Annotated[np.ndarray, Axes(2, "d_model", kind="f")]
    angles: Annotated[np.ndarray, Axes("n", kind="f")]
    radii: Annotated[np.ndarray, Axes("n", kind="f")]
    reference: Annotated[np.ndarray | None, Axes("n", kind="f")]
    score: float
    null: Null | None
    explained: float
    agreement: Agreement
    method: str
    orientation: str
    axis_names: tuple[str, str] = ("0 degrees", "90 degrees")
    spread: Annotated[np.ndarray | None, Axes("n", 2, kind="f")] = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def names(self) -> tuple[str, ...]:
        """One label per angle."""
        return self.dictionary.names

    @property
    def point(self) -> Point:
        """Where the vectors live."""
        return self.dictionary.point

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.dictionary.d_model

    @property
    def found(self) -> bool:
        """Whether chance gives a score this good in fewer than 5 % of draws."""
        return self.null is not None and self.null.p < LEVEL

    @property
    def weak(self) -> bool:
        """Whether it beats chance and would not do so again in 8 of 10: see `WEAK`."""
        enough = np.interp(self.agreement.n, WEAK_NAMES, WEAK[self.method])
        return self.found and bool(self.score < enough)

    def direction(self, degrees: float) -> Direction:
        """Return the unit direction at an angle, which a `Steer` can take.

        Parameters
        ----------
        degrees : float
            Anticlockwise from the first axis; any real number.
        """
        degrees = _angle(degrees)
        turn = np.radians(degrees)
        vector = np.cos(turn) * self.plane[0] + np.sin(turn) * self.plane[1]
        name = f"{degrees % 360:g}°"
        return Direction(vector, name, self.point, contrast=self._exchange(turn))

    def _exchange(self, turn: float) -> Exchange | None:
        """Return a direction of the plane as the sum of the names' vectors that it is."""
        if self._shares is None:
            return None
        rows, shares = self._shares
        return Exchange(rows, shares @ np.array([np.cos(turn), np.sin(turn)]))

    @cached_property
    def _shares(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Centred vectors (n, d) and each one's share (n, 2) in the axes; None where not theirs."""
        rows = self.dictionary.vectors.astype(np.float64)
        rows = rows - rows.mean(axis=0)
        axes = self.plane.astype(np.float64)
        inverse = cast("np.ndarray", np.linalg.pinv(rows @ rows.T, hermitian=True))
        shares = inverse @ rows @ axes.T
        own = np.abs(shares.T @ rows - axes).max() < OWN * np.abs(axes).max()
        return (rows.astype(np.float32), shares) if own else None

    def project(
        self,
        x: object,
        model: Captures | None = None,
        positions: str = "mean",
        centre: npt.ArrayLike | None = None,
    ) -> np.ndarray:
        """Read states, or texts, in the plane.

        Parameters
        ----------
        x : array or tensor (..., d_model), Capture, str, or sequence of str
            States at the circle's point; texts need `model`. Of a capture, and of texts under
            positions ``all``, the tokens that do not count (padding, first tokens, outliers)
            become NaN.
        model : Model, optional
            Runs the texts.
        positions : str
            For texts: ``"mean"``, ``"last"`` or ``"all"``.
        centre : array (d_model,) or "own", optional
            What counts as the origin. By default the mean of the circle's own vectors;
            ``"own"`` takes the mean of `x`, which is fair when a set of other texts is compared
            among itself.

        Returns
        -------
        array, shape (..., 2)
            Coordinates towards 0 and 90 degrees, in the unit of the vectors; see `read`.

        Raises
        ------
        ValueError
            For states of another width, and for texts of one token.
        """
        states = self._states(x, model, positions)
        if states.shape[-1:] != (self.d_model,):
            raise ValueError(
                f"x has shape {states.shape}, this circle reads {self.d_model}-dimensional vectors "
                f"at {self.point}"
            )
        if isinstance(centre, str):
            if centre != "own":
                raise ValueError(f"centre {seen(centre)}: give 'own', a vector, or nothing")
            centre = np.nanmean(states.reshape(-1, self.d_model), axis=0)
        elif centre is not None:
            centre = array(centre, "centre", (self.d_model,), dtype="float64")
        return (states - (self.mean if centre is None else centre)) @ self.plane.T

    def read(self, x: object, model: Captures | None = None, positions: str = "mean") -> np.ndarray:
        """Return the angles (degrees in [0, 360), shape (...)) of states or texts."""
        xy = self.project(x, model, positions)
        return np.degrees(np.arctan2(xy[..., 1], xy[..., 0])) % 360

    def _states(self, x: object, model: Captures | None, positions: str) -> np.ndarray:
        if (texts := _texts(x)) is not None:
            if model is None:
                raise TypeError("project() needs model= to read texts; states need none")
            captured = model.capture(texts, [self.point], positions=positions)
            refuse_only_first(captured, texts, "x")
            states = self._usable(captured)
            return states[0] if isinstance(x, str) else states
        if isinstance(x, Captured):
            return self._usable(x)
        return array(x, "x", dtype="float64")

    def _usable(self, captured: Captured) -> np.ndarray:
        """Return the states of tokens or texts, NaN where one does not count."""
        states = np.array(captured[self.point], dtype=np.float64)
        counts = captured.usable
        if states.ndim == 2:  # one state a text: of a text of one token it is position 0
            counts = np.array([bool(row.any()) for row in counts])
        states[~counts] = np.nan
        return states

    def nearest(self, degrees: float) -> str:
        """Return the name that lies nearest to an angle."""
        away = np.abs((self.angles - _angle(degrees) + 180) % 360 - 180)
        return self.names[int(away.argmin())]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Circle({len(self)} names at {self.point}, {self.method}: {self.summary()})"

    @cached_property
    def closure(self) -> Closure | None:
        """How left-out names are placed by closed curves, open ones and groups.

        None without reference, or with fewer than seven names that have one.
        """
        if self.reference is None or self.agreement.n < FEWEST:
            return None
        known = np.isfinite(self.reference)
        vectors = self.dictionary.vectors[known].astype(np.float64)
        if self.method == "ridge":
            # the fitted plane has seen the angles; the components that it was fitted on have not
            xy = principal_components(vectors).scores[:, :N_COMPONENTS]
        else:
            xy = (vectors - self.mean) @ self.plane.T
        return closure(xy, np.radians(self.reference[known]))

    @property
    def verdict(self) -> str:
        """What the names are: one of five words.

        ``"circular"``: in the order of the reference, and the order comes back to its beginning;
        ``"ordered"``: in its order, and nothing shows that it closes; ``"grouped"``: groups in
        its order; ``"none"``: chance does as much, or there is no reference; ``"too few names"``:
        fewer than seven, which even a perfect circle cannot tell from chance or from groups.
        """
        if self.null is None or self.reference is None:
            return "none"
        found = self.closure
        if found is None:
            return "too few names"
        if not self.found:
            return "none"
        if found.shape != "closed" or self.weak:
            return "grouped" if found.shape == "grouped" else "ordered"
        blocks = self.null.blocks
        alike = blocks is not None and blocks.can_tell and blocks.p >= LEVEL
        return "grouped" if alike else "circular"

    @property
    def measure(self) -> str:
        """What the score is, in words."""
        if self.method == "ridge":
            return "mean cosine of left-out angles"
        return "circular correlation"

    def summary(self) -> str:
        """Return the verdict, the score beside its nulls, and what speaks against it."""
        plane = f"in-plane variance {100 * self.explained:.0f} %"
        null = self.null
        if null is None:
            return f"no reference angles, so nothing to test the order against; {plane}"
        word = self.verdict
        told = "no circle: " if word == "none" else f"{word}: "
        if self.weak:
            told += "beats chance, but weak: "
        less = f" of the {self.agreement.n} names with a reference"
        limit = np.quantile(null.shuffled, 0.95)
        parts = [
            f"{told}{self.measure} {self.score:.2f}{less if self.agreement.n < len(self) else ''}",
            f"95 % of shuffles below {limit:.2f}, p = {null.p:.2g}{null.paid}",
        ]
        blocks = null.blocks
        if blocks is not None and blocks.can_tell:
            parts.append(
                f"shuffled within quadrants median {blocks.median:.2f}, 95 % below "
                f"{blocks.limit():.2f}, p = {blocks.p:.2g}"
            )
        if word not in ("none", "too few names"):
            parts.append(self._closing())
        return "; ".join([*parts, plane, *self._doubts])

    def _closing(self) -> str:
        found = self.closure
        assert found is not None and self.reference is not None  # noqa: S101, PT018
        names = [self.names[i] for i in np.flatnonzero(np.isfinite(self.reference))]
        first, last = (names[i] for i in found.cut)
        step = f"from {first} to {last} is {found.step:.1f} of the mean step"
        if round(found.expected, 1) != 1:
            step += f" ({found.expected:.1f} on the reference)"
        if found.gap > WIDEST_GAP:
            return f"the reference leaves out {np.degrees(found.gap):.0f} degrees"
        if found.shape == "closed":
            return f"too weak to say that it closes: {step}" if self.weak else f"it closes: {step}"
        if found.opened < found.closed + MARGIN and found.shape == "open":
            return f"not shown to close: {step}"
        if found.shape == "grouped":
            return f"{found.n_groups} groups place left-out names better than a closed curve"
        return f"it does not close: {step}"

    @cached_property
    def _doubts(self) -> tuple[str, ...]:
        if self.reference is None or self.null is None or self.method == "axes":
            return ()
        known = np.isfinite(self.reference)
        return doubts(
            self.dictionary.vectors[known].astype(np.float64),
            np.radians(self.reference[known]),
            [self.names[i] for i in np.flatnonzero(known)],
            self.method,
            found=self.found,
            closes=self.verdict == "circular",
        )


def _angle(degrees: float) -> float:
    angle = float(degrees)
    if not np.isfinite(angle):
        raise ValueError(f"degrees={degrees} is no angle; give a finite number")
    return angle


def _texts(x: object) -> list[str] | None:
    """Return the texts of one string or a list of them; None for anything else."""
    if isinstance(x, str):
        return [x]
    if not isinstance(x, (list, tuple)):
        return None
    first = next(iter(cast("Sequence[object]", x)), None)
    return list(cast("Sequence[str]", x)) if isinstance(first, str) else None
