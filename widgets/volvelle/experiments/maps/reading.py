"""What the directions of one or two dictionaries do along texts: the model runs once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from volvelle.compute.directions.points import RESIDUAL
from volvelle.compute.maps.neighbours import unit_rows
from volvelle.experiments.readouts.codes import Codes
from volvelle.experiments.readouts.projection import Norms, Projection
from volvelle.models.verbs.capture import find_outliers
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.experiments.maps.sides import Side
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model
    from volvelle.models.verbs.readout import Readout

# Projections of a dictionary are dense: more directions than this are matched by cosine only.
MOST_PROJECTED = 4096


@dataclass(frozen=True, eq=False)
class Reading:
    """Activations of one side's alive directions.

    Attributes
    ----------
    codes : scipy.sparse.csr_array, shape (n_tokens, n_alive)
        Encoded by an SAE; of a dictionary, states projected on its directions.
    tokens : tuple of Tokens
        Of each text; their rows follow each other.
    scored : bool array, shape (n_tokens,)
        False at position 0 of a text and at outliers.
    """

    codes: sp.csr_array
    tokens: tuple[Tokens, ...]
    scored: np.ndarray


def read(
    model: Model,
    texts: Sequence[str],
    sides: Sequence[Side],
    progress: Callable[[float, str], None],
) -> list[Reading]:
    """Run texts through a model once and read every side at its point.

    Parameters
    ----------
    model : Model
    texts : sequence of str
        Longer ones than the model's context run in overlapping windows.
    sides : sequence of Side
        Of this model.
    progress : callable(fraction, text)

    Returns
    -------
    list of Reading
        One per side.
    """
    for one in sides:
        if not _encodes(one) and int(one.alive.sum()) > MOST_PROJECTED:
            raise ValueError(
                f"{one.name} has {one.alive.sum()} directions and no encoder; activation matching "
                f"projects at most {MOST_PROJECTED}: use match='decoder'"
            )
    tokens = tuple(model.tokens(text) for text in looking(texts, 16))
    asked: dict[str, list[Readout]] = {}
    for one in sides:
        asked.setdefault(one.point, [Norms()]).append(_readout(one))
    found = {
        point: iter(made)
        for point, made in model.observe(
            tokens,
            asked,
            progress=lambda fraction, said: progress(fraction, f"{said} of the texts"),
        ).items()
    }
    scored = _scored(tokens, {point: next(made) for point, made in found.items()})
    readings = []
    for one in sides:
        made: Any = next(found[one.point])
        codes = made.codes[:, np.flatnonzero(one.alive)] if _encodes(one) else sp.csr_array(made)
        readings.append(Reading(codes, tokens, scored))
    return readings


def _scored(tokens: Sequence[Tokens], norms: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which tokens are neither a text's first nor outliers."""
    # as a capture has it: of several points the residual stream's alone tell outliers
    residual = [point for point in norms if point.split(".")[0] in RESIDUAL]
    edges = np.cumsum([0, *map(len, tokens)])
    scored = np.ones(edges[-1], bool)
    for start, stop in pairwise(edges):
        scored[start : start + (stop > start)] = False
        for point in residual if len(norms) > 1 else norms:
            mask = np.ones((1, stop - start), bool)
            scored[start:stop] &= ~find_outliers(norms[point][None, start:stop], mask)[0]
    return scored


def _readout(one: Side) -> Readout:
    """Return what reads states for a side: its SAE, or the unit rows that are alive."""
    return Codes(one.noun) if _encodes(one) else Projection(unit_rows(one.vectors[one.alive]))


def _encodes(one: Side) -> bool:
    return hasattr(one.noun, "encode_sparse")


def aligned(a: Reading, b: Reading) -> tuple[sp.csr_array, sp.csr_array, str]:
    """Bring two readings of the same texts to the same rows.

    Returns
    -------
    codes_a, codes_b : scipy.sparse.csr_array, shape (n_rows, n)
    unit : str
        ``"token"`` where both models cut the texts alike, else ``"word"``: activations are
        summed over each stretch of text between spaces.
    """
    alike = all(
        np.array_equal(x.offsets, y.offsets) for x, y in zip(a.tokens, b.tokens, strict=True)
    )
    if alike:
        both = a.scored & b.scored
        return a.codes[both], b.codes[both], "token"
    pool_a, n_a = _word_pool(a)
    pool_b, n_b = _word_pool(b)
    # a word of which one side scored nothing (the first of a text) is compared by neither
    seen = (np.asarray(pool_a.sum(1)).ravel() > 0) & (np.asarray(pool_b.sum(1)).ravel() > 0)
    if n_a != n_b:
        raise ValueError("the two models' tokens cover different stretches of the texts")
    words_a, words_b = sp.csr_array(pool_a @ a.codes), sp.csr_array(pool_b @ b.codes)
    return words_a[seen], words_b[seen], "word"


def _word_pool(read: Reading) -> tuple[sp.csr_array, int]:
    """Return a matrix that sums scored tokens over words, and how many words there are."""
    words, base = [], 0
    for each in read.tokens:
        # the number of the word a character belongs to; a space belongs to the word after it
        breaks = np.array([c.isspace() for c in each.text], dtype=bool)
        starts = breaks & ~np.concatenate([[False], breaks[:-1]]) if len(breaks) else breaks
        number = np.cumsum(starts)
        last = np.maximum(each.offsets[:, 1] - 1, 0)
        words.append(base + (number[np.minimum(last, len(number) - 1)] if len(number) else last))
        base += (int(number[-1]) if len(number) else 0) + 1
    word = np.concatenate(words) if words else np.zeros(0, np.int64)
    rows = np.flatnonzero(read.scored)
    matrix = sp.csr_array(
        (np.ones(len(rows), np.float32), (word[rows], rows)), shape=(base, len(read.scored))
    )
    return matrix, base
