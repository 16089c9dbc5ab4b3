"""Small parts of the way from two dictionaries to a map: rows, features, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.maps.counterparts import Best
from volvelle.compute.maps.matching import Matching
from volvelle.compute.maps.neighbours import Neighbours
from volvelle.experiments.maps.sides import Side

if TYPE_CHECKING:
    from volvelle.compute.maps.umap import Frame
    from volvelle.models.model import Model

# Neighbours shown for a point.
N_SHOWN = 3
# Tokens that a feature promotes, as its label.
PROMOTED = 5
# Tokens promoted are worked out ahead up to so many features; views ask for others one by one.
MOST_PROMOTED = 10_000


def promoted(model: Model | None, one: Side) -> tuple[str, ...]:
    """Return the tokens that features promote, as text; none without a model that fits.

    Parameters
    ----------
    model : Model or None
    one : Side
    """
    if model is None or not one.n or one.n > MOST_PROMOTED or not promotes(model, one):
        return ()
    texts = [""] * one.n
    rows = np.flatnonzero(one.alive)
    if len(rows):
        # in one go: the model splits them where that is better
        for row, text in zip(rows, promoted_by(model, one.vectors[rows]), strict=True):
            texts[row] = text
    return tuple(texts)


def promotes(model: Model | None, one: Side) -> bool:
    """Return whether a model can say what the directions of a side promote."""
    return model is not None and one.d_model == model.d_model and one.is_residual


def promoted_by(model: Model, vectors: np.ndarray) -> list[str]:
    """Return the five tokens that each of some directions promotes most, as text.

    Parameters
    ----------
    model : Model
    vectors : float32 array, shape (n, d_model)
    """
    from volvelle.models.verbs.predict import promoted as tokens_of

    found = tokens_of(model, vectors, k=PROMOTED)
    return [" · ".join(dict.fromkeys(t.strip() or repr(t)[1:-1] for t in row)) for row in found]


def device() -> str:
    """Return where neighbours are searched on this machine."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def epoch(frame: Frame) -> str:
    """Say how far a layout is."""
    return f"epoch {frame.epoch} of {frame.n_epochs}"


def first(graph: Neighbours, k: int) -> Neighbours:
    """Return the first `k` neighbours of each row."""
    return Neighbours(graph.indices[:, :k], graph.cosines[:, :k], graph.method)


def all_rows(one: Side, xy: np.ndarray) -> np.ndarray:
    """Return places of all features, NaN for those left out."""
    places = np.full((one.n, 2), np.nan, np.float32)
    places[one.alive] = xy
    return places


def fit(xy: np.ndarray) -> np.ndarray:
    """Scale a picture to -1...1."""
    return xy / max(float(np.abs(xy).max(initial=0)), 1e-9)


def shown(
    one: Side, counterpart: Side, indices: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first neighbours of every feature, as features; -1 where there are none."""
    rows = np.flatnonzero(counterpart.alive)
    index = np.full((one.n, N_SHOWN), -1, np.int32)
    score = np.full((one.n, N_SHOWN), np.nan, np.float32)
    k = min(N_SHOWN, indices.shape[1])
    if len(rows) and k:
        first = indices[:, :k]
        index[np.flatnonzero(one.alive)[:, None], np.arange(k)] = np.where(
            first >= 0, rows[np.maximum(first, 0)], -1
        )
        score[np.flatnonzero(one.alive)[:, None], np.arange(k)] = np.where(
            first >= 0, scores[:, :k], np.nan
        )
    return index, score


def no_pairs() -> Matching:
    """Return the matching of one dictionary alone."""
    none, no = np.zeros(0, np.int32), np.zeros(0, bool)
    ranks = np.zeros(0, np.int8)
    nan = float("nan")
    return Matching(none, none, np.zeros(0, np.float32), ranks, ranks, no, no, nan, nan, 0, 0, 0)


def nothing(n: int) -> Best:
    """Return the counterparts of `n` rows where there is no other dictionary."""
    none = np.zeros((n, 0), np.int32)
    empty = np.zeros((0, 0), np.int32)
    return Best(none, none.astype(np.float32), empty, empty.astype(np.float32))


def best_of(pairs: Matching, n_a: int, n_b: int) -> Best:
    """Return each row's best counterparts from the table of pairs."""
    of_a, of_b = np.full((n_a, N_SHOWN), -1, np.int32), np.full((n_b, N_SHOWN), -1, np.int32)
    score_a, score_b = (
        np.full(of_a.shape, np.nan, np.float32),
        np.full(of_b.shape, np.nan, np.float32),
    )
    for index, score, own, other, rank in (
        (of_a, score_a, pairs.a, pairs.b, pairs.rank_a),
        (of_b, score_b, pairs.b, pairs.a, pairs.rank_b),
    ):
        kept = (rank > 0) & (rank <= N_SHOWN)
        index[own[kept], rank[kept] - 1] = other[kept]
        score[own[kept], rank[kept] - 1] = pairs.score[kept]
    return Best(of_a, score_a, of_b, score_b)


def empty(like: Side) -> Side:
    """Return the other side of one dictionary alone."""
    none = np.zeros((0, like.d_model), np.float32)
    return Side("", "", none, np.zeros(0, bool), {}, (), (), None, None, None)
