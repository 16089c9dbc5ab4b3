"""Class means of labelled texts on a server: pooled and reduced there, where that moves less."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from volvelle.compute.directions.points import Point
from volvelle.models.remote.request import Request
from volvelle.models.traces.classes import class_means
from volvelle.models.verbs import read as reading
from volvelle.models.verbs.capture import batches, right_padded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from volvelle.models.model import Model

FLOAT = 4


class Classes(NamedTuple):
    """Which of some texts belong together, and what is made of their states.

    Attributes
    ----------
    owner : int array, shape (n_texts,)
        Class of each of the first texts, from 0.
    minus : int
        How many texts after them are subtracted, one from each; 0 or n_texts.
    neutral : float
        Share of the variance of the texts after those whose components are removed.
    paired : bool
        Whether text j of every class is the same sentence (`packed_gram`).
    strict : bool
        Whether a text that ends on a token of outlying norm is left out of ``last`` states.
    grams : bool
        Whether inner products are wanted.
    """

    owner: np.ndarray
    minus: int = 0
    neutral: float = 0.0
    paired: bool = False
    strict: bool = False
    grams: bool = False


class Reduced(NamedTuple):
    """What came back of one point.

    Attributes
    ----------
    means : array, float32, shape (n_classes, d)
    inner : array, float32, shape (n_products,)
        As `formulas.reductions.packed_gram` packs them; empty where they were not wanted.
    counts : array, int, shape (n_classes,)
        Texts that were not left out.
    """

    means: np.ndarray
    inner: np.ndarray
    counts: np.ndarray


def n_products(classes: Classes) -> int:
    """Return how many inner products come back of a point."""
    if not classes.grams:
        return 0
    n, c = len(classes.owner), int(classes.owner.max()) + 1
    if not classes.paired:
        return n * (n + 1) // 2
    m = n // c
    return c * (c + 1) // 2 * (m * (m + 1) // 2)


def bytes_of_both(n_texts: int, classes: Classes, width: int, n_points: int) -> tuple[int, int]:
    """Return the bytes of bringing every text's state back, and of reducing them there."""
    c = int(classes.owner.max()) + 1
    return n_texts * width * FLOAT * n_points, (c * width + n_products(classes)) * FLOAT * n_points


def reduced_there(
    model: Model, texts: Sequence[str], pooling: Mapping[str, str], classes: Classes
) -> dict[str, Reduced] | None:
    """Reduce labelled texts on the model's server, in one request.

    Parameters
    ----------
    model : Model
        The caller is on its worker.
    texts : sequence of str
        The labelled ones, then those subtracted, then neutral ones.
    pooling : mapping of point to {"last", "mean"}
    classes : Classes

    Returns
    -------
    dict of point to Reduced, or None
        None where the model is here, or the states themselves are fewer bytes.
    """
    if not getattr(model, "remote", False):
        return None
    tokens = [model.tokens(text) for text in texts]
    reading.check_lengths(model, tokens)
    back, there = bytes_of_both(len(texts), classes, model.d_model, len(pooling))
    if back <= there or not all(map(len, tokens)):
        return None
    if model.worker.job is not None:
        model.worker.job.note(
            f"states of {len(texts)} texts at {len(pooling)} point{'s' * (len(pooling) > 1)} are "
            f"reduced there to {there / 1e6:.2g} MB: they would be {back / 1e6:.2g} MB"
        )
    points = sorted(pooling, key=lambda point: model.site(Point.parse(point)))
    sites = [model.site(Point.parse(point)) for point in points]
    plan = batches([len(each) for each in tokens], 1, reading.MOST_TOKENS, reading.MOST_NUMBERS)
    inputs = [
        (
            right_padded([tokens[n].ids for n in members], model.pad_id)["input_ids"],
            torch.tensor([len(tokens[n]) for n in members]),
            torch.tensor(members),
        )
        for members in plan
    ]
    args = (
        inputs,
        [(site.path, site.io, pooling[point]) for site, point in zip(sites, points, strict=True)],
        classes._asdict() | {"owner": torch.tensor(classes.owner)},
    )
    answers = model.run(Request(class_means, args, sum(ids.numel() for ids, *_ in inputs)))
    return {
        point: Reduced(*(part.numpy() for part in answer))
        for point, answer in zip(points, answers, strict=True)
    }
