"""What FeatureActivations holds between two encodes, whatever it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.arrays import array
from volvelle.arguments.texts import clean
from volvelle.models.engine.sizes import fewest_tokens
from volvelle.progress import looking
from volvelle.views.activations.wire import (
    LEFT_OUT,
    OUTLIER,
    PIECE,
    SPECIAL,
    WINDOW,
    FeatureStats,
)
from volvelle.views.activations.wire import feature_stats as stats_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.experiments.activations.encode import Activations
    from volvelle.models.model import Model

# Token indices travel as two bytes, and a page of more chips than this helps nobody.
MAX_TOKENS = 20_000
# Tokens of one letter at the most: its bytes.
MOST_OF_A_LETTER = 4


@dataclass(frozen=True, eq=False)
class Shown:
    """Tokens and a sparse matrix of what fires on them.

    Attributes
    ----------
    strings : list of str
        Each token as a reader sees it.
    ids : int array, shape (n_tokens,)
    flags : uint8 array, shape (n_tokens,)
        Bits of `activations_wire`: starts a window, left out, piece of a character, special.
    text_starts : int array
        First token of each text.
    codes : csr_array, shape (n_tokens, n_features)
    label : callable
        Feature index to its label, empty where it has none.
    facts : dict
        What the title says: model, point, dictionary, l0, fve, ...
    usual : float array, shape (n_features,), optional
        Share of ordinary tokens on which each feature fires.
    """

    strings: list[str]
    ids: np.ndarray
    flags: np.ndarray
    text_starts: np.ndarray
    codes: Any
    label: Callable[[int], str]
    facts: dict[str, Any] = field(default_factory=dict)
    usual: np.ndarray | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens of all texts together."""
        return len(self.strings)

    @property
    def n_features(self) -> int:
        """Features of the dictionary."""
        return int(self.codes.shape[1])

    @cached_property
    def columns(self) -> Any:
        """The same codes as a csc_array: one feature is one slice."""
        return self.codes.tocsc()

    @cached_property
    def counted(self) -> np.ndarray:
        """Tokens that statistics count: neither left out nor of extreme norm."""
        return np.flatnonzero((self.flags & (LEFT_OUT | OUTLIER)) == 0)

    @cached_property
    def text_stats(self) -> FeatureStats:
        """Statistics over the whole text."""
        return stats_of(self.codes, self.counted)

    def first_look(self) -> list[int]:
        """Return the feature to show before anyone chooses, none where nothing fires.

        A feature that fires on half of all tokens is among the strongest of every text and says
        little about this one. Peaks therefore count times -log of the usual share of tokens,
        where that is known: the weight that search engines give to words.
        """
        ranked = self.text_stats.ranked("max")
        if self.usual is not None and np.isfinite(self.usual).all() and len(ranked):
            rare = -np.log(np.clip(self.usual[ranked], 1e-6, 1))
            ranked = ranked[np.argsort(-np.abs(self.text_stats.peak[ranked]) * rare, kind="stable")]
        return ranked[:1].tolist()

    def stats(self, tokens: Sequence[int]) -> FeatureStats:
        """Return statistics over the given tokens; over the whole text when there are none."""
        return stats_of(self.codes, np.asarray(tokens)) if len(tokens) else self.text_stats

    def text_of(self) -> np.ndarray:
        """Return the text each token belongs to, shape (n_tokens,)."""
        return np.searchsorted(self.text_starts, np.arange(self.n_tokens), side="right") - 1


def _too_long(n_tokens: int) -> None:
    if n_tokens > MAX_TOKENS:
        raise ValueError(
            f"the text has {n_tokens:,} tokens, this view draws up to {MAX_TOKENS:,}; show a part "
            "of it, and use vv.encode(model, text, sae) for numbers over all of it"
        )


def check_size(model: Model, texts: Sequence[str]) -> None:
    """Raise ValueError for more text than is drawn, before the model reads it."""
    total = sum(map(len, texts))
    if MOST_OF_A_LETTER * (total + len(texts)) <= MAX_TOKENS:
        return
    fewest, longest = fewest_tokens(model.tokenizer, total, MAX_TOKENS)
    if fewest > MAX_TOKENS:
        raise ValueError(
            f"the text has {total:,} characters, which are {fewest:,} tokens or more (none is "
            f"longer than {longest}), and this view draws up to {MAX_TOKENS:,}; show a part of it, "
            "and use vv.encode(model, text, sae) for numbers over all of it"
        )
    n = 0
    for text in looking(texts, 16):
        n += len(model.tokens(text))
    _too_long(n)


