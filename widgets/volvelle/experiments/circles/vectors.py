"""Class means of labelled texts at every layer, captured once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.archive.file import Format
from volvelle.archive.kept import keep, recall
from volvelle.cache import cache_dir
from volvelle.compute.circles.scores import unpacked_gram
from volvelle.compute.directions.captures import only_first
from volvelle.compute.directions.directions import Dictionary
from volvelle.experiments.circles.stimuli import Stimuli, neutral_texts
from volvelle.experiments.readouts.class_means import ClassMeans, refuse_outlying
from volvelle.models.fingerprint import fingerprint
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.model import Model

# Raised when how they are captured changes.
FORMAT = 1

# Texts of all words: of 30 layers their inner products are 2 GB.
MOST_TEXTS = 4_000


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Mean states of labelled texts, one set per point.

    Attributes
    ----------
    points : tuple of str
        The embedding first, then ``resid_post`` of every block.
    names : tuple of str
        The classes.
    means : array, float32, shape (n_points, n_classes, d_model)
        Grand mean left in.
    grams : array, float32, shape (n_points, n_texts, n_texts)
        Inner products of the centred states: all that resampling needs. Of paired texts the two
        products that only count together (text j of class c with k of e, and k
        with j) are both their mean.
    owner : array, int, shape (n_texts,)
        Class of each text.
    paired : bool
        Whether text j of every class is the same sentence.
    source : str
        Model, stimuli and pooling, for titles.
    """

    file_format: ClassVar[Format] = Format("ClassVectors", 1)

    points: Annotated[tuple[str, ...], Axes("n_points")]
    names: Annotated[tuple[str, ...], Axes("n_classes")]
    means: Annotated[np.ndarray, Axes("n_points", "n_classes", "d_model", kind="f")]
    grams: Annotated[np.ndarray, Axes("n_points", "n_texts", "n_texts", kind="f")]
    owner: Annotated[np.ndarray, Axes("n_texts", kind="iu")]
    paired: bool
    source: str

    def dictionary(self, point: str) -> Dictionary:
        """Return the class means at one point."""
        return Dictionary(self.means[self.points.index(point)], self.names, point, self.source)


def class_vectors(
    model: Model,
    stimuli: Stimuli,
    *,
    positions: str = "last",
    neutral: float = 0.0,
    cache: bool = True,
    progress: Callable[[float, str], None] | None = None,
) -> ClassVectors:
    """Run labelled texts once and return their class means at every point.

    Parameters
    ----------
    model : Model
    stimuli : Stimuli
    positions : str
        ``"last"`` or ``"mean"`` (without position 0 and outliers). The embedding is always the
        mean: that of a last full stop is the same for every word.
    neutral : float
        Share of the variance of neutral sentences whose components are removed; 0 removes none.
    cache : bool
        Whether what was captured before is used and kept.
    progress : callable(fraction, text), optional

    Raises
    ------
    ValueError
        For unknown `positions`, a share outside 0...1, and texts of one token.
    """
    if positions not in ("last", "mean"):
        raise ValueError(f"positions is {positions!r}, expected 'last' or 'mean'")
    if not 0 <= neutral < 1:
        raise ValueError(f"neutral is {neutral}, expected a share of variance in [0, 1)")
    if len(stimuli.texts) > MOST_TEXTS:
        raise ValueError(
            f"stimuli are {len(stimuli.texts):,} texts, at most {MOST_TEXTS:,} are read: the inner "
            "products of all of them are kept at every layer"
        )
    _refuse_words(model, stimuli)
    path = None
    if cache:
        name = stimuli.key(fingerprint(model), positions, neutral, FORMAT)
        path = cache_dir() / "circles" / f"{name}.safetensors"
        kept = recall(ClassVectors, path)
        if kept is not None and kept.names == stimuli.words:
            return kept

    points, means, grams = _reduced(model, stimuli, positions, neutral, progress)
    found = ClassVectors(
        points=points,
        names=stimuli.words,
        means=means,
        grams=grams,
        owner=stimuli.classes,
        paired=stimuli.paired,
        source=_source(model, stimuli, positions),
    )
    if path is not None:
        keep(found, path)
    return found


def _refuse_words(model: Model, stimuli: Stimuli) -> None:
    """Raise ValueError for texts of one token, whose state is that of position 0."""
    for text in looking((*stimuli.texts, *stimuli.minus), 16):
        if len(model.tokens(text)) < 2:
            raise only_first(text, "stimuli", model.name)


def _source(model: Model, stimuli: Stimuli, positions: str) -> str:
    pooled = "last token" if positions == "last" else "mean over tokens"
    return f"{model.name}, {len(stimuli.texts)} {stimuli.name}, {pooled}"


def _reduced(
    model: Model,
    stimuli: Stimuli,
    positions: str,
    neutral: float,
    progress: Callable[[float, str], None] | None,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return points, class means and inner products of the texts."""
    pooling = {"embed": "mean"}
    pooling |= {f"resid_post.{layer}": positions for layer in range(model.n_layers)}
    told = {
        "minus": len(stimuli.minus),
        "neutral": neutral,
        "paired": stimuli.paired,
        "grams": True,
    }
    asked = {
        point: [ClassMeans(stimuli.classes, positions=how, **told)]
        for point, how in pooling.items()
    }
    texts = [*stimuli.texts, *stimuli.minus, *(neutral_texts() if neutral else ())]
    found = [one for (one,) in model.observe(texts, asked, progress=progress).values()]
    for one in found:
        refuse_outlying(one, stimuli.words)
    n, c = len(stimuli.texts), len(stimuli.words)
    return (
        tuple(asked),
        np.stack([one.means for one in found]),
        np.stack([unpacked_gram(one.inner, n, c, paired=stimuli.paired) for one in found]),
    )
