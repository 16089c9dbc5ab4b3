"""The view of two dictionaries on one map."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Dict, Enum, Int, List, TraitError, Unicode, observe, validate

from volvelle.experiments.dual_layout import DualLayout, Picture, dual_layout
from volvelle.views import map_wire
from volvelle.views.arrays import Array
from volvelle.views.base import View, reported
from volvelle.views.bundle import bundle
from volvelle.views.selections import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

MOST_FEATURES = 8  # as in FeatureActivations: as many as there are colours told apart
COLOURS = ("dictionary", "match", "density", "cluster", "values")


@cache
def _worker() -> Any:
    """Return the one thread that lays out maps: umap-learn runs one layout at a time."""
    from volvelle.models.worker import Worker

    return Worker("layouts")


class DualUMAP(View):
    """Two dictionaries on one map, their matches followed from one to the other.

    Parameters
    ----------
    a, b : SAE, Dictionary or array, shape (n, d_model)
        As for `vv.dual_layout`. `a` may be a finished `DualLayout`; without `b` one dictionary
        is shown alone.
    model, texts, model_b, match, mode, seed
        As for `vv.dual_layout`.
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> view = vv.DualUMAP(vv.demo_sae("a"), vv.demo_sae("b"))
    >>> view.query = "joy"
    >>> view.selected_a = [12, 77]
    >>> view.matches
    """

    _esm = bundle("dual_umap")

    selected_a = Selection()
    """Selected features of a: sorted indices, uint32. Assign indices or one bool per feature."""
    selected_b = Selection()
    """Selected features of b."""
    selected_features = List(Int()).tag(sync=True)
    """Features picked one by one, up to eight, of the dictionary `features_of` names: the same
    trait as in FeatureActivations, so that ``jslink`` joins the two."""
    features_of = Enum(["a", "b"], "a").tag(sync=True)
    """Which dictionary `selected_features` counts in; a click in the other picks the match."""
    color_by = Enum(list(COLOURS), "dictionary").tag(sync=True)
    """What colour says: the dictionary, the score of the match, log density (the share of
    tokens a feature fires on), the cluster in the original space, or `values_a`, `values_b`."""
    panels = Enum(["two", "one"], "two").tag(sync=True)
    """Side by side, or both dictionaries in one panel."""
    query = Unicode("").tag(sync=True)
    """Search: words of a label, or an index; the rest of the map is greyed."""
    values_a = Array("f4")
    """One number per feature of a, for ``color_by="values"``; NaN for unknown."""
    values_b = Array("f4")
    """The same for b."""
    values_name = Unicode("").tag(sync=True)
    """What the values are, with their unit."""

    _xy_a = Array("u2", (None, 2))
    _xy_b = Array("u2", (None, 2))
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
    _regions = List(Dict()).tag(sync=True)
    _facts = Dict().tag(sync=True)
    _drawn = Unicode("").tag(sync=True)
    _looked = Dict().tag(sync=True)
    _seen = Int(0).tag(sync=True)

    def __init__(
        self,
        a: Any = None,
        b: Any = None,
        model: Any = None,
        texts: Sequence[str] | str | None = None,
        *,
        model_b: Any = None,
        match: str = "auto",
        mode: str = "auto",
        seed: int = 0,
        **traits: Any,
    ) -> None:
        self._given = {"model_b": model_b, "match": match, "mode": mode, "seed": seed}
        self._given |= {"a": a, "b": b, "model": model, "texts": texts}
        self._pair: DualLayout | None = None
        self._enough = False  # whether the layout that runs shall end where it is
        self._sent = 0  # serial of the last frame
        self._waiting: Picture | None = None  # the newest frame, while one is under way
        super().__init__(**traits)
        if isinstance(a, DualLayout):
            self._show(a)
        elif a is not None:
            self.run()

    # -- work -----------------------------------------------------------------------------

    @property
    def pair(self) -> DualLayout:
        """The finished layout, with its numbers; waits for it."""
        if self._pair is None:
            self.wait()
        if self._pair is None:
            raise ValueError(f"there is no layout: {self.error or 'give vv.DualUMAP(a, b)'}")
        return self._pair

    def run(self) -> DualUMAP:
        """Lay out again, or read the layout from the cache. Returns at once; `wait` waits."""
        given = self._given
        if given["a"] is None or isinstance(given["a"], DualLayout):
            raise ValueError("this view shows a finished layout; make one with vv.DualUMAP(a, b)")
        self._enough = False

        def work(report: Callable[[float, str], None]) -> DualLayout:
            return dual_layout(**given, progress=report, on_picture=self._paint)

        self._start(_worker(), work, self._show)
        return self

    def stop(self) -> DualUMAP:
        """Keep the layout as it is now and finish its numbers; a second stop drops those too."""
        if self.status == "running" and self._drawn.startswith("epoch") and not self._enough:
            self._enough = True
            return self
        if self._waiting is not None:
            self._write_places(self._waiting)
        super().stop()
        return self

    @property
    def _named(self) -> str:
        return str(getattr(self._given["model"], "name", ""))

    def _paint(self, picture: Picture) -> bool:
        """Show a picture of the running layout; True where it shall be the last."""
        if picture.epoch == 0:
            self._write_places(picture)
            return self._enough
        with self._lock:
            self._waiting = picture
            if self._seen >= self._sent:
                self._send_frame()
        return self._enough

    def _send_frame(self) -> None:
        """Send the newest frame. The browser answers with `_seen`; until then none is sent."""
        picture, self._waiting = self._waiting, None
        if picture is None:
            return
        self._sent = max(self._sent, self._seen) + 1
        places = map_wire.quantised(picture.xy_a, picture.xy_b)
        self.send(
            {"kind": "frame", "serial": self._sent, "label": picture.label},
            buffers=[xy.tobytes() for xy in places],
        )
        self._drawn = picture.label

    @observe("_seen")
    @reported
    def _acknowledged(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        with self._lock:
            if self._seen >= self._sent:
                self._send_frame()

    def _write_places(self, picture: Picture) -> None:
        with self.hold_sync():
            if not self._facts:  # nothing was shown before: names and labels come along
                self._facts = map_wire.first_facts(picture, self._named)
                self._labels_a = map_wire.label_block(picture.side_a)
                if picture.side_b is not None:
                    self._labels_b = map_wire.label_block(picture.side_b)
            self._xy_a, self._xy_b = map_wire.quantised(picture.xy_a, picture.xy_b)
            self._drawn = picture.label

    def _show(self, pair: DualLayout) -> None:
        """Write all that a finished layout holds, in one message."""
        ahead = pair.a.n + pair.b.n <= map_wire.MOST_AHEAD
        certain = pair.pairs.mutual & pair.pairs.above
        with self.hold_sync():
            self._pair, self._waiting = pair, None
            self._xy_a, self._xy_b = map_wire.quantised(pair.xy_a, pair.xy_b)
            for which, half in (("a", pair.a), ("b", pair.b)):
                setattr(self, f"_labels_{which}", map_wire.label_block(half))
                setattr(self, f"_promoted_{which}", map_wire.block(half.promoted))
                setattr(self, f"_density_{which}", map_wire.log_density(half))
                setattr(self, f"_cluster_{which}", half.cluster)
                if ahead:
                    self._send_near(which)
            self._pairs = np.stack([pair.pairs.a[certain], pair.pairs.b[certain]], axis=1)
            self._pair_scores = pair.pairs.score[certain]
            self._regions = [
                {"x": x, "y": y, "level": r.level, "n": r.n, "text": r.text}
                for r in pair.regions
                for x, y in [map_wire.placed(pair, r.x, r.y)]
            ]
            self._facts = map_wire.facts(pair)
            self._drawn = ""

    def _send_near(self, which: str) -> None:
        index, scores = map_wire.near(getattr(self._pair, which))
        setattr(self, f"_near_{which}", index)
        setattr(self, f"_near_score_{which}", scores)

    # -- traits set by anyone -------------------------------------------------------------

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
        if len(features) > MOST_FEATURES:
            raise TraitError(
                f"selected_features has {len(features)} entries, at most {MOST_FEATURES}; use "
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

    # -- what the browser asks ------------------------------------------------------------

    def _on_look(self, request: dict[str, Any]) -> None:
        """Send what is known of one point of a map too large to send it ahead."""
        which, index = str(request["which"]), int(request["index"])
        if self._pair is None or which not in ("a", "b"):
            return
        half = getattr(self._pair, which)
        if not 0 <= index < half.n:
            return
        found = {
            name: [
                None if isinstance(v, float) and not np.isfinite(v) else v
                for v in np.asarray(getattr(half, name)[index]).tolist()
            ]
            for name in ("own", "own_cosine", "other", "other_score")
        }
        other = self._pair.b if which == "a" else self._pair.a
        labels = {
            "own": [half.labels[i] if i >= 0 else "" for i in half.own[index]],
            "other": [other.labels[i] if i >= 0 else "" for i in half.other[index]],
        }
        self._looked = {
            "which": which,
            "index": index,
            "label": half.labels[index],
            **found,
            "labels": labels,
        }

    # -- out ------------------------------------------------------------------------------

    @property
    def matches(self) -> pd.DataFrame:
        """Mutual pairs above the null's 95 %; waits for the layout."""
        return self.pair.matches

    @property
    def candidates(self) -> pd.DataFrame:
        """Every candidate pair, one to many; waits for the layout."""
        return self.pair.candidates

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per feature: those of `DualLayout.to_pandas`, and ``selected``."""
        table = self.pair.to_pandas()
        selected = np.zeros(len(table), bool)
        selected[self.selected_a] = True
        selected[self.selected_b + np.uint32(self.pair.a.n)] = True
        table["selected"] = selected
        return table

    def export_state(self) -> dict[str, Any]:
        """Return the traits of an exported file, neighbours of every point among them."""
        if self._pair is not None:
            with self.hold_sync():
                for which in ("a", "b"):
                    if not len(getattr(self, f"_near_{which}")):
                        self._send_near(which)
        return super().export_state()

    def _export_title(self) -> str:
        if self._pair is None:
            return "DualUMAP"
        names = [half.name for half in (self._pair.a, self._pair.b) if half.n]
        return f"DualUMAP: {' and '.join(names)}"
