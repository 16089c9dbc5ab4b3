"""The steps from two dictionaries to a `DualLayout`, reporting pictures on the way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.maps.counterparts import CANDIDATES, Best, best_by_cosine, sizes
from volvelle.compute.maps.families import N_KIN
from volvelle.compute.maps.joined import both_ways
from volvelle.compute.maps.matching import Matching, match_by_correlation, match_by_cosine
from volvelle.compute.maps.neighbours import Neighbours, exactly, neighbours, unit_rows
from volvelle.compute.maps.procrustes import procrustes
from volvelle.compute.maps.scores import Faithfulness, clusters, faithfulness, mixing, regions
from volvelle.compute.maps.umap import Frame, principal_axes, umap_layout, warm
from volvelle.experiments.maps.half import Half
from volvelle.experiments.maps.parts import (
    all_rows,
    best_of,
    device,
    empty,
    epoch,
    first,
    fit,
    no_pairs,
    nothing,
    promoted,
    shown,
)
from volvelle.experiments.maps.picture import Picture
from volvelle.experiments.maps.reading import aligned, read
from volvelle.experiments.maps.result import DualLayout
from volvelle.progress import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.experiments.maps.choices import Choices
    from volvelle.experiments.maps.sides import Side

# Neighbours the mixing score counts, without the point itself.
N_MIXED = 15
# Matched pairs that Procrustes needs: two fix a turn, a few more make it mean something.
FEWEST_ANCHORS = 3


def _unit(a: Side, b: Side | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all alive rows at length one, those of a, those of b; held once where widths agree."""
    n_a, n_b = a.n_alive, b.n_alive if b else 0
    if b and a.d_model != b.d_model:
        return np.zeros((0, 0), np.float32), a.unit(), b.unit()
    x = np.empty((n_a + n_b, a.d_model), np.float32)
    a.unit(x[:n_a])
    if b:
        b.unit(x[n_a:])
    return x, x[:n_a], x[n_a:]


