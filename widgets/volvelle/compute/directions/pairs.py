"""Directions from contrasted pairs of states."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.directions.captures import refuse_only_first
from volvelle.compute.directions.contrast import Contrast
from volvelle.compute.directions.points import Point
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.directions.captures import Captures

METHODS = ("mean_diff", "pca_diff", "pca_center")


def pair_direction(
    positive: np.ndarray, negative: np.ndarray, method: str = "mean_diff"
) -> np.ndarray:
    """Return the direction from negative to positive states.

    Parameters
    ----------
    positive, negative : array, shape (n, d_model)
        States of contrasted texts. For the two PCA methods row i of one belongs to row i of
        the other; ``mean_diff`` takes any numbers of either.
    method : {"mean_diff", "pca_diff", "pca_center"}
        ``mean_diff``: mean of the positive minus mean of the negative states, its length kept.
        ``pca_diff``: first principal component of the differences. ``pca_center``: first
        principal component of both sets, each pair's midpoint taken off.

    Returns
    -------
    array, shape (d_model,), float32
        Of length one for the PCA methods.

    Raises
    ------
    ValueError
        For unpaired or too few rows, or where there is no difference at all.

    Notes
    -----
    *Source*: repeng 0.4, ``read_representations``. As there, principal components are those of
    the *centred* rows, so that ``pca_diff`` of differences that all agree sees only what is
    left around their mean; its sign is the one under which more pairs project larger on the
    positive side (ours on ties: the larger mean).
    """
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    a, b = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if method == "mean_diff":
        direction = a.mean(axis=0) - b.mean(axis=0)
        if not np.linalg.norm(direction) > 0:
            raise ValueError("positive and negative states have the same mean: nothing differs")
        return direction.astype(np.float32)
    if len(a) != len(b):
        raise ValueError(f"{method} pairs texts: {len(a)} positive and {len(b)} negative came")
    if len(a) < 2:
        raise ValueError(f"{method} needs at least two pairs, {len(a)} came; take 'mean_diff'")
    if method == "pca_diff":
        rows = a - b
    else:
        middle = (a + b) / 2
        rows = np.concatenate([a - middle, b - middle])
    component = first_component(rows)
    up = np.sign(a @ component - b @ component).sum()
    if up < 0 or (up == 0 and (a - b).mean(axis=0) @ component < 0):
        component = -component
    return component.astype(np.float32)


def first_component(rows: np.ndarray) -> np.ndarray:
    """Return the unit vector along which rows (n, d) vary most around their mean."""
    centred = rows - rows.mean(axis=0)
    if len(centred) < centred.shape[1]:
        # of few rows in a wide space: as exact, and hundreds of labellings are fitted
        values, vectors = np.linalg.eigh(centred @ centred.T)
        largest, component = float(np.sqrt(max(values[-1], 0))), vectors[:, -1] @ centred
    else:
        _, singular, basis = np.linalg.svd(centred, full_matrices=False)
        largest, component = float(singular[0]), basis[0]
    if not largest > 1e-9 * max(float(np.linalg.norm(rows)), 1e-300):
        raise ValueError("all pairs differ by the same vector: take method 'mean_diff'")
    return component / np.linalg.norm(component)


def pair_contrasts(
    model: Captures,
    positive: Sequence[str],
    negative: Sequence[str],
    points: Sequence[str | Point],
    method: str = "mean_diff",
    *,
    positions: str = "last",
    progress: Callable[[float, str], None] | str | None = "bar",
) -> dict[Point, Contrast]:
    """Return the states of contrasted texts at several points, from one reading.

    Parameters
    ----------
    model : Model
    positive, negative : sequence of str
    points : sequence of str or Point
    method : str
        See `pair_direction`.
    positions : {"last", "mean"}
        The token the states are taken from; repeng takes the last one.
    progress : "bar", callable(fraction, text) or None
        ``"bar"`` draws one on the terminal or in the cell.

    Returns
    -------
    dict of Point -> Contrast
        ``contrast.direction(contrast.positive)`` is the direction from negative to positive.

    Raises
    ------
    ValueError
        For no texts, an unknown method, unpaired texts, and texts of one token.
    """
    places = [Point.parse(point) for point in points]
    texts = [*_texts(positive, "positive"), *_texts(negative, "negative")]
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    if method != "mean_diff" and len(positive) != len(negative):
        raise ValueError(
            f"{method} pairs texts: {len(positive)} positive and {len(negative)} negative came"
        )
    with Bar(progress) as tell:
        captured = model.capture(texts, places, positions=positions, progress=tell)
    n = len(positive)
    refuse_only_first(captured, texts, "positive and negative")
    positive_rows = np.arange(len(texts)) < n
    fit = partial(pair_direction, method=method)
    paired = method != "mean_diff"
    # each side of a pair lies opposite the other: exchanged, the rows are the same
    fixed = method == "pca_center"
    return {place: Contrast(captured[place], positive_rows, paired, fit, fixed) for place in places}


def _texts(given: Sequence[str], what: str) -> list[str]:
    if isinstance(given, str):
        raise TypeError(f"{what} is one string; give a list of texts")
    texts = list(given)
    if not texts:
        raise ValueError(f"{what} holds no texts")
    return texts


class Bar:
    """A progress bar for whoever asks for one: gives a callback(fraction, text), or None.

    Parameters
    ----------
    progress : "bar", callable or None
    """

    def __init__(self, progress: Callable[[float, str], None] | str | None) -> None:
        if isinstance(progress, str) and progress != "bar":
            raise ValueError(unknown("progress", progress, ("bar",)))
        self._given = progress
        self._bar: Any = None

    def __enter__(self) -> Callable[[float, str], None] | None:
        if self._given != "bar":
            return None if isinstance(self._given, str) else self._given
        from tqdm.auto import tqdm

        self._bar = tqdm(total=100, leave=False, bar_format="{l_bar}{bar}| {postfix}")
        return self._tell

    def _tell(self, fraction: float, text: str = "") -> None:
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(round(100 * fraction) - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
