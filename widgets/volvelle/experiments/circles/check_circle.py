"""Held-out checks of an emotion circle: words, sentences and steering it was not fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.compute.circles.angles import angular_error
from volvelle.compute.circles.fit import MOST_NULL, axis_correlations, fit_circle
from volvelle.compute.circles.scores import (
    left_out_correlation,
    left_out_cosine,
    predict_others,
)
from volvelle.compute.directions.directions import Dictionary
from volvelle.compute.stats.permutation import shuffles
from volvelle.experiments.circles.steer_around import steer_around
from volvelle.experiments.circles.stimuli import (
    Stimuli,
    read_stimuli,
    situations,
    unseen_words,
)
from volvelle.experiments.readouts.class_means import ClassMeans, refuse_outlying
from volvelle.experiments.result import Result
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.models.model import Model

    Progress = Callable[[float, str], None]

SPLITS = 6
MOST_SPLITS = 10_000


@dataclass(frozen=True)
class Check:
    """One number about something held out.

    Attributes
    ----------
    what : str
        What was held out.
    measure : str
        What the value is.
    value : float
    limit : float
        What 95 % of shuffled labels stay below (for an error: above); NaN where none was drawn.
    n : int
        Words, texts or splits.
    """

    what: str
    measure: str
    value: float
    limit: float
    n: int


@dataclass(frozen=True, eq=False, repr=False)
class Checks(Result, kind="Checks", version=1):
    """Held-out checks of one circle.

    Attributes
    ----------
    title : str
    rows : tuple of Check
    details : dict
    """

    title: str
    rows: tuple[Check, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: tuple[str, str]) -> Check:
        """Return a check by (what, measure)."""
        found = {(row.what, row.measure): row for row in self.rows}
        if key not in found:
            raise KeyError(f"unknown check {key!r}; there are: {list(found)}")
        return found[key]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per check: what, measure, value, limit, n."""
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self.rows])

    def summary(self) -> str:
        """Return every number beside what shuffles reach."""
        told = "; ".join(
            f"{row.what}: {row.measure} {row.value:.2f} (shuffles {row.limit:.2f})"
            for row in self.rows
        )
        return f"{self.title}; {told}"

    def __repr__(self) -> str:
        return f"Checks({self.summary()})"


