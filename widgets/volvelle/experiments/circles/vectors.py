"""Class means of labelled texts at every layer, captured once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.archive.file import Format
from volvelle.archive.kept import keep, recall
from volvelle.cache import cache_dir
from volvelle.compute.circles.planes import remove_components
from volvelle.compute.circles.scores import gram, unpacked_gram
from volvelle.compute.directions.captures import only_first
from volvelle.compute.directions.directions import Dictionary
from volvelle.compute.directions.points import Point
from volvelle.experiments.circles.stimuli import Stimuli, neutral_texts
from volvelle.models.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.model import Model

# Raised when how they are captured changes.
FORMAT = 1
# Texts per capture: progress is reported and a stop is heard between two of them.
CHUNK = 75


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
        Inner products of the centred states: all that resampling needs. Of paired texts from a
        server the two products that only count together (text j of class c with k of e, and k
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
    _refuse_words(model, stimuli)
    path = None
    if cache:
        name = stimuli.key(fingerprint(model), positions, neutral, FORMAT)
        path = cache_dir() / "circles" / f"{name}.safetensors"
        kept = recall(ClassVectors, path)
        if kept is not None and kept.names == stimuli.words:
            return kept

    def work() -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        there = _reduced_there(model, stimuli, positions, neutral, progress)
        if there is not None:
            return there
        states = _states(model, stimuli, positions, neutral, progress)
        return (
            tuple(states),
            np.stack([_means(x, stimuli.classes) for x in states.values()]),
            np.stack([gram(x).astype(np.float32) for x in states.values()]),
        )

    points, means, grams = model.call(work)
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
    for text in (*stimuli.texts, *stimuli.minus):
        if len(model.tokens(text)) < 2:
            raise only_first(text, "stimuli", model.name)


def _source(model: Model, stimuli: Stimuli, positions: str) -> str:
    pooled = "last token" if positions == "last" else "mean over tokens"
    return f"{model.name}, {len(stimuli.texts)} {stimuli.name}, {pooled}"


def _means(states: np.ndarray, owner: np.ndarray) -> np.ndarray:
    return np.stack([states[owner == c].mean(axis=0) for c in range(owner.max() + 1)])


def _reduced_there(
    model: Model,
    stimuli: Stimuli,
    positions: str,
    neutral: float,
    progress: Callable[[float, str], None] | None,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
    """Have the model's server reduce the texts: points, means and grams; None to do it here."""
    if not model.remote:
        return None
    from volvelle.experiments.readouts.class_means import Classes, reduced_there

    texts = _texts(stimuli, neutral)
    pooling = dict.fromkeys(_layers(model), positions)
    classes = Classes(
        stimuli.classes,
        minus=len(stimuli.minus),
        neutral=neutral,
        paired=stimuli.paired,
        strict=True,
        grams=True,
    )
    model.report(progress, 0.0, f"{len(texts)} texts")
    found = reduced_there(model, texts, {"embed": "mean", **pooling}, classes)
    if found is None:
        return None
    for one in found.values():
        for c in np.flatnonzero(one.counts == 0):
            raise _all_outlying(stimuli.words[c])
    n, c = len(stimuli.texts), len(stimuli.words)
    points = ("embed", *pooling)
    return (
        points,
        np.stack([found[point].means for point in points]),
        np.stack([unpacked_gram(found[p].inner, n, c, paired=stimuli.paired) for p in points]),
    )


def _texts(stimuli: Stimuli, neutral: float) -> list[str]:
    return [*stimuli.texts, *stimuli.minus, *(neutral_texts() if neutral else ())]


def _layers(model: Model) -> list[str]:
    return [f"resid_post.{layer}" for layer in range(model.n_layers)]


def _states(
    model: Model,
    stimuli: Stimuli,
    positions: str,
    neutral: float,
    progress: Callable[[float, str], None] | None,
) -> dict[str, np.ndarray]:
    """Return one state per text and point, (n_texts, d_model), pairs subtracted."""
    texts, layers = _texts(stimuli, neutral), _layers(model)
    # texts of like length together: little is padded
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: dict[str, np.ndarray] = {}
    # on a server a chunk is a request, and waits in the queue
    size = len(texts) if model.remote else CHUNK
    for start in range(0, len(texts), size):
        chosen = order[start : start + size]
        chunk = [texts[i] for i in chosen]
        deep = model.capture(chunk, layers, positions=positions)
        flat = model.capture(chunk, ["embed"], positions="mean")
        read = [("embed", flat, "mean"), *((layer, deep, positions) for layer in layers)]
        for point, source, how in read:
            states = _without_outliers(source, point, how)
            rows.setdefault(point, np.empty((len(texts), states.shape[-1]), np.float32))
            rows[point][chosen] = states
        done = min(start + size, len(texts))
        model.report(progress, done / len(texts), f"{done} of {len(texts)} texts")
    return {point: _finish(x, stimuli, neutral) for point, x in rows.items()}


def _without_outliers(captured: Any, point: str, positions: str) -> np.ndarray:
    """Return the states of some texts, NaN where a last token has an outlying norm.

    One such token takes most of the variance between classes. Means leave them out already.
    """
    states = np.array(captured[point], dtype=np.float32)
    at = getattr(captured, "outliers_at", {}).get(Point.parse(point))
    if at is not None and positions == "last":
        last = captured.mask.sum(axis=1) - 1
        states[at[np.arange(len(states)), last]] = np.nan
    return states


def _finish(rows: np.ndarray, stimuli: Stimuli, neutral: float) -> np.ndarray:
    n, m = len(stimuli.texts), len(stimuli.minus)
    states = rows[:n] - rows[n : n + m] if m else rows[:n]
    if neutral:
        usable = rows[n + m :][np.isfinite(rows[n + m :, 0])]
        states, _ = remove_components(states, usable, neutral)
    return _filled(np.asarray(states, dtype=np.float32), stimuli)


def _filled(states: np.ndarray, stimuli: Stimuli) -> np.ndarray:
    """Put the mean of its class where a text was left out: means and spread are as without it."""
    states = states.copy()
    gone = ~np.isfinite(states[:, 0])
    for c in np.unique(stimuli.classes[gone]):
        mine = stimuli.classes == c
        if (mine & ~gone).sum() == 0:
            raise _all_outlying(stimuli.words[c])
        states[mine & gone] = states[mine & ~gone].mean(axis=0)
    return states


def _all_outlying(word: str) -> ValueError:
    return ValueError(
        f"every text of {word!r} ends on a token of outlying norm; give other texts or "
        "positions='mean'"
    )
