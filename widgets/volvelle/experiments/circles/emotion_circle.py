"""The circle of valence and arousal in a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.arguments.said import seen
from volvelle.compute.circles.fit import MOST_NULL, with_choice
from volvelle.compute.circles.layers import score_layers
from volvelle.experiments.circles.fit_circle import Circle, Settings, circle_at, ours
from volvelle.experiments.circles.stimuli import read_stimuli, russell
from volvelle.experiments.circles.vectors import class_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.models.model import Model


@checked
def emotion_circle(
    model: Model,
    layer: int | None = None,
    words: Sequence[str] | Mapping[str, float] | None = None,
    stimuli: Any = "templates",
    *,
    method: str = "pca",
    positions: str = "last",
    neutral: float = 0.0,
    n_null: int = 1000,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[float, str], None] | None = None,
) -> Circle:
    """Look for the circle of valence and arousal in a model.

    Emotion vectors are mean states of texts about each word. Every layer is fitted; without
    `layer`, the one of the highest score is shown, against the best score over all layers of
    every shuffle of the labels.

    Parameters
    ----------
    model : Model
    layer : int, optional
        Block, counted from 0. Given, the null is that of one layer, and the summary says that p
        does not pay for the choice.
    words : sequence of str, or mapping of str to float, optional
        Emotion words, with their reference angles (degrees, 0 pleasure, 90 arousal) where
        Russell has none. By default 25 of Russell's words.
    stimuli : str, sequence of str, or mapping
        ``"templates"`` (12 sentences that name the word), ``"situations"`` (5 for each word
        that do not), own sentences that hold ``{w}``, ``{word: [text, ...]}``, or pairs
        ``{word: [(text, text without), ...]}`` whose states are subtracted.
    method : str
        ``"pca"``: two principal components, turned by the reference; ``"ridge"``: axes fitted to
        it, scored left out.
    positions : str
        ``"last"`` token of each text, or ``"mean"`` without position 0 and outliers.
    neutral : float
        Remove the components that explain this share of the variance of neutral sentences.
    n_null : int
        Shuffles, and random vectors.
    seed : int
        Of shuffles, random vectors and bootstrap.
    cache : bool
        Keep the captured vectors under `cache_dir`, by a hash of model and stimuli.
    progress : callable(fraction, text), optional

    Returns
    -------
    Circle
        With `.layers`, and `.at(layer)` for the others.

    Notes
    -----
    *Sources*: Russell (1980); valence and arousal in language models: Sun et al.,
    arXiv:2604.03147, and Sofroniew et al., arXiv:2604.07729. The angles of 13 words are from
    memory (``assets/emotions/card.md``).
    """
    if method not in ("pca", "ridge"):
        raise ValueError(f"method is {seen(method)}, expected 'pca' or 'ridge'")
    if layer is not None and not 0 <= layer < model.n_layers:
        raise ValueError(f"layer {layer} is outside {model.name}'s 0...{model.n_layers - 1}")
    n_null = whole(n_null, "n_null", 1, MOST_NULL)
    seed = whole(seed, "seed")
    chosen = None if words is None else tuple(words)
    read = read_stimuli(stimuli, chosen)
    reference = {**russell(), **(words if hasattr(words, "keys") else {})}  # type: ignore[dict-item]
    missing = [word for word in read.words if word not in reference]
    if missing:
        raise ValueError(
            f"words: {missing[0]!r} has no angle in Russell's table; give words={{word: degrees}}"
        )
    vectors = class_vectors(
        model, read, positions=positions, neutral=neutral, cache=cache, progress=progress
    )
    angles = np.radians([reference[word] for word in read.words])
    layers = score_layers(
        vectors.points, vectors.means, angles, method=method, n_null=n_null, seed=seed
    )
    point = layers.points[layers.picked] if layer is None else f"resid_post.{layer}"
    details = {
        "model": model.name,
        "stimuli": read.name,
        "n_texts": len(read.texts),
        "positions": positions,
        "neutral": neutral,
        "n_null": n_null,
        "seed": seed,
    }
    settings = Settings(reference, method, layers, details)
    circle = circle_at(vectors, point, settings)
    if layer is not None:
        return circle
    return ours(with_choice(circle, layers.best, layers.n_tried), layers=layers, vectors=vectors)
