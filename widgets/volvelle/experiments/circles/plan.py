"""What finding a circle, reading in it and turning it will send, about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.experiments.circles.stimuli import default_words, neutral_texts, templates
from volvelle.models.plan import (
    FLOAT,
    STEERED,
    Plan,
    host_of,
    measuring,
    n_tokens,
    observing,
    size,
    together,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.readouts.class_means import ClassMeans
    from volvelle.models.model import Model
    from volvelle.models.verbs.readout import Readout


def in_plane(circle: FittedCircle) -> list[Readout]:
    """Return what places tokens in a circle's plane: two numbers, and the norm of each."""
    from volvelle.experiments.readouts.projection import Norms, Projection

    return [Projection(np.asarray(circle.plane, np.float64)), Norms()]


def neutral_mean() -> ClassMeans:
    """Return what makes the mean of the neutral sentences: the origin of a token's place."""
    from volvelle.experiments.readouts.class_means import ClassMeans

    return ClassMeans(np.zeros(len(neutral_texts()), np.int64), positions="mean")


def finding(n_words: int, n_each: int, n_layers: int, width: int) -> Plan:
    """Estimate looking for a circle in every layer of texts of one sentence per word."""
    from volvelle.experiments.readouts.class_means import ClassMeans
    from volvelle.models.verbs.readout import Size

    n = n_words * n_each
    one = ClassMeans(np.repeat(np.arange(n_words), n_each), paired=True, grams=True)
    # of ten tokens each
    return observing(
        Size(10 * n, n, width), [[one]] * (n_layers + 1), f"{n} texts to read in every layer"
    )


def finding_emotions(model: Model) -> str:
    """Return the sentence beside Run of a view that first looks for a model's emotions."""
    found = finding(len(default_words()), len(templates()), model.n_layers, model.d_model)
    return (
        f"{found.text(host_of(model))} Less, where they were read before: what comes back is kept."
    )


def turning(
    model: Model,
    circle: FittedCircle,
    texts: Sequence[str],
    *,
    mode: str,
    n_prompts: int,
    n_new: int,
    n_placebos: int,
    centred: bool,
) -> str:
    """Return the sentence beside Run of a view that reads texts in a circle and turns it.

    Parameters
    ----------
    model : Model
        On a server.
    circle : Circle
    texts : sequence of str
        What is placed in the plane.
    mode : {"words", "text"}
        Whether the next word is asked for, or a text written.
    n_prompts : int
        Prompts whose next word is not known yet, for ``"words"``.
    n_new : int
        Tokens to write, for ``"text"``.
    n_placebos : int
        Planes beside the circle's own.
    centred : bool
        Whether the mean of the neutral sentences is known.
    """
    from volvelle.models.verbs.readout import Size

    width, parts = circle.d_model, []
    if texts:
        parts.append(observing(Size(n_tokens(model, texts), len(texts), width), [in_plane(circle)]))
    if texts and not centred:
        n = len(neutral_texts())
        of = Size(n, n, width)
        parts.append(observing(of, [[neutral_mean()]], f"{n} neutral sentences"))
    if mode == "words":
        what = f"the next word after {n_prompts} prompt{'s' if n_prompts > 1 else ''}"
        parts.append(Plan(what, STEERED + width * FLOAT, 2_000))
    else:
        parts.append(writing(2, n_new, 1, width))
    parts += measuring(model, [str(circle.point)])
    planes = 1 + n_placebos  # of twelve angles each, and a text per angle
    wheel = 2 * STEERED + 12 * planes * width * FLOAT
    said = f"The whole wheel: {planes} planes of 12 angles and 13 texts, about {size(wheel)} there."
    return f"{together(parts).text(host_of(model))} {said}"
