"""One side of a dual map: an SAE, a dictionary or plain vectors, brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from volvelle.compute.directions import Dictionary
from volvelle.compute.neighbours import unit_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.models.tokens import Tokens

# Projections of a dictionary are dense: more directions than this are matched by cosine only.
MOST_PROJECTED = 4096
_RESIDUAL = ("embed", "resid_pre", "resid_post")


@dataclass(frozen=True, eq=False)
class Side:
    """What a dual map needs of a dictionary.

    Attributes
    ----------
    name : str
    point : str
        ``""`` for plain vectors.
    vectors : float32 array, shape (n, d)
        Decoder rows or directions as they came.
    alive : bool array, shape (n,)
        Rows that are laid out: finite, not zero, and fired at least once where that is known.
    left_out : dict of str to int
        Why the others are not: ``{"NaN": 3, "zero": 1, "never fire": 12}``.
    labels : tuple of str
    tokens : tuple of tuple of str
        Tokens of each label, for names of regions; the label itself where there are none.
    densities : float32 array, shape (n,), or None
        Share of tokens a feature fires on.
    encoder : float32 array, shape (n, d), or None
    noun : SAE, Dictionary or None
        What it was made from.
    """

    name: str
    point: str
    vectors: np.ndarray
    alive: np.ndarray
    left_out: dict[str, int]
    labels: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    densities: np.ndarray | None
    encoder: np.ndarray | None
    noun: Any

    @property
    def n(self) -> int:
        """Rows, left out ones counted."""
        return len(self.vectors)

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.vectors.shape[1]

    @property
    def model_name(self) -> str:
        """Model it was made for, "" where it does not say."""
        return str(getattr(self.noun, "metadata", {}).get("model_name") or "")

    @property
    def is_residual(self) -> bool:
        """Whether it lives in the residual stream, or does not say where."""
        return not self.point or self.point.split(".")[0] in _RESIDUAL

    def unit(self) -> np.ndarray:
        """Return the alive rows at length one."""
        return unit_rows(self.vectors[self.alive])


def side(given: Any, argument: str) -> Side:
    """Read one argument of a dual map.

    Parameters
    ----------
    given : SAE, Dictionary, or array or tensor, shape (n, d)
    argument : str
        ``"a"`` or ``"b"``, for messages and as the name of plain vectors.

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        When no row is left to lay out.
    """
    densities = encoder = tokens = None
    vectors: Any
    if hasattr(given, "W_dec"):
        vectors, name, point = given.W_dec, given.name, str(given.point)
        encoder = np.asarray(given.W_enc.detach().cpu().float()).T
        tokens = given.label_tokens
        labels = given.labels or [f"{name}/{i}" for i in range(given.n_features)]
        labels = [label or f"{name}/{i}" for i, label in enumerate(labels)]
        densities = None if given.densities is None else np.asarray(given.densities, np.float32)
    elif isinstance(given, Dictionary):
        vectors, name, point = given.vectors, given.source or argument, str(given.point)
        labels = list(given.names)
    elif getattr(given, "ndim", 0) == 2:
        vectors, name, point = given, argument, ""
        labels = [f"{argument}/{i}" for i in range(len(given))]
    else:
        raise TypeError(
            f"{argument} is {type(given).__name__}, expected an SAE, a Dictionary, or an array "
            "of shape (n, d_model)"
        )
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().float().numpy()
    rows = np.asarray(vectors, dtype=np.float32)
    finite = np.isfinite(rows).all(axis=1)
    zero = finite & ~rows.any(axis=1)
    silent = np.zeros(len(rows), bool)
    if densities is not None:
        silent = finite & ~zero & (densities == 0)
    alive = finite & ~zero & ~silent
    counts = {"NaN": ~finite, "zero": zero, "never fire": silent}
    left_out = {why: int(which.sum()) for why, which in counts.items() if which.any()}
    if not alive.any():
        why = ", ".join(f"{count} {what}" for what, count in left_out.items()) or "no rows at all"
        raise ValueError(f"{argument} ({name}) has no direction to lay out: {why}")
    named = tuple(tuple(row) for row in tokens) if tokens else tuple((label,) for label in labels)
    return Side(
        name, point, rows, alive, left_out, tuple(labels), named, densities, encoder,
        None if getattr(given, "ndim", 0) == 2 else given,
    )  # fmt: skip


def activations(
    model: Any,
    texts: Sequence[str],
    one: Side,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[sp.csr_array, tuple[Tokens, ...], np.ndarray]:
    """Read what the alive directions of a side do along texts.

    Parameters
    ----------
    model : Model
    texts : sequence of str
    one : Side
        An SAE is encoded; a dictionary's states are projected on its directions.
    progress : callable(fraction, text), optional

    Returns
    -------
    codes : scipy.sparse.csr_array, shape (n_tokens, n_alive)
    tokens : tuple of Tokens
        Of each text.
    scored : bool array, shape (n_tokens,)
        False at position 0 and at outliers.
    """
    if hasattr(one.noun, "encode_sparse"):
        from volvelle.experiments.encode import encode

        read = encode(model, list(texts), one.noun, progress=progress)
        return read.codes[:, np.flatnonzero(one.alive)], read.tokens, read.scored
    if int(one.alive.sum()) > MOST_PROJECTED:
        raise ValueError(
            f"{one.name} has {one.alive.sum()} directions and no encoder; activation matching "
            f"projects at most {MOST_PROJECTED}: use match='decoder'"
        )
    directions = one.unit().T
    blocks, tokens, scored = [], [], []
    for i, text in enumerate(texts):
        read = model.capture_windows(text, one.point)
        blocks.append(sp.csr_array(read.states @ directions))
        tokens.append(read.tokens)
        scored.append(~(read.left_out | read.outliers))
        if progress:
            progress((i + 1) / len(texts), f"text {i + 1} of {len(texts)}")
    return sp.csr_array(sp.vstack(blocks)), tuple(tokens), np.concatenate(scored)


def aligned(
    a: tuple[sp.csr_array, tuple[Tokens, ...], np.ndarray],
    b: tuple[sp.csr_array, tuple[Tokens, ...], np.ndarray],
) -> tuple[sp.csr_array, sp.csr_array, str]:
    """Bring two readings of the same texts to the same rows.

    Returns
    -------
    codes_a, codes_b : scipy.sparse.csr_array, shape (n_rows, n)
    unit : str
        ``"token"`` where both models cut the texts alike, else ``"word"``: activations are
        summed over each stretch of text between spaces.
    """
    (codes_a, tokens_a, scored_a), (codes_b, tokens_b, scored_b) = a, b
    alike = all(
        np.array_equal(x.offsets, y.offsets) for x, y in zip(tokens_a, tokens_b, strict=True)
    )
    if alike:
        both = scored_a & scored_b
        return codes_a[both], codes_b[both], "token"
    pool_a, n_a = _word_pool(tokens_a, scored_a)
    pool_b, n_b = _word_pool(tokens_b, scored_b)
    # a word of which one side scored nothing (the first of a text) is compared by neither
    seen = (np.asarray(pool_a.sum(1)).ravel() > 0) & (np.asarray(pool_b.sum(1)).ravel() > 0)
    if n_a != n_b:
        raise ValueError("the two models' tokens cover different stretches of the texts")
    words_a, words_b = sp.csr_array(pool_a @ codes_a), sp.csr_array(pool_b @ codes_b)
    return words_a[seen], words_b[seen], "word"


def _word_pool(tokens: Sequence[Tokens], scored: np.ndarray) -> tuple[sp.csr_array, int]:
    """Return a matrix that sums scored tokens over words, and how many words there are."""
    words, base = [], 0
    for each in tokens:
        # the number of the word a character belongs to; a space belongs to the word after it
        breaks = np.array([c.isspace() for c in each.text], dtype=bool)
        starts = breaks & ~np.concatenate([[False], breaks[:-1]]) if len(breaks) else breaks
        number = np.cumsum(starts)
        last = np.maximum(each.offsets[:, 1] - 1, 0)
        words.append(base + (number[np.minimum(last, len(number) - 1)] if len(number) else last))
        base += (int(number[-1]) if len(number) else 0) + 1
    word = np.concatenate(words) if words else np.zeros(0, np.int64)
    rows = np.flatnonzero(scored)
    matrix = sp.csr_array(
        (np.ones(len(rows), np.float32), (word[rows], rows)), shape=(base, len(scored))
    )
    return matrix, base
