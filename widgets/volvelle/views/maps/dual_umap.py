"""The view of two dictionaries on one map."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import observe

from volvelle.experiments.maps.plan import check_texts, laying_out
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.server import on_server
from volvelle.views.kit.view import View, reported
from volvelle.views.maps import wire as map_wire
from volvelle.views.maps.looks import Looks
from volvelle.views.maps.traits import MapTraits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.experiments.maps.picture import Picture
    from volvelle.experiments.maps.result import DualLayout
    from volvelle.models.model import Model


# Maps under way at once: one is laid out, the others show their first picture and wait.
LANES = 4
# How often a map that waits looks whether it is still wanted, seconds.
LOOK_S = 0.1

# Held by the map that is laid out: two at once would only wait for each other.
_layout_turn = threading.Lock()


@cache
def _worker() -> Any:
    """Return the threads that lay out maps."""
    from volvelle.models.work.worker import Worker

    return Worker("layouts", lanes=LANES)


class DualUMAP(Looks, MapTraits, View):
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

    def __init__(
        self,
        a: Any = None,
        b: Any = None,
        model: Model | None = None,
        texts: Sequence[str] | str | None = None,
        *,
        model_b: Model | None = None,
        match: str = "auto",
        mode: str = "auto",
        seed: int = 0,
        **traits: Any,
    ) -> None:
        if _is_layout(a):
            ignored = {"b": b, "model": model, "texts": texts, "model_b": model_b}
            named = {"match": (match, "auto"), "mode": (mode, "auto"), "seed": (seed, 0)}
            extra = [name for name, value in ignored.items() if value is not None]
            extra += [name for name, (value, default) in named.items() if value != default]
            if extra:
                raise ValueError(
                    f"a is a finished layout, which has its own {' and '.join(extra)}; lay out "
                    "again with vv.dual_layout(...), or leave them out"
                )
        self._given = {"model_b": model_b, "match": match, "mode": mode, "seed": seed}
        self._given |= {"a": a, "b": b, "model": model, "texts": texts}
        self._pair: DualLayout | None = None
        self._enough = False  # whether the layout that runs shall end where it is
        self._sent = 0  # serial of the last frame
        self._waiting: Picture | None = None  # the newest frame, while one is under way
        self._rest: DualLayout | None = None  # what is only written in part
        super().__init__(**traits)
        if _is_layout(a):
            self._show(a)
        elif a is not None and not self._models_there:
            self.run()
        elif a is not None:
            self._plan = laying_out((a, b), self._texts, self._models_there)

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
        from volvelle.experiments.maps.dual_layout import dual_layout

        given = self._given
        if given["a"] is None or _is_layout(given["a"]):
            raise ValueError("this view shows a finished layout; make one with vv.DualUMAP(a, b)")
        self._enough = False
        check_texts(self._models_there, self._texts)

        def work(report: Callable[[float, str], None]) -> DualLayout:
            mine = False

            def paint(picture: Picture) -> bool:
                nonlocal mine
                enough = self._paint(picture)
                # the first picture is at once, whatever else is laid out
                while not mine:
                    mine = _layout_turn.acquire(timeout=LOOK_S)
                    if not mine:
                        report(0.0, "waiting for another map")
                return enough

            try:
                return dual_layout(**given, progress=report, on_picture=paint)
            finally:
                if mine:
                    _layout_turn.release()

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
    def _models_there(self) -> list[Any]:
        """The models of this map that are on a server."""
        models = (self._given["model"], self._given["model_b"])
        return [model for model in models if on_server(model)]

    @property
    def _texts(self) -> list[str]:
        texts = self._given["texts"]
        return [texts] if isinstance(texts, str) else list(texts or [])

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
        """Write all that a finished layout holds, in one message; of a very large one in two."""
        n = pair.a.n + pair.b.n
        with self._lock:
            self._pair, self._waiting, self._rest = pair, None, pair
        if n <= map_wire.MOST_AT_ONCE or len(self._xy_a):
            self._show_rest()
            return
        every = -(-n // map_wire.FIRST_POINTS)
        with self.hold_sync():
            self._some_a, self._some_b = map_wire.quantised(pair.xy_a, pair.xy_b, every)
            self._facts = self._facts_of(pair)
        later = threading.Timer(map_wire.REST_S, self._send_rest)
        later.daemon = True
        later.start()

    def _send_rest(self) -> None:
        with self._work.reporting():
            self._show_rest()

    def _show_rest(self) -> None:
        """Write what of a finished layout is not yet written."""
        with self._lock, self.hold_sync():
            pair, self._rest = self._rest, None
            if pair is None:
                return
            self._xy_a, self._xy_b = map_wire.quantised(pair.xy_a, pair.xy_b)
            for which, half in (("a", pair.a), ("b", pair.b)):
                setattr(self, f"_some_{which}", np.zeros((0, 2), np.uint16))
                setattr(self, f"_labels_{which}", map_wire.label_block(half))
                setattr(self, f"_promoted_{which}", map_wire.block(half.promoted))
                setattr(self, f"_density_{which}", map_wire.log_density(half))
                setattr(self, f"_cluster_{which}", half.cluster)
                if pair.a.n + pair.b.n <= map_wire.MOST_AHEAD:
                    self._send_near(which)
            certain = pair.pairs.certain
            self._pairs = np.stack([pair.pairs.a[certain], pair.pairs.b[certain]], axis=1)
            self._pair_scores = pair.pairs.score[certain]
            self._regions = [
                {"x": x, "y": y, "level": r.level, "n": r.n, "text": r.text}
                for r in pair.regions
                for x, y in [map_wire.placed(pair, r.x, r.y)]
            ]
            self._facts = self._facts_of(pair)
            self._drawn = ""

    def _facts_of(self, pair: DualLayout) -> dict[str, Any]:
        return map_wire.facts(pair) | {"asks": "".join(self._promoters())}

    def _send_near(self, which: str) -> None:
        index, scores = map_wire.near(getattr(self._pair, which))
        setattr(self, f"_near_{which}", index)
        setattr(self, f"_near_score_{which}", scores)

    # -- out ------------------------------------------------------------------------------

    @property
    def matches(self) -> pd.DataFrame:
        """Mutual pairs above the null's 95 %; waits for the layout."""
        return self.pair.matches

    @property
    def candidates(self) -> pd.DataFrame:
        """Every candidate pair, one to many; waits for the layout."""
        return self.pair.candidates

    def stability(self, n_seeds: int = 3) -> np.ndarray:
        """Measure how far other seeds move the picture, and show it beside the other numbers.

        Parameters
        ----------
        n_seeds : int
            Layouts made; each takes as long as the first did. The cell waits.

        Returns
        -------
        float array, shape (n_seeds, 1), or (n_seeds, 2) for a separate map
            Procrustes distance to this picture, 0 (the same) ... 1 (nothing in common).
        """
        moved = self.pair.stability(n_seeds)
        self._facts = self._facts | {"stability": float(moved.mean()), "n_seeds": n_seeds}
        return moved

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
            self._show_rest()
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


def _is_layout(noun: Any) -> bool:
    """Whether a layout is given; its class, and torch with it, is not loaded for an empty view."""
    if noun is None:
        return False
    from volvelle.experiments.maps.result import DualLayout

    return isinstance(noun, DualLayout)
