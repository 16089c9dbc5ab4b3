"""The view of what fires where in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import TraitError, observe, validate

from volvelle.arguments.said import seen
from volvelle.experiments.activations.plan import check_texts, encoding
from volvelle.views.activations.shown import (
    Shown,
    check_size,
    feature_frame,
    from_activations,
    from_values,
    token_frame,
)
from volvelle.views.activations.traits import (
    N_STRONGEST,
    N_STRONGEST_EXPORTED,
    ActivationTraits,
)
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.selections import MOST_COLOURED
from volvelle.views.kit.server import on_server
from volvelle.views.kit.view import View, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.model import Model


class FeatureActivations(ActivationTraits, View):
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
        Initial values of the traits, all of them public names of `ActivationTraits`.

    Examples
    --------
    >>> view = vv.FeatureActivations(model, vv.demo_sae("a"), "The cat sat on the mat.")
    >>> view.selected_features = [12, 77]
    >>> view.to_pandas()
    """

    _esm = bundle("feature_activations")

    def __init__(
        self,
        model: Model | None = None,
        sae: SparseAutoencoder | None = None,
        text: str | Sequence[str] = "",
        **traits: Any,
    ) -> None:
        if model is not None and sae is None:
            raise TypeError(
                "sae=None must be an SAE, such as vv.demo_sae('a'); for values without one use "
                "vv.FeatureActivations.from_values(tokens, values, names)"
            )
        self._model, self._sae = model, sae
        self._shown: Shown | None = None
        self._ran: list[str] = []  # the texts that are shown
        self._chosen = "selected_features" in traits
        texts = {"text": text} if isinstance(text, str) else {"texts": list(text)}
        super().__init__(**(texts | traits))
        if model is None or sae is None:
            return
        self._facts = {"model": model.name, "point": str(sae.point), "dictionary": sae.name}
        self._begin()

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
            traits["selected_features"] = list(range(min(shown.n_features, MOST_COLOURED)))
        view = cls(**traits)
        view._show(shown)
        return view

    # -- work -----------------------------------------------------------------------------

    def run(self) -> FeatureActivations:
        """Encode the text again. Returns at once; `wait` waits."""
        if self._model is None or self._sae is None:
            raise ValueError(
                "this view was made from values and has no model to run a text; "
                "make one with vv.FeatureActivations(model, sae, text)"
            )
        from volvelle.experiments.activations.encode import encode

        model, sae = self._model, self._sae
        texts = list(self.texts) or [self.text]
        if on_server(self._model):
            check_texts(model, texts)

        def work(report: Callable[[float, str], None]) -> Shown:
            check_size(model, texts)
            shown = from_activations(encode(model, texts, sae, reuse=True, progress=report))
            # the slow parts of drawing are made here, off the notebook's thread
            _ = shown.columns, shown.text_stats
            return shown

        def show(shown: Shown) -> None:
            self._ran = texts
            self._show(shown)
            self._make_plan()

        self._start(model, work, show)
        return self

    def _begin(self) -> None:
        """Encode a new text; on a server only say what Run would send."""
        if on_server(self._model):
            self._make_plan()
        else:
            self.run()

    def _make_plan(self) -> None:
        if self._sae is None or not on_server(self._model):
            return
        texts = list(self.texts) or [self.text]
        said = encoding(self._model, self._sae, texts)
        changed = "The text has changed. " if self._ran and self._ran != texts else ""
        self._plan = changed + said if said.startswith("Run") else said

    def _show(self, shown: Shown) -> None:
        """Write all that a new text changes, in one message."""
        with self.hold_sync():
            self._shown = shown
            self._send_tokens(shown)
            self._facts = shown.facts | {"signed": bool((shown.codes.data < 0).any())}
            self._keep_in_range(shown)
            self._send_strongest(shown, N_STRONGEST)
            self._send_columns()
            self._send_list()

    def _keep_in_range(self, shown: Shown) -> None:
        """Choose a feature for a first look; drop tokens that are no more."""
        with self._quietly():
            self.selected_tokens = [i for i in self.selected_tokens if i < shown.n_tokens]
            if not self._chosen and not self.selected_features:
                self.selected_features = shown.first_look()
            self._chosen = True

    # -- traits set by anyone -------------------------------------------------------------

    @observe("text", "texts")
    @reported
    def _new_text(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        with self._quietly():
            if change["name"] == "text":
                self.texts = []
            elif self.texts:
                self.text = ""
            if not on_server(self._model):  # else the old text stays until Run
                self.selected_tokens = []
        self._begin()

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
        if name == "selected_features" and len(features) > MOST_COLOURED:
            raise TraitError(
                f"selected_features has {len(features)} entries; up to {MOST_COLOURED} colours can "
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

    def _on_labels(self, features: list[int]) -> None:
        """Send labels of a looked-at token's features."""
        if self._shown is not None:
            self._send_labels([i for i in features if 0 <= i < self._shown.n_features])

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
            raise ValueError(f"what is {seen(what)}, expected 'tokens' or 'features'")
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
            with twin._quietly():  # else it would want to run them
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