def from_activations(acts: Activations) -> Shown:
    """Return what an encode gives to show."""
    from scipy import sparse

    texts = acts.tokens
    strings = [string for tokens in texts for string in tokens.strings]
    _too_long(len(strings))
    starts = _starts([len(tokens) for tokens in texts])
    flags = np.zeros(len(strings), dtype=np.uint8)
    flags[acts.left_out] |= LEFT_OUT
    flags[acts.outliers] |= OUTLIER
    flags[_joined([tokens.special for tokens in texts])] |= SPECIAL
    flags[_joined([_pieces(tokens.glyph) for tokens in texts])] |= PIECE
    for start, windows in zip(starts, acts.windows, strict=True):
        flags[start + windows[windows > 0]] |= WINDOW  # a text's own beginning is no border
    labels = acts.labels
    facts = {
        "model": acts.model,
        "point": acts.point,
        "dictionary": acts.sae_name,
        "n_features": acts.n_features,
        "l0": acts.l0 if np.isfinite(acts.l0) else None,
        "fve": float(acts.fve) if np.isfinite(acts.fve) else None,
        "note": acts.note or "",
        "editable": True,
    }
    return Shown(
        strings,
        _joined([tokens.ids for tokens in texts]).astype(np.int64),
        flags,
        starts,
        sparse.csr_array(acts.codes),
        (lambda i: labels[i]) if labels else (lambda _i: ""),
        facts,
        None if acts.sae is None else acts.sae.densities,
    )


def _starts(lengths: Sequence[int]) -> np.ndarray:
    return np.cumsum([0, *lengths])[:-1].astype(np.int64)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _pieces(glyph: np.ndarray) -> np.ndarray:
    """Return which tokens go on with the character of the one before, shape (n_tokens,)."""
    return np.diff(glyph, prepend=-1) == 0


def from_values(
    tokens: Sequence[str] | Sequence[Sequence[str]], values: Any, names: Sequence[str] | None
) -> Shown:
    """Return hand-made values to show.

    Parameters
    ----------
    tokens : sequence of str, or of such sequences
        One text, or several.
    values : array, shape (n_tokens,) or (n_tokens, n_names)
        Signed or not; rows over the tokens of all texts, one after the other.
    names : sequence of str, optional
        One per column. Default ``"value 0"``, ``"value 1"``, ...
    """
    from scipy import sparse

    nested = bool(len(tokens)) and np.iterable(tokens[0]) and not isinstance(tokens[0], str)
    texts = [list(text) for text in tokens] if nested else [list(tokens)]
    strings = [clean(str(string)) for text in texts for string in text]
    _too_long(len(strings))
    try:
        table = array(values, "values", finite=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"values is no table of numbers ({error}); expected one row per token, over all texts "
            "one after the other: np.concatenate joins the tables of several"
        ) from error
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != len(strings):
        raise ValueError(
            f"values has shape {np.shape(values)}, expected ({len(strings)},) or "
            f"({len(strings)}, n_names): one row per token"
        )
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise ValueError(f"values holds NaN or infinity (first at token {row}); write 0 there")
    labels = [f"value {i}" for i in range(table.shape[1])] if names is None else list(names)
    if len(labels) != table.shape[1]:
        raise ValueError(f"names has {len(labels)} entries, values has {table.shape[1]} columns")
    return Shown(
        strings,
        np.arange(len(strings)),
        np.zeros(len(strings), dtype=np.uint8),
        _starts([len(text) for text in texts]),
        sparse.csr_array(table),
        lambda i: clean(str(labels[i])),
        {"n_features": len(labels), "editable": False, "hand_made": True},
    )


def token_frame(shown: Shown, tokens: Sequence[int], features: Sequence[int]) -> pd.DataFrame:
    """Return one row per token, with a column per given feature."""
    import pandas as pd

    index = np.arange(shown.n_tokens)
    frame = pd.DataFrame(
        {
            "text": shown.text_of(),
            "token": index,
            "string": shown.strings,
            "id": shown.ids,
            "selected": np.isin(index, tokens),
            "left_out": (shown.flags & LEFT_OUT) != 0,
            "outlier": (shown.flags & OUTLIER) != 0,
            "window": (shown.flags & WINDOW) != 0,
        }
    )
    hand_made = shown.facts.get("hand_made")
    for feature in features:
        name = shown.label(feature) if hand_made else f"feature {feature}"
        frame[name] = shown.columns[:, [feature]].toarray()[:, 0]
    return frame


def feature_frame(shown: Shown, features: np.ndarray, stats: Any) -> pd.DataFrame:
    """Return one row per given feature; `stats` has shape (n_features, 3)."""
    import pandas as pd

    return pd.DataFrame(
        {
            "feature": features.astype(np.int64),
            "label": [shown.label(int(feature)) for feature in features],
            "max": stats[:, 0],
            "mean": stats[:, 1],
            "density": stats[:, 2],
        }
    )
