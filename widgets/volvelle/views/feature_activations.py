"""The view of what fires where in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Dict, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from volvelle.views.activations_wire import (
    N_BINS,
    fire_bars,
    pack_columns,
    strongest_per_token,
    token_table,
)
from volvelle.views.arrays import Array
from volvelle.views.base import View, reported
from volvelle.views.bundle import bundle
from volvelle.views.shown_activations import (
    Shown,
    feature_frame,
    from_activations,
    from_values,
    token_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

MOST_SELECTED = 8  # as many as there are colours that everyone can tell apart
N_LISTED = 100  # features in the list; the filter and the sort look at all of them
N_STRONGEST = 5  # features per token that hovering shows
N_STRONGEST_EXPORTED = 16  # in a file no kernel can be asked for more
LABEL_BYTES = 30_000  # of labels sent ahead; rarer ones are sent when a token is looked at


class FeatureActivations(View):
    """A text as tokens, tinted by what the features of a dictionary do on them.

    Parameters
    ----------
    model : volvelle.Model
        Runs the text.
    sae : volvelle.SAE
        The dictionary; it says at which point of the model it reads.
    text : str or sequence of str
        One text, or a set of prompts shown as rows. Up to 20,000 tokens.
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> view = vv.FeatureActivations(model, vv.demo_sae("a"), "The cat sat on the mat.")
    >>> view.selected_features = [12, 77]
    >>> view.to_pandas()
    """

    _esm = bundle("feature_activations")

    text = Unicode("").tag(sync=True)
    """The text shown; setting it runs the model. Empty while `texts` holds a prompt set."""
    texts = List(Unicode()).tag(sync=True)
    """A prompt set, one row each; setting it runs the model. Empty while there is one text."""
    selected_tokens = List(Int()).tag(sync=True)
    """Indices of the selected tokens, counted over all rows; the list ranks features on them."""
    selected_features = List(Int()).tag(sync=True)
    """Features that tint the text: one as a scale, up to eight as coloured lines."""
    pinned_features = List(Int()).tag(sync=True)
    """Features that stay on top of the list."""
    query = Unicode("").tag(sync=True)
    """Filter of the list: part of a label, or the beginning of a feature's number."""
    sort_by = Enum(["max", "mean", "density", "index"], "max").tag(sync=True)
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
    _list_facts = Dict().tag(sync=True)
    _labels = Dict().tag(sync=True)
    _facts = Dict().tag(sync=True)

    def __init__(
        self,
        model: Any = None,
        sae: Any = None,
        text: str | Sequence[str] = "",
        **traits: Any,
    ) -> None:
        self._model, self._sae = model, sae
        self._shown: Shown | None = None
        self._quiet = True
        self._chosen = "selected_features" in traits
        texts = {"text": text} if isinstance(text, str) else {"texts": list(text)}
        super().__init__(**(texts | traits))
        self._quiet = False
        if model is None:
            return
        self._facts = {"model": model.name, "point": str(sae.point), "dictionary": sae.name}
        self.run()

    @classmethod
    def from_values(
        cls,
        tokens: Sequence[str] | Sequence[Sequence[str]],
        values: Any,
        names: Sequence[str] | None = None,
        **traits: Any,
    ) -> FeatureActivations:
        """Show hand-made values, without a model.

        Parameters
        ----------
        tokens : sequence of str, or of such sequences
            One text, or several shown as rows.
        values : array or tensor, shape (n_tokens,) or (n_tokens, n_names)
            One row per token. Negative values bring the blue-white-red scale.
        names : sequence of str, optional
            One per column.
        **traits
            Initial values of the view's traits.

        Raises
        ------
        ValueError
            When the shapes do not fit, or a value is not finite.
        """
        shown = from_values(tokens, values, names)
        if "selected_features" not in traits:
            traits["selected_features"] = list(range(min(shown.n_features, MOST_SELECTED)))
        view = cls(**traits)
        view._show(shown)
        return view

    # -- work -----------------------------------------------------------------------------

    def run(self) -> FeatureActivations:
        """Encode the text again. Returns at once; `wait` waits."""
        if self._model is None:
            raise ValueError(
                "this view was made from values and has no model to run a text; "
                "make one with vv.FeatureActivations(model, sae, text)"
            )
        from volvelle.experiments.encode import encode

        model, sae = self._model, self._sae
        texts = list(self.texts) or [self.text]

        def work(report: Callable[[float, str], None]) -> Shown:
            shown = from_activations(encode(model, texts, sae, reuse=True, progress=report))
            # the slow parts of drawing are made here, off the notebook's thread
            _ = shown.columns, shown.text_stats
            return shown

        self._start(model, work, self._show)
        return self

    def _show(self, shown: Shown) -> None:
        """Write all that a new text changes, in one message."""
        with self.hold_sync():
            self._shown = shown
            table = token_table(shown.strings, shown.ids.tolist())
            self._token_blob, self._token_lengths = table.blob, table.lengths
            self._token_ids, self._token_index = table.ids, table.index
            self._token_flags, self._text_starts = shown.flags, shown.text_starts
            self._facts = shown.facts | {"signed": bool((shown.codes.data < 0).any())}
            self._keep_in_range(shown)
            self._send_strongest(shown, N_STRONGEST)
            self._send_columns()
            self._send_list()

    def _keep_in_range(self, shown: Shown) -> None:
        """Choose the strongest feature for a first look; drop tokens that are no more."""
        self._quiet = True
        try:
            self.selected_tokens = [i for i in self.selected_tokens if i < shown.n_tokens]
            if not self._chosen and not self.selected_features:
                self.selected_features = shown.text_stats.ranked("max")[:1].tolist()
            self._chosen = True
        finally:
            self._quiet = False

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
        with self.hold_sync():
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
        with self.hold_sync():
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

    # -- traits set by anyone -------------------------------------------------------------

    @observe("text", "texts")
    @reported
    def _new_text(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        self._quiet = True
        try:
            if change["name"] == "text":
                self.texts = []
            elif self.texts:
                self.text = ""
            self.selected_tokens = []
        finally:
            self._quiet = False
        self.run()

    @observe("selected_features")
    @reported
    def _new_features(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        if not self._quiet:
            self._chosen = True
            self._send_columns()
            self._send_list()

    @observe("selected_tokens", "pinned_features", "query", "sort_by")
    @reported
    def _new_list(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        if not self._quiet:
            self._send_list()

    @validate("selected_features", "pinned_features")
    def _check_features(self, proposal: dict[str, Any]) -> list[int]:
        name, features = proposal["trait"].name, list(dict.fromkeys(proposal["value"]))
        if name == "selected_features" and len(features) > MOST_SELECTED:
            raise TraitError(
                f"selected_features has {len(features)} entries; up to {MOST_SELECTED} colours can "
                "be told apart. For all of them use vv.encode(model, text, sae)"
            )
        held: Any = self._shown or self._sae
        return _in_range(name, features, getattr(held, "n_features", None))

    @validate("selected_tokens")
    def _check_tokens(self, proposal: dict[str, Any]) -> list[int]:
        busy = self.status in ("queued", "running")  # a new text's length is not known yet
        n_tokens = None if self._shown is None or busy else self._shown.n_tokens
        return _in_range("selected_tokens", sorted(set(proposal["value"])), n_tokens)

    # -- what the browser asks ------------------------------------------------------------

    def _on_labels(self, request: dict[str, Any]) -> None:
        """Send labels of a looked-at token's features."""
        if self._shown is not None:
            wanted = [int(i) for i in request["features"]]
            self._send_labels([i for i in wanted if 0 <= i < self._shown.n_features])

    # -- out ------------------------------------------------------------------------------

    def to_pandas(self, what: str = "tokens") -> pd.DataFrame:
        """Return what the view shows.

        Parameters
        ----------
        what : {"tokens", "features"}
            ``"tokens"``: one row per token with ``text``, ``token`` (index over all texts),
            ``string``, ``id``, ``selected``, ``left_out``, ``outlier``, ``window`` (one starts
            here) and a column per selected feature. ``"features"``: the list, with ``feature``,
            ``label``, ``max``, ``mean``, ``density``, ``pinned``, ``selected``.
        """
        if what not in ("tokens", "features"):
            raise ValueError(f"what is {what!r}, expected 'tokens' or 'features'")
        if self._shown is None:
            import pandas as pd

            return pd.DataFrame()
        if what == "tokens":
            return token_frame(self._shown, self.selected_tokens, self.selected_features)
        listed: Any = self._list_features
        frame = feature_frame(self._shown, listed, self._list_stats)
        frame["pinned"] = frame["feature"].isin(self.pinned_features)
        frame["selected"] = frame["feature"].isin(self.selected_features)
        return frame

    def export_state(self) -> dict[str, Any]:
        """Return the traits of an exported file: more features, as no kernel can be asked."""
        if self._shown is None:
            return super().export_state()
        listed: Any = self._list_features
        twin = FeatureActivations(
            text=self.text,
            selected_features=self.selected_features,
            selected_tokens=self.selected_tokens,
            pinned_features=self.pinned_features,
            query=self.query,
            sort_by=self.sort_by,
        )
        try:
            twin.texts = self.texts
            twin._show(self._shown)
            twin._send_strongest(self._shown, N_STRONGEST_EXPORTED)
            twin._send_columns(more=listed.tolist())
            top: Any = twin._top_features
            twin._send_labels(np.unique(top).tolist())
            return super(FeatureActivations, twin).export_state()
        finally:
            twin.close()

    def _export_title(self) -> str:
        facts = self._facts
        if not facts.get("model"):
            return "FeatureActivations of hand-made values"
        return f"FeatureActivations: {facts['model']}, {facts['point']}, {facts['dictionary']}"


def _in_range(name: str, indices: list[int], stop: int | None) -> list[int]:
    """Return `indices`, or say which is outside; `stop` None while the end is not known."""
    for index in indices:
        if index < 0 or (stop is not None and index >= stop):
            last = "" if stop is None else f"...{stop - 1}"
            raise TraitError(f"{name}: {index} is outside 0{last}")
    return indices
