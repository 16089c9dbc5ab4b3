"""What `vv.dual_layout` returns: a picture, its matches, and the numbers that judge it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np

from volvelle.archive.fields import Axes, inside
from volvelle.arguments.call import checked_result
from volvelle.arguments.plain import whole
from volvelle.compute.maps.matching import Matching
from volvelle.compute.maps.neighbours import Neighbours
from volvelle.compute.maps.scores import Faithfulness, Mixing, Region
from volvelle.experiments.maps.half import Half
from volvelle.experiments.result import Result

if TYPE_CHECKING:
    import pandas as pd

# Epochs of a layout, and layouts that stability makes.
MOST_EPOCHS = 10_000
MOST_SEEDS = 1_000


@checked_result
@dataclass(frozen=True, eq=False, repr=False)
class DualLayout(Result, kind="DualLayout", version=1):
    """Two dictionaries on one map, which features of them match, and how far to believe it.

    Attributes
    ----------
    a, b : Half
        ``b`` has no rows where one dictionary was laid out alone.
    pairs : Matching
        Indices are features.
    mode : str
        ``"joint"``, ``"separate"`` or ``"alone"``.
    match : str
        ``"decoder"``, ``"encoder"``, ``"activation"``, or ``""`` alone.
    unit : str
        What activations were compared over: ``"token"``, ``"word"`` or ``""``.
    n_rows : int
        How many of these.
    mixing : Mixing or None
        Only in a joint map.
    faithfulness_a, faithfulness_b : Faithfulness
        Of the whole picture in a joint map (both the same), else of each layout.
    disparity : float
        Squared distance that Procrustes left between matched points of a separate map, as a
        share of their spread; NaN otherwise.
    regions : tuple of Region
    graphs : tuple of Neighbours
        What was laid out: one graph, or one per dictionary.
    starts : tuple of float32 arrays
        Where the layouts began: the principal axes.
    seed, n_neighbors, n_epochs : int
        Of the layout; `n_epochs` are those that ran, fewer than asked for after a stop.
    """

    a: Half
    b: Half
    pairs: Matching
    mode: str
    match: str
    unit: str
    n_rows: int
    mixing: Mixing | None
    faithfulness_a: Faithfulness
    faithfulness_b: Faithfulness
    disparity: float
    regions: tuple[Region, ...]
    graphs: Annotated[tuple[Neighbours, ...], Axes("n_graphs")]
    starts: Annotated[tuple[np.ndarray, ...], Axes("n_graphs", None, 2, kind="f")]
    seed: int
    n_neighbors: int
    n_epochs: int
    seconds: float = field(default=float("nan"), compare=False)

    def _check(self) -> None:
        """Raise ValueError where the parts of a file do not belong together."""
        for half, other, which in ((self.a, self.b, "a"), (self.b, self.a, "b")):
            inside(getattr(self.pairs, which), half.n, f"pairs.{which}")
            inside(half.own, half.n, f"{which}.own", -1)
            inside(half.other, other.n, f"{which}.other", -1)
        rows = [len(graph.indices) for graph in self.graphs]
        alive = [int(half.alive.sum()) for half in (self.a, self.b)]
        if rows not in ([sum(alive)], alive) or rows != [len(start) for start in self.starts]:
            raise ValueError(f"graphs have {rows} rows, the map has {alive} features")

    # -- the contract's names ------------------------------------------------------------

    @property
    def xy_a(self) -> np.ndarray:
        """Places of a's features, shape (n_a, 2), NaN where left out."""
        return self.a.xy

    @property
    def xy_b(self) -> np.ndarray:
        """Places of b's features, shape (n_b, 2), NaN where left out."""
        return self.b.xy

    @property
    def trustworthiness(self) -> float:
        """Of the picture, 0...1; of the worse one where there are two."""
        both = [f.trustworthiness for f in (self.faithfulness_a, self.faithfulness_b)]
        return float(np.nanmin(both)) if np.isfinite(both).any() else float("nan")

    @property
    def recall(self) -> float:
        """Share of true neighbours that are neighbours on the picture, worse of two."""
        both = [f.recall for f in (self.faithfulness_a, self.faithfulness_b)]
        return float(np.nanmin(both)) if np.isfinite(both).any() else float("nan")

    @property
    def n_matched(self) -> int:
        """Mutual pairs above the null's 95 % that stand apart from their families."""
        return int(self.pairs.certain.sum())

    @property
    def n_of_one_family(self) -> int:
        """Mutual pairs above the 95 % that are no nearer than their families are."""
        return int(self.pairs.of_one_family.sum())

    @property
    def n_expected(self) -> float:
        """Matches with strangers of the same families, on average: found where nothing is."""
        return self.pairs.n_expected

    @property
    def n_compared(self) -> int:
        """Features of the smaller side that could match: alive, and firing often enough."""
        return min(self.pairs.compared_a, self.pairs.compared_b)

    @property
    def matched_share(self) -> float:
        """`n_matched` over the features that could match, of the smaller side, 0...1."""
        fewer = self.n_compared
        return self.n_matched / fewer if fewer else float("nan")

    @cached_property
    def matches(self) -> pd.DataFrame:
        """Mutual nearest pairs above the null's 95 % and apart from their families, best first."""
        return self._pairs_table(self.pairs.certain)

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """Every pair where one is among the other's five best, one to many, best first."""
        return self._pairs_table(np.ones(len(self.pairs.a), bool))

    def _pairs_table(self, which: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        p = self.pairs
        a, b = p.a[which], p.b[which]
        table = {
            "a": a,
            "b": b,
            "score": p.score[which],
            "label_a": [self.a.labels[i] for i in a],
            "label_b": [self.b.labels[i] for i in b],
        }
        if not which.all() or not len(which):
            return pd.DataFrame(table)
        more = {name: getattr(p, name) for name in ("rank_a", "rank_b", "mutual", "above")}
        if p.apart is not None:
            more["apart"] = p.apart
        return pd.DataFrame(table | more)

    def stability(self, n_seeds: int = 3, *, n_epochs: int | None = None) -> np.ndarray:
        """Lay out again from other seeds and measure how far the picture moves.

        Parameters
        ----------
        n_seeds : int
            Layouts made; each takes as long as the first did.
        n_epochs : int, optional
            As this layout's.

        Returns
        -------
        float array, shape (n_seeds, n_graphs)
            Procrustes distance to this picture, 0 (the same up to turn, mirror, scale and
            shift) ... 1 (nothing in common).
        """
        from volvelle.compute.maps.procrustes import procrustes
        from volvelle.compute.maps.umap import umap_layout

        pictures = [np.vstack([self.a.xy[self.a.alive], self.b.xy[self.b.alive]])]
        if len(self.graphs) == 2:
            pictures = [half.xy[half.alive] for half in (self.a, self.b)]
        n_seeds = whole(n_seeds, "n_seeds", 1, MOST_SEEDS)
        epochs = self.n_epochs if n_epochs is None else whole(n_epochs, "n_epochs", 1, MOST_EPOCHS)
        moved = [
            [
                procrustes(umap_layout(graph, start, n_epochs=epochs, seed=seed), xy).disparity
                for graph, start, xy in zip(self.graphs, self.starts, pictures, strict=True)
            ]
            for seed in range(self.seed + 1, self.seed + 1 + n_seeds)
        ]
        return np.array(moved).reshape(n_seeds, len(self.graphs))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per feature of both dictionaries.

        Returns
        -------
        pandas.DataFrame
            ``dictionary``, ``feature``, ``label``, ``x``, ``y`` (NaN where left out),
            ``density``, ``cluster``, ``match`` (feature of the other, -1 without), ``score``.
        """
        import pandas as pd

        certain = self.pairs.certain
        tables = []
        for which, half in (("a", self.a), ("b", self.b)):
            own = getattr(self.pairs, which)[certain]
            other = (self.pairs.b if which == "a" else self.pairs.a)[certain]
            match, score = np.full(half.n, -1, np.int32), np.full(half.n, np.nan, np.float32)
            match[own], score[own] = other, self.pairs.score[certain]
            tables.append(
                pd.DataFrame(
                    {
                        "dictionary": half.name,
                        "feature": np.arange(half.n),
                        "label": half.labels,
                        "x": half.xy[:, 0],
                        "y": half.xy[:, 1],
                        "density": half.densities,
                        "cluster": half.cluster,
                        "match": match,
                        "score": score,
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def summary(self) -> str:
        """Return what was laid out, what matched beside chance, and how true the picture is."""
        a = f"{self.a.name} ({self.a.alive.sum()} of {self.a.n})"
        drawn = (
            f"trustworthiness {self.trustworthiness:.3f}, recall {self.recall:.2f}, "
            f"{self.n_epochs} epochs, seed {self.seed}"
        )
        if self.mode == "alone":
            return f"{a}; {drawn}"
        b = f"{self.b.name} ({self.b.alive.sum()} of {self.b.n})"
        mixed = f"; {self.mixing}" if self.mixing else ""
        chance = f", {self.n_expected:.0f} expected" if np.isfinite(self.n_expected) else ""
        kin = self.n_of_one_family
        family = f"; {kin} more no nearer than their families" if kin else ""
        return (
            f"{self.mode}: {a} and {b}; {self.n_matched} matched by {self.match} "
            f"({self.matched_share:.1%} of {self.n_compared}, above {self.pairs.threshold:.2f}, "
            f"the 95 % of chance{chance}{family})"
            f"{mixed}; {drawn}"
        )

    def __repr__(self) -> str:
        return f"DualLayout({self.summary()})"
