"""Circles one can print, keep and look at: of any dictionary, and of a model's emotions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.archive.fields import IN_MEMORY
from volvelle.arguments.call import checked, checked_result
from volvelle.arguments.said import seen
from volvelle.arguments.texts import cleaned
from volvelle.compute.circles import circle as circles
from volvelle.compute.circles import fit as circle_fit
from volvelle.compute.circles.layers import LayerScores
from volvelle.compute.circles.scores import bootstrap_angles, split_half, spread_of
from volvelle.experiments.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from volvelle.compute.directions.directions import Dictionary
    from volvelle.experiments.circles.vectors import ClassVectors  # noqa: TC004 - in no file

AXES = ("valence", "arousal")
N_BOOT = 200
N_SPLITS = 20
METHODS = ("pca", "ridge", "axes")


@checked_result
@dataclass(frozen=True, eq=False, repr=False)
class Circle(circles.FittedCircle, Result, kind="Circle", version=1):
    """A circle of `volvelle.compute.circles`, with files, a table and, where known, its layers.

    Attributes
    ----------
    layers : LayerScores or None
        How every layer scored, where the circle was looked for over layers.
    vectors : ClassVectors or None
        Class means of every layer, for `at`.
    """

    layers: LayerScores | None = None
    vectors: ClassVectors | None = field(default=None, repr=False, metadata=IN_MEMORY)

    @property
    def layer(self) -> int:
        """The block, counted from 0."""
        return self.point.layer

    def at(self, layer: int) -> Circle:
        """Return the circle of the same texts at another layer, without running the model.

        Its null is that of one layer. Whoever goes through layers until one pleases has chosen:
        the summary says that p does not pay for that, and `layers.corrected` holds the p's that do.
        """
        if self.vectors is None:
            raise ValueError(
                "this circle holds one layer only; vv.emotion_circle(model) makes one that "
                "holds all"
            )
        last = len(self.vectors.points) - 2
        if not 0 <= layer <= last:
            raise ValueError(f"layer {layer} is outside 0...{last}")
        return circle_at(self.vectors, f"resid_post.{layer}", self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per name: angle, radius, reference, distance from it, spread."""
        import pandas as pd

        none = np.full(len(self), np.nan)
        reference = none if self.reference is None else self.reference
        spread = np.stack([none, none], 1) if self.spread is None else self.spread
        return pd.DataFrame(
            {
                "name": self.names,
                "angle": self.angles,
                "radius": self.radii,
                "reference": reference,
                "off": (self.angles - reference + 180) % 360 - 180,
                "below": spread[:, 0],
                "above": spread[:, 1],
            }
        )

    def profile(self) -> pd.DataFrame:
        """Return the layer profile: circularity, valence and arousal read-out per point.

        ``corrected_p`` is against the best of every shuffle over all points; ``shuffles_95`` is of
        one point alone.

        The embedding's row says what is there before any block: on the demo model much of
        valence, little of arousal.
        """
        import pandas as pd

        layers = self.layers
        if layers is None:
            raise ValueError(
                "this circle was not looked for over layers; use vv.emotion_circle(model)"
            )
        told: dict[str, Any] = {
            "point": layers.points,
            "score": layers.score,
            "shuffles_95": layers.limit,
            "corrected_p": layers.corrected,
            "explained": layers.explained,
        }
        for axis, name in enumerate(self.axis_names):
            told[f"{name}_left_out"] = layers.axes[:, axis]
            told[f"{name}_shuffles_95"] = layers.axes_limit[:, axis]
        return pd.DataFrame(told)

    def _check(self) -> None:
        """Raise ValueError where the angles of a file are not those of its names."""
        if (len(self.angles), len(self.mean)) != self.dictionary.shape:
            raise ValueError(
                f"angles and mean have lengths {len(self.angles)} and {len(self.mean)}, the "
                f"dictionary has shape {self.dictionary.shape}"
            )
        if not all(
            np.isfinite(one).all() for one in (self.mean, self.plane, self.angles, self.radii)
        ):
            raise ValueError("mean, plane, angles or radii hold NaN or infinity")
        known = 0 if self.reference is None else int(np.isfinite(self.reference).sum())
        if self.agreement.n not in (0, known):
            raise ValueError(f"agreement is of {self.agreement.n} names, {known} have a reference")
        if self.method not in METHODS:
            raise ValueError(f"method is {seen(self.method)}, expected one of {', '.join(METHODS)}")


