"""The traits of FeatureActivations, and how they are filled from what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from traitlets import HasTraits, List

from volvelle.views.activations.wire import (
    N_BINS,
    ActivationFacts,
    ListFacts,
    fire_bars,
    pack_columns,
    strongest_per_token,
    token_table,
)
from volvelle.views.kit.arrays import Array
from volvelle.views.kit.choice import Choice
from volvelle.views.kit.numbers import Float, Int
from volvelle.views.kit.texts import Dict, WholeText

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from volvelle.views.activations.shown import Shown

N_LISTED = 100  # features in the list; the filter and the sort look at all of them
N_STRONGEST = 5  # features per token that hovering shows
N_STRONGEST_EXPORTED = 16  # in a file no kernel can be asked for more
LABEL_BYTES = 30_000  # of labels sent ahead; rarer ones are sent when a token is looked at


class ActivationTraits(HasTraits):
    """What Python and the browser share: the user's choices, and the arrays that are drawn."""

    text = WholeText("").tag(sync=True)
    """The text shown; setting it runs the model. Empty while `texts` holds a prompt set."""
    texts = List(WholeText()).tag(sync=True)
    """A prompt set, one row each; setting it runs the model. Empty while there is one text."""
    selected_tokens = List(Int()).tag(sync=True)
    """Indices of the selected tokens, counted over all rows; the list ranks features on them."""
    selected_features = List(Int()).tag(sync=True)
    """Features that tint the text: one as a scale, up to eight as coloured lines."""
    pinned_features = List(Int()).tag(sync=True)
    """Features that stay on top of the list."""
    query = WholeText("").tag(sync=True)
    """Filter of the list: part of a label, or the beginning of a feature's number."""
    sort_by = Choice(["max", "mean", "density", "index"], "max").tag(sync=True)
    """Order of the list over the selected tokens, or over the text when none is selected."""

    _token_blob = Array("u1")
    _token_lengths = Array(("u2", "u4"))
    _token_ids = Array(("u2", "u4"))
    _token_index = Array(("u2", "u4"))
    _token_flags = Array("u1")
    _text_starts = Array("u4")
    _columns = Array(("u2", "u4"))
    _column_mask = Array("u1", (None, None))
    _column_values = Array("f2")
    _column_scale = Array("f4")
    _top_features = Array(("u2", "u4"), (None, None))
    _top_values = Array("f2", (None, None))
    _top_scale = Float(1.0).tag(sync=True)
    _list_features = Array(("u2", "u4"))
    _list_stats = Array("f4", (None, 3))
    _list_bars = Array("u1", (None, N_BINS))
    _list_facts = Dict().tag(sync=True, of=ListFacts)
    _labels = Dict().tag(sync=True, of=dict[str, str])
    _facts = Dict().tag(sync=True, of=ActivationFacts)

    _shown: Shown | None = None

    def _one_message(self) -> AbstractContextManager[Any]:
        """Send what changes inside together."""
        return cast("Any", self).hold_sync()

    def _send_tokens(self, shown: Shown) -> None:
        table = token_table(shown.strings, shown.ids.tolist())
        self._token_blob, self._token_lengths = table.blob, table.lengths
        self._token_ids, self._token_index = table.ids, table.index
        self._token_flags, self._text_starts = shown.flags, shown.text_starts

    def _send_strongest(self, shown: Shown, k: int) -> None:
        if shown.facts.get("hand_made"):
            return  # all values are there as columns
        features, values = strongest_per_token(shown.codes, k)
        scale = float(np.abs(values).max(initial=0)) or 1.0
        self._top_features, self._top_values = features, values / scale
        self._top_scale = scale
        common, counts = np.unique(features[values != 0], return_counts=True)
        self._send_labels(common[np.argsort(-counts, kind="stable")].tolist(), LABEL_BYTES)

    def _send_labels(self, features: Sequence[int], limit: float = np.inf) -> None:
        """Add labels of features to those the browser has, at most `limit` bytes of them."""
        shown, held = self._shown, dict(self._labels)
        spent = 0
        for feature in features:
            if spent > limit or shown is None:
                break
            if str(feature) not in held and (label := shown.label(feature)):
                held[str(feature)] = label
                spent += len(label) + 9  # the key, quotes, colon and comma
        if len(held) > len(self._labels):
            self._labels = held

    def _send_columns(self, more: Sequence[int] = ()) -> None:
        if self._shown is None:
            return
        features = [i for i in self.selected_features if i < self._shown.n_features]
        features = list(dict.fromkeys([*features, *more]))
        packed = pack_columns(self._shown.columns, features)
        with self._one_message():
            self._columns, self._column_mask = features, packed.mask
            self._column_values, self._column_scale = packed.nonzero, packed.scale
            self._send_labels(features)

    def _matching(self, features: np.ndarray) -> np.ndarray:
        query = self.query.strip().casefold()
        if not query or self._shown is None:
            return features
        label = self._shown.label
        return np.array(
            [i for i in features if str(i).startswith(query) or query in label(i).casefold()],
            dtype=int,
        )

    def _send_list(self) -> None:
        shown = self._shown
        if shown is None:
            return
        stats = shown.stats(self.selected_tokens)
        ranked = self._matching(stats.ranked(self.sort_by))
        kept = [i for i in [*self.pinned_features, *self.selected_features] if i < shown.n_features]
        features = list(dict.fromkeys([*kept, *ranked[:N_LISTED].tolist()]))
        table = np.stack([stats.peak, stats.mean, stats.density], axis=1)[features]
        with self._one_message():
            self._list_features, self._list_stats = features, table
            self._list_bars = fire_bars(shown.columns, features)
            self._list_facts = {
                "firing": len(ranked),
                "sort": self.sort_by,
                "query": self.query.strip(),
                "where": self._where(),
            }
            self._send_labels(features)

    def _where(self) -> str:
        """Return which tokens the list is for, so that the browser knows when it is outdated."""
        tokens = self.selected_tokens
        return f"{len(tokens)}:{tokens[0]}:{tokens[-1]}:{sum(tokens)}" if tokens else ""