class MapWork:
    """One run of `dual_layout`.

    Parameters
    ----------
    choices : Choices
    progress : callable(fraction, text)
    on_picture : callable(Picture)
        Returning True ends the layout where it is.
    """

    def __init__(
        self,
        choices: Choices,
        progress: Callable[[float, str], None],
        on_picture: Callable[[Picture], bool | None],
    ) -> None:
        self.choices, self.on_picture = choices, on_picture
        self._report, self._furthest = progress, 0.0
        self.a: Side = choices.a
        self.b: Side | None = choices.b
        self.x, self.x_a, self.x_b = _unit(self.a, self.b)
        self.device = device()
        self.epochs = 0
        # neighbours within each side, and counterparts by cosine, as the search finds them
        self.own: list[Neighbours] = []
        self.cosines: Best | None = None

    def progress(self, fraction: float, text: str) -> None:
        """Tell how far the work is; never less far than before, whatever order steps come in."""
        self._furthest = max(self._furthest, fraction)
        self._report(self._furthest, text)

    def result(self) -> DualLayout:
        """Do all of it."""
        choices = self.choices
        # the compiled epoch loads while the neighbours are found
        loading = threading.Thread(target=warm, daemon=True)
        unit, n_rows = "", 0
        if choices.mode == "separate":
            starts = [principal_axes(self.x_a), principal_axes(self.x_b)]
            self._paint(fit(starts[0]), fit(starts[1]), "principal axes, not yet matched")
            loading.start()
            pairs, best, unit, n_rows = self._matched()
            anchors = self._anchors(pairs)
            xy_a, graph_a = self._laid_out(self.x_a, starts[0], self._first_half(starts, anchors))
            move = procrustes(starts[1][anchors[1]], xy_a[anchors[0]])
            self._paint(xy_a, move(starts[1]), "b by its principal axes")
            xy_b, graph_b = self._laid_out(self.x_b, starts[1], self._second_half(xy_a, anchors))
            move = procrustes(xy_b[anchors[1]], xy_a[anchors[0]])
            xy_b, graphs = move(xy_b), (graph_a, graph_b)
            disparity = move.disparity
            scores = (self._faithful(self.x_a, xy_a), self._faithful(self.x_b, xy_b))
            self.own = [graph_a, graph_b]
            mixed = None
        else:
            x, n_a = self.x, len(self.x_a)
            starts = [principal_axes(x)]
            self._paint(starts[0][:n_a], starts[0][n_a:], "principal axes")
            loading.start()

            def paint(frame: Frame) -> bool | None:
                return self._frame(frame, frame.xy[:n_a], frame.xy[n_a:])

            xy, graph = self._laid_out(x, starts[0], paint)
            graphs = (graph,)
            xy_a, xy_b, disparity = xy[:n_a], xy[n_a:], float("nan")
            scores = (self._faithful(x, xy),) * 2
            pairs, best, unit, n_rows = self._matched()
            from_b = np.arange(len(x)) >= n_a
            mixed = mixing(graph, from_b, seed=choices.seed) if self.b else None
        self.progress(0.95, "names of regions")
        half_a, half_b = self._halves(xy_a, xy_b, self.cosines or best)
        return DualLayout(
            a=half_a,
            b=half_b,
            pairs=self._of_features(pairs),
            mode=choices.mode,
            match=choices.match,
            unit=unit,
            n_rows=n_rows,
            mixing=mixed,
            faithfulness_a=scores[0],
            faithfulness_b=scores[1],
            disparity=disparity,
            regions=tuple(self._regions(xy_a, xy_b)),
            graphs=tuple(first(graph, choices.n_neighbors - 1) for graph in graphs),
            starts=tuple(starts),
            seed=choices.seed,
            n_neighbors=choices.n_neighbors,
            n_epochs=self.epochs,
        )

    # -- layout --------------------------------------------------------------------------

    def _laid_out(
        self, x: np.ndarray, start: np.ndarray, paint: Callable[[Frame], bool | None]
    ) -> tuple[np.ndarray, Neighbours]:
        choices = self.choices
        graph = self._graph(x)
        self.epochs = choices.n_epochs
        xy = umap_layout(
            first(graph, choices.n_neighbors - 1),
            start,
            n_epochs=choices.n_epochs,
            seed=choices.seed,
            on_frame=paint,
        )
        return xy, graph

    def _graph(self, x: np.ndarray) -> Neighbours:
        """Find what is laid out, and on the way what is near each point in either dictionary."""
        choices = self.choices
        joint = choices.mode == "joint"
        k = max(choices.n_neighbors - 1, N_MIXED if self.b else 0)

        searching = share(self.progress, 0.05, 0.4, f"neighbours of {len(x):,} directions")
        options: dict[str, Any] = {"seed": choices.seed, "device": self.device}
        if not joint or not exactly(len(x), choices.search, self.device):
            graph = neighbours(x, k, method=choices.search, on_progress=searching, **options)
            if joint:
                self.own = [
                    neighbours(one, k, method=choices.search, **options)
                    for one in (self.x_a, self.x_b)
                ]
                self.cosines = best_by_cosine(self.x_a, self.x_b, device=self.device)
            elif choices.mode == "alone":
                self.own = [graph, first(graph, 0)]
            return graph
        # one pass over all products serves the layout, the cards and the matches
        graph, self.own, across = both_ways(
            self.x_a, self.x_b, max(k, CANDIDATES), device=self.device, on_progress=searching
        )
        self.cosines = Best(*(part for each in across for part in (each.indices, each.cosines)))
        return first(graph, k)

    def _frame(self, frame: Frame, xy_a: np.ndarray, xy_b: np.ndarray) -> bool | None:
        share(self.progress, 0.4, 0.8)(frame.epoch / frame.n_epochs, epoch(frame))
        enough = self._paint(xy_a, xy_b, epoch(frame), frame)
        if enough:
            self.epochs = frame.epoch
        return enough

    def _first_half(
        self, starts: list[np.ndarray], anchors: tuple[np.ndarray, np.ndarray]
    ) -> Callable[[Frame], bool | None]:
        def paint(frame: Frame) -> bool | None:
            move = procrustes(starts[1][anchors[1]], frame.xy[anchors[0]])
            return self._frame(frame, frame.xy, move(starts[1]))

        return paint

    def _second_half(
        self, xy_a: np.ndarray, anchors: tuple[np.ndarray, np.ndarray]
    ) -> Callable[[Frame], bool | None]:
        def paint(frame: Frame) -> bool | None:
            move = procrustes(frame.xy[anchors[1]], xy_a[anchors[0]])
            return self._frame(frame, xy_a, move(frame.xy))

        return paint

    def _paint(
        self, xy_a: np.ndarray, xy_b: np.ndarray, label: str, frame: Frame | None = None
    ) -> bool | None:
        now = Picture(
            all_rows(self.a, xy_a),
            all_rows(self.b, xy_b) if self.b else np.zeros((0, 2), np.float32),
            label,
            frame.epoch if frame else 0,
            self.choices.n_epochs,
            self.a,
            self.b,
        )
        return self.on_picture(now)

    # -- matches -------------------------------------------------------------------------

    def _matched(self) -> tuple[Matching, Best, str, int]:
        """Return pairs, the best counterparts, and over how many of what they were compared."""
        choices = self.choices
        if self.b is None:
            return no_pairs(), nothing(len(self.x_a)), "", 0
        if choices.match == "activation":
            reading = share(self.progress, 0.82, 0.86)
            model, model_b = choices.model, choices.model_b
            assert model is not None  # noqa: S101 - `chosen_match` refused it
            if model_b is None or model_b is model:
                read_a, read_b = read(model, choices.texts, (self.a, self.b), reading)
            else:
                (read_a,) = read(model, choices.texts, (self.a,), reading)
                (read_b,) = read(model_b, choices.texts, (self.b,), reading)
            codes_a, codes_b, unit = aligned(read_a, read_b)
            n_rows = sizes(codes_a)[0]
            said = f"correlations over {n_rows:,} {unit}s"
            matching = share(self.progress, 0.86, 0.94, said)
            pairs = match_by_correlation(codes_a, codes_b, seed=choices.seed, on_progress=matching)
            return pairs, best_of(pairs, len(self.x_a), len(self.x_b)), unit, n_rows
        self.progress(0.85, f"matches by {choices.match}")
        x_a, x_b, found = self.x_a, self.x_b, self.cosines
        if choices.match == "encoder":
            x_a, x_b = (unit_rows(np.asarray(one.encoder)[one.alive]) for one in (self.a, self.b))
            found = None
        found = found or best_by_cosine(x_a, x_b, device=self.device)
        kin = None
        if (
            choices.match == "decoder"
            and len(self.own) == 2
            and min(o.k for o in self.own) >= N_KIN
        ):
            kin = (self.own[0].indices, self.own[1].indices)
        pairs = match_by_cosine(
            x_a, x_b, found=found, kin=kin, seed=choices.seed, device=self.device
        )
        return pairs, found, "", 0

    def _anchors(self, pairs: Matching) -> tuple[np.ndarray, np.ndarray]:
        """Return matched rows to bring b onto a by: the certain ones, or the mutual ones."""
        for which in (pairs.certain, pairs.mutual):
            if which.sum() >= FEWEST_ANCHORS:
                return pairs.a[which], pairs.b[which]
        # too small to match: the best pairs there are, so that b is at least to scale
        return pairs.a[:FEWEST_ANCHORS], pairs.b[:FEWEST_ANCHORS]

    def _of_features(self, pairs: Matching) -> Matching:
        """Return pairs of features in place of pairs of alive rows."""
        from dataclasses import replace

        if self.b is None:
            return pairs
        rows_a, rows_b = (np.flatnonzero(one.alive) for one in (self.a, self.b))
        return replace(
            pairs, a=rows_a[pairs.a].astype(np.int32), b=rows_b[pairs.b].astype(np.int32)
        )

    # -- what a point shows --------------------------------------------------------------

    def _faithful(self, x: np.ndarray, xy: np.ndarray) -> Faithfulness:
        self.progress(0.81, "how faithful the picture is")
        return faithfulness(x, xy, seed=self.choices.seed)

    def _halves(self, xy_a: np.ndarray, xy_b: np.ndarray, other: Best) -> tuple[Half, Half]:
        n_a = len(self.x_a)
        joint = self.choices.mode == "joint"
        if joint:
            group = clusters(self.x, seed=self.choices.seed)
            group_a, group_b = group[:n_a], group[n_a:]
        else:
            group_a = clusters(self.x_a, seed=self.choices.seed)
            group_b = clusters(self.x_b, seed=self.choices.seed)
        return (
            self._half(0, xy_a, group_a, (other.of_a, other.score_a)),
            self._half(1, xy_b, group_b, (other.of_b, other.score_b)),
        )

    def _half(
        self, which: int, xy: np.ndarray, group: np.ndarray, other: tuple[np.ndarray, np.ndarray]
    ) -> Half:
        """Return what the map shows of one dictionary.

        Parameters
        ----------
        which : int
            0 for a, 1 for b.
        xy : float32 array, shape (n_alive, 2)
        group : uint8 array, shape (n_alive,)
            As `clusters` returns them.
        other : (int32 array, float32 array), each shape (n_alive, c)
            The best counterparts, as rows of the other side that are alive, and their scores.
        """
        sides = self.a, self.b or empty(self.a)
        one, counterpart = sides[which], sides[1 - which]
        model = (self.choices.model, self.choices.model_b)[which]
        own = self.own[which]
        cluster = np.full(one.n, 255, np.uint8)
        cluster[one.alive] = group
        densities = np.full(one.n, np.nan, np.float32)
        if one.densities is not None:
            densities[:] = one.densities
        own_index, own_cosine = shown(one, one, own.indices, own.cosines)
        other_index, other_score = shown(one, counterpart, *other)
        return Half(
            name=one.name,
            point=one.point,
            model=getattr(model, "name", "") or one.model_name,
            xy=all_rows(one, xy),
            labels=one.labels,
            densities=densities,
            cluster=cluster,
            own=own_index,
            own_cosine=own_cosine,
            other=other_index,
            other_score=other_score,
            promoted=promoted(model, one),
            left_out=one.left_out,
        )

    def _regions(self, xy_a: np.ndarray, xy_b: np.ndarray) -> list[Any]:
        tokens = [row for row, alive in zip(self.a.tokens, self.a.alive, strict=True) if alive]
        if self.b:
            tokens += [row for row, alive in zip(self.b.tokens, self.b.alive, strict=True) if alive]
        xy = np.vstack([xy_a, xy_b])
        return regions(xy, tokens, seed=self.choices.seed)
