"""What the directions of one or two dictionaries do along texts: the model runs once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from volvelle.compute.directions.points import RESIDUAL
from volvelle.models.verbs.capture import find_outliers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.experiments.maps.sides import Side
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

# Projections of a dictionary are dense: more directions than this are matched by cosine only.
MOST_PROJECTED = 4096
# Tokens whose states are held at once: 19 MB at width 576.
TOKENS_AT_ONCE = 8192


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
    tokens = tuple(model.tokens(text) for text in texts)
    codes: list[list[Any]] = [[None] * len(texts) for _ in sides]
    points = list(dict.fromkeys(one.point for one in sides))
    total = max(sum(map(len, tokens)), 1)
    done = 0
    scored = [np.arange(len(each)) > 0 for each in tokens]
    there: list[str] = []
    if getattr(model, "remote", False):
        there = model.call(lambda: _read_there(model, tokens, sides, codes, scored))
    points = [point for point in points if point not in there]
    for batch in _batches(tokens, model.context) if points else ():
        progress(done / total, f"{done:,} of {total:,} tokens of the texts")
        for text, states, outliers in _states(model, batch, tokens, points):
            for row, one in zip(codes, sides, strict=True):
                if one.point in points:
                    row[text] = _codes(one, states[one.point])
            scored[text] &= ~outliers
            done += len(outliers)
    whole = np.concatenate(scored) if scored else np.zeros(0, bool)
    return [Reading(sp.csr_array(sp.vstack(row)), tokens, whole) for row in codes]


def _read_there(
    model: Model,
    tokens: Sequence[Tokens],
    sides: Sequence[Side],
    codes: list[list[Any]],
    scored: list[np.ndarray],
) -> list[str]:
    """Read points on the model's server where that moves less, into `codes` and `scored`."""
    from volvelle.experiments.readouts.observe import observed_there, points_there

    at: dict[str, list[int]] = {}
    for number, one in enumerate(sides):
        at.setdefault(one.point, []).append(number)
    readers = {point: [_reader(sides[i]) for i in numbers] for point, numbers in at.items()}
    points = points_there(model, tokens, readers)
    if not points:
        return []
    # as a capture has it: of several points the residual stream's alone tell outliers
    residual = [p for p in points if p.split(".")[0] in RESIDUAL]
    telling = residual if len(at) > 1 else points
    for text, seen in enumerate(observed_there(model, tokens, {p: readers[p] for p in points})):
        for point in points:
            for number, found in zip(at[point], seen[point].readings, strict=True):
                one = sides[number]
                alive = np.flatnonzero(one.alive)
                codes[number][text] = found[:, alive] if _encodes(one) else sp.csr_array(found)
        mask = np.ones((1, len(tokens[text])), bool)
        for point in telling:
            scored[text] &= ~find_outliers(seen[point].norms[None], mask)[0]
    return points


def _reader(one: Side) -> Any:
    """Return what reads states for a side: its SAE, or the unit rows that are alive."""
    from volvelle.compute.maps.neighbours import unit_rows

    return one.noun if _encodes(one) else unit_rows(one.vectors[one.alive])


def _encodes(one: Side) -> bool:
    return hasattr(one.noun, "encode_sparse")


def _codes(one: Side, states: np.ndarray) -> sp.csr_array:
    if states.shape[-1] != one.d_model:
        raise ValueError(
            f"{one.name} reads {one.d_model}-dimensional vectors, {one.point} of this model has "
            f"{states.shape[-1]}"
        )
    if _encodes(one):
        return one.noun.encode_sparse(states)[:, np.flatnonzero(one.alive)]
    return sp.csr_array(states @ _reader(one).T)


def _batches(tokens: Sequence[Tokens], context: int) -> list[list[int]]:
    """Group texts of like length; one that is over the context is a group of its own."""
    batches: list[list[int]] = []
    held = 0
    for i in sorted(range(len(tokens)), key=lambda i: len(tokens[i])):
        n = len(tokens[i])
        if not batches or n > context or held + n > TOKENS_AT_ONCE:
            batches.append([])
            held = 0
        batches[-1].append(i)
        held += n
    return [batch for batch in batches if batch]


def _states(
    model: Model, batch: list[int], tokens: Sequence[Tokens], points: list[str]
) -> list[tuple[int, dict[str, np.ndarray], np.ndarray]]:
    """Return each text's states by point, (n_tokens, d), and its outliers."""
    first = batch[0]
    if len(tokens[first]) > model.context:
        windows = {point: model.capture_windows(tokens[first], point) for point in points}
        outliers = np.any([w.outliers for w in windows.values()], axis=0)
        return [(first, {point: w.states for point, w in windows.items()}, outliers)]
    if not len(tokens[first]):  # an empty text has no state
        full = [i for i in batch if len(tokens[i])]
        empty = [
            (i, {p: np.zeros((0, model.d_model), np.float32) for p in points}, np.zeros(0, bool))
            for i in batch
            if not len(tokens[i])
        ]
        return empty + (_states(model, full, tokens, points) if full else [])
    capture = model.capture([tokens[i] for i in batch], points)
    return [
        (
            i,
            {point: capture[point][row, : len(tokens[i])] for point in points},
            capture.outliers[row, : len(tokens[i])],
        )
        for row, i in enumerate(batch)
    ]


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
