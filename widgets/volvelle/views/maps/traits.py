"""The traits of a map, and what may be assigned to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import HasTraits, List, TraitError, observe, validate

from volvelle.views.kit.arrays import Array
from volvelle.views.kit.choice import Choice
from volvelle.views.kit.numbers import Int
from volvelle.views.kit.selections import MOST_COLOURED, Selection
from volvelle.views.kit.texts import Dict, WholeText
from volvelle.views.kit.view import reported
from volvelle.views.maps.wire import LookedAt, MapFacts, MapRegion

if TYPE_CHECKING:
    import numpy as np

    from volvelle.experiments.maps.dual_layout import DualLayout

COLOURS = ("dictionary", "match", "density", "cluster", "values")


class MapTraits(HasTraits):
    """What Python and the browser share of a map."""

    _pair: DualLayout | None = None

    selected_a = Selection()
    """Selected features of a: sorted indices, uint32. Assign indices or one bool per feature."""
    selected_b = Selection()
    """Selected features of b."""
    selected_features = List(Int()).tag(sync=True)
    """Features picked one by one, up to eight, of the dictionary `features_of` names: the same
    trait as in FeatureActivations, so that ``jslink`` joins the two."""
    features_of = Choice(["a", "b"], "a").tag(sync=True)
    """Which dictionary `selected_features` counts in; a click in the other picks the match."""
    color_by = Choice(list(COLOURS), "dictionary").tag(sync=True)
    """What colour says: the dictionary, the score of the match, log density (the share of
    tokens a feature fires on), the cluster in the original space, or `values_a`, `values_b`."""
    panels = Choice(["two", "one"], "two").tag(sync=True)
    """Side by side, or both dictionaries in one panel."""
    query = WholeText("").tag(sync=True)
    """Search: words of a label, or an index; the rest of the map is greyed."""
    values_a = Array("f4")
    """One number per feature of a, for ``color_by="values"``; NaN for unknown."""
    values_b = Array("f4")
    """The same for b."""
    values_name = WholeText("").tag(sync=True)
    """What the values are, with their unit."""

    _xy_a = Array("u2", (None, 2))
    _xy_b = Array("u2", (None, 2))
    _some_a = Array("u2", (None, 2))
    """Places of some points of a very large map, on screen until `_xy_a` has come."""
    _some_b = Array("u2", (None, 2))
    _labels_a = Array("u1")
    _labels_b = Array("u1")
    _promoted_a = Array("u1")
    _promoted_b = Array("u1")
    _density_a = Array("f2")
    _density_b = Array("f2")
    _cluster_a = Array("u1")
    _cluster_b = Array("u1")
    _near_a = Array(("u2", "u4"), (None, None))
    _near_b = Array(("u2", "u4"), (None, None))
    _near_score_a = Array("f2", (None, None))
    _near_score_b = Array("f2", (None, None))
    _pairs = Array(("u2", "u4"), (None, None))
    _pair_scores = Array("f2")
    _regions = List(Dict()).tag(sync=True, of=list[MapRegion])
    _facts = Dict().tag(sync=True, of=MapFacts)
    _drawn = WholeText("").tag(sync=True)
    _looked = Dict().tag(sync=True, of=LookedAt)
    _seen = Int(0).tag(sync=True, page=True)
    """Serial of the last frame that is on screen."""

    @validate("selected_a", "selected_b")
    def _check_selection(self, proposal: dict[str, Any]) -> np.ndarray:
        name, indices = proposal["trait"].name, proposal["value"]
        if self._pair is not None and len(indices):
            n = getattr(self._pair, name[-1]).n
            if indices[-1] >= n:
                raise TraitError(f"{name}: {indices[-1]} is outside 0...{n - 1}")
        return indices

    @validate("selected_features")
    def _check_features(self, proposal: dict[str, Any]) -> list[int]:
        features = list(dict.fromkeys(proposal["value"]))
        if len(features) > MOST_COLOURED:
            raise TraitError(
                f"selected_features has {len(features)} entries, at most {MOST_COLOURED}; use "
                "selected_a or selected_b for more"
            )
        n = None if self._pair is None else getattr(self._pair, self.features_of).n
        for i in features:
            if i < 0 or (n is not None and i >= n):
                last = "" if n is None else f"...{n - 1}"
                raise TraitError(f"selected_features: {i} is outside 0{last}")
        return features

    @validate("values_a", "values_b")
    def _check_values(self, proposal: dict[str, Any]) -> np.ndarray:
        name, values = proposal["trait"].name, proposal["value"]
        if self._pair is not None and len(values):
            n = getattr(self._pair, name[-1]).n
            if len(values) != n:
                raise TraitError(f"{name} has {len(values)} entries, {name[-1]} has {n} features")
        return values

    @observe("values_a", "values_b")
    @reported
    def _new_values(self, change: dict[str, Any]) -> None:
        if len(change["new"]):
            self.color_by = "values"