@checked
def fit_circle(
    dictionary: Dictionary,
    reference: Mapping[str, float] | None = None,
    method: str = "pca",
    n_null: int = 1000,
    seed: int = 0,
    *,
    axes: Any = None,
    axis_names: tuple[str, str] = ("0 degrees", "90 degrees"),
) -> Circle:
    """Fit a circle through a dictionary and test it against its null.

    Parameters
    ----------
    dictionary : Dictionary
        At least four names: emotions, weekdays, hours, hues, ...
    reference : mapping of str to float, optional
        Degrees per name. Names it does not hold are placed, not scored. Without it nothing can
        be tested, and the result says so.
    method : str
        ``"pca"``: first two principal components, turned (and perhaps mirrored) onto the
        reference. ``"ridge"``: axes fitted to the reference. ``"axes"``: through `axes`.
    n_null : int
        Draws per null, at least 1.
    seed : int
        Of shuffles and random vectors.
    axes : pair of Direction, str or array
        For ``"axes"``: what lies at 0 and at 90 degrees; strings are names of the dictionary
        (its vector less the mean of all).
    axis_names : tuple of str
        What the axes mean, for titles.

    Returns
    -------
    Circle
        Of one point: without `layers` and `vectors`.

    Raises
    ------
    ValueError
        For fewer than four names (with a reference), an angle that is no number, no spread, or
        an unknown method.
    """
    return ours(
        circle_fit.fit_circle(
            dictionary, cleaned(reference), method, n_null, seed, axes=axes, axis_names=axis_names
        )
    )


@dataclass(frozen=True)
class Settings:
    """What fixes a circle of class vectors, whichever layer is shown."""

    reference: Mapping[str, float]
    method: str
    layers: LayerScores | None
    details: Mapping[str, Any]


def circle_at(vectors: ClassVectors, point: str, like: Settings | Circle) -> Circle:
    """Fit the circle of class vectors at one point, with what its texts say about its spread."""
    reference = like.reference
    if isinstance(like, Circle) and like.reference is not None:
        reference = dict(zip(like.names, like.reference.tolist(), strict=True))
    dictionary = vectors.dictionary(point)
    n_null, seed = int(like.details["n_null"]), int(like.details["seed"])
    circle = circle_fit.fit_circle(
        dictionary,
        reference,  # type: ignore[arg-type]
        like.method,
        n_null,
        seed,
        axis_names=AXES,
    )
    spread, details = None, dict(like.details)
    n_layers = sum(name != "embed" for name in vectors.points)
    if np.bincount(vectors.owner).min() > 1:
        inner = vectors.grams[vectors.points.index(point)].astype(np.float64)
        half = split_half(inner, vectors.owner, N_SPLITS, seed, paired=vectors.paired)
        details["split_half"] = round(half, 4)
        if like.method == "pca":
            xy = circle.project(dictionary.vectors)
            draws = bootstrap_angles(inner, vectors.owner, xy, N_BOOT, seed, paired=vectors.paired)
            spread = spread_of(circle.angles, draws)
    circle = circle_fit.with_layer(replace(circle, spread=spread, details=details), n_layers)
    return ours(circle, layers=like.layers, vectors=vectors)


def ours(circle: circles.FittedCircle, **more: Any) -> Circle:
    """Return a circle of compute as one of this room."""
    own = {f.name: getattr(circle, f.name) for f in fields(circle)}
    return Circle(**{**own, **more})