@checked
def check_circle(
    model: Model,
    circle: FittedCircle,
    *,
    steering: bool = False,
    n_splits: int = 100,
    n_null: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Checks:
    """Test an emotion circle on what it was not fitted to.

    - *order within quadrants*: the circle's own score beside its names shuffled within quadrants;
    - *half of the words*: a plane fitted, and turned, on half of the words places the others;
    - *unseen words*: 38 further words in the same templates, by quadrant;
    - *situations*: sentences that never name the emotion, read in this circle's plane around
      their own mean;
    - *steering by half* (``steering=True``): a plane fitted on half of the words is turned, and
      the log-probabilities of the others are read.

    Parameters
    ----------
    model : Model
    circle : Circle
        From `emotion_circle`.
    steering : bool
        Also steer by planes from half of the words, 6 splits.
    n_splits : int
        Random halves of the words, for reading.
    n_null : int
        Shuffles of the held-out labels.
    seed : int
    progress : callable(fraction, text), optional

    Returns
    -------
    Checks
    """
    if circle.method == "axes":
        raise ValueError("check_circle needs a fitted circle; this one was given its axes")
    if circle.reference is None or not np.isfinite(circle.reference).all():
        raise ValueError("check_circle needs a circle whose names all have a reference angle")

    n_splits = whole(n_splits, "n_splits", 1, MOST_SPLITS)
    n_null = whole(n_null, "n_null", 1, MOST_NULL)
    seed = whole(seed, "seed")

    def work() -> Checks:
        rows = [*_within(circle), *_halves(circle, n_splits, n_null, seed)]
        model.report(progress, 0.1, "unseen words")
        rows.append(_unseen(model, circle, n_null, seed))
        model.report(progress, 0.4 if steering else 0.6, "situations")
        if set(circle.names) <= set(situations()):
            for positions in ("mean", "last"):
                rows.extend(_situations(model, circle, positions, n_null, seed))
        if steering:
            rows.append(_steered_halves(model, circle, n_null, seed, share(progress, 0.6, 1)))
        model.report(progress, 1.0, "checked")
        title = f"{model.name} {circle.point}"
        return Checks(title, tuple(rows), {"n_null": n_null, "seed": seed})

    return model.call(work)


def _halves_of(n: int, n_splits: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng([seed, 2])
    orders = [rng.permutation(n) for _ in range(n_splits)]
    return [
        (np.sort(order[: n // 2 + n % 2]), np.sort(order[n // 2 + n % 2 :])) for order in orders
    ]


def _half_circle(circle: FittedCircle, kept: np.ndarray) -> FittedCircle:
    names = [circle.names[i] for i in kept]
    rows = Dictionary(circle.dictionary.vectors[kept], names, circle.point)
    return fit_circle(rows, _reference(circle), circle.method, n_null=1)


def _reference(circle: FittedCircle) -> dict[str, float]:
    assert circle.reference is not None  # noqa: S101 - checked at the boundary
    return dict(zip(circle.names, circle.reference.tolist(), strict=True))


def _within(circle: FittedCircle) -> list[Check]:
    blocks = None if circle.null is None else circle.null.blocks
    if blocks is None or not blocks.can_tell:
        return []
    what = "order within quadrants"
    return [Check(what, circle.measure, circle.score, blocks.limit(), len(circle))]


def _halves(circle: FittedCircle, n_splits: int, n_null: int, seed: int) -> list[Check]:
    vectors = circle.dictionary.vectors.astype(np.float64)
    reference = np.radians(list(_reference(circle).values()))
    # row 0 is the truth, the others are shuffled through fit and score alike
    labels = np.vstack([reference, reference[shuffles(len(reference), n_null, seed)]])
    # the second is not blind to a rotation of all that was placed
    measures = {"circular correlation": left_out_correlation, "mean cosine": left_out_cosine}
    found: dict[str, list[np.ndarray]] = {name: [] for name in measures}
    for kept, held in looking(_halves_of(len(circle), n_splits, seed), 1):
        placed = predict_others(vectors, labels, kept, circle.method)
        for name, measure in measures.items():
            found[name].append(measure(placed, labels[:, held]))
    rows: list[Check] = []
    for name, scores in found.items():
        means = np.mean(scores, axis=0)
        limit = float(np.quantile(means[1:], 0.95))
        rows.append(Check("half of the words", name, float(means[0]), limit, n_splits))
    return rows


def _class_states(model: Model, circle: FittedCircle, read: Stimuli, positions: str) -> np.ndarray:
    """Return class means (n_classes, d_model) at the circle's own point."""
    asked = {circle.point: [ClassMeans(read.classes, positions=positions)]}
    ((found,),) = model.observe(list(read.texts), asked).values()
    refuse_outlying(found, read.words)
    return found.means


def _unseen(model: Model, circle: FittedCircle, n_null: int, seed: int) -> Check:
    words = {word: mid for word, mid in unseen_words().items() if word not in circle.names}
    read = read_stimuli("templates", tuple(words))
    angles = circle.read(_class_states(model, circle, read, _positions(circle)))
    wanted = np.array(list(words.values())) // 90
    mixed = wanted[shuffles(len(wanted), n_null, seed)]
    limit = float(np.quantile((angles // 90 == mixed).mean(axis=1), 0.95))
    right = float((angles // 90 == wanted).mean())
    return Check("unseen words", "in their quadrant", right, limit, len(words))


def _positions(circle: FittedCircle) -> str:
    return str(circle.details.get("positions", "last"))


def _situations(
    model: Model, circle: FittedCircle, positions: str, n_null: int, seed: int
) -> list[Check]:
    read = read_stimuli("situations", circle.names)
    xy = circle.project(_class_states(model, circle, read, positions), centre="own")
    target = np.radians(list(_reference(circle).values()))
    mixed = target[shuffles(len(target), n_null, seed)]
    found = np.arctan2(xy[:, 1], xy[:, 0])
    nulls = np.array([axis_correlations(xy, row) for row in looking(mixed)])
    error = np.degrees(angular_error(found, mixed))
    what = f"situations, {positions}"
    n = len(read.texts)
    axes = axis_correlations(xy, target)
    names = circle.axis_names
    return [
        Check(what, f"{names[0]} r", axes[0], float(np.quantile(nulls[:, 0], 0.95)), n),
        Check(what, f"{names[1]} r", axes[1], float(np.quantile(nulls[:, 1], 0.95)), n),
        Check(
            what,
            "circular correlation",
            float(left_out_correlation(xy, target)),
            float(np.quantile(left_out_correlation(xy, mixed), 0.95)),
            n,
        ),
        Check(
            what,
            "error, degrees",
            float(np.degrees(angular_error(found, target))),
            float(np.quantile(error, 0.05)),
            n,
        ),
    ]


def _steered_halves(
    model: Model, circle: FittedCircle, n_null: int, seed: int, progress: Progress | None
) -> Check:
    reference = _reference(circle)
    found = []
    for i, (kept, held) in enumerate(_halves_of(len(circle), SPLITS, seed)):
        half = _half_circle(circle, kept)
        others = {circle.names[j]: reference[circle.names[j]] for j in held}
        wheel = steer_around(model, half, words=others, placebo=0)
        peaks = wheel.harmonics.peak[0]
        unit = np.stack([np.cos(peaks), np.sin(peaks)], axis=1)
        truth = np.radians(wheel.reference)
        labels = np.vstack([truth, truth[shuffles(len(truth), n_null, seed + i)]])
        found.append(left_out_correlation(unit, labels))
        model.report(progress, (i + 1) / SPLITS, f"half {i + 1} of {SPLITS}")
    # row 0 is the truth, the others are shuffled names of the words not fitted to
    means = np.mean(found, axis=0)
    limit = float(np.quantile(means[1:], 0.95))
    what = "steering by half of the words"
    return Check(what, "circular correlation", float(means[0]), limit, SPLITS)
