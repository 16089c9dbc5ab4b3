"""What a map of dictionaries is worth, measured in the space it was made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.tensors import tensor
from volvelle.progress import aside, looking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.maps.neighbours import Neighbours

# Points whose ranks are counted: 1,500 hold a share to about one percent.
N_QUERIES = 1500
N_NEIGHBOURS = 15
# Rows of similarities at once.
BLOCK = 64


@dataclass(frozen=True)
class Mixing:
    """How much two dictionaries mix, whatever the picture looks like.

    Attributes
    ----------
    share : float
        Of all neighbours in the original space, those from the other dictionary, 0...1. Of equal
        dictionaries it is not 1: their nearest 15 hold a twin and seven pairs, 8/15.
    share_a, share_b : float
        The same, around the points of one dictionary only.
    null_mean, null_low, null_high : float
        `share` when the labels a and b are permuted: mean, 2.5 % and 97.5 %.
    n_null : int
        Permutations.
    twins : float
        Share of the smaller dictionary's features whose nearest of all is in the other one,
        beyond chance: 1 where every feature has a twin, 0 where labels say nothing, below 0
        where the two keep apart. NaN where it was not measured.
    twins_low, twins_high : float
        `twins` when the labels are permuted, 2.5 % and 97.5 %.
    """

    share: float
    share_a: float
    share_b: float
    null_mean: float
    null_low: float
    null_high: float
    n_null: int
    twins: float = float("nan")
    twins_low: float = float("nan")
    twins_high: float = float("nan")

    def __str__(self) -> str:
        if not np.isfinite(self.twins):
            return (
                f"{self.share:.1%} of neighbours from the other dictionary "
                f"(permuted labels {self.null_low:.1%}...{self.null_high:.1%})"
            )
        return (
            f"twins {self.twins:.0%} beyond chance "
            f"(permuted labels {self.twins_low:.0%}...{self.twins_high:.0%})"
        )


def mixing(found: Neighbours, from_b: np.ndarray, *, n_null: int = 200, seed: int = 0) -> Mixing:
    """Count neighbours from the other dictionary, and twins, against permuted labels.

    Parameters
    ----------
    found : Neighbours
        Over the rows of both dictionaries together, in the original space.
    from_b : bool array, shape (n,)
        Whose row it is.
    n_null : int
        Permutations of the labels.
    seed : int
        Of the permutations.

    Returns
    -------
    Mixing
    """
    random = np.random.default_rng(seed)
    other = from_b[found.indices] != from_b[:, None]
    # the smaller side: of a dictionary ten times as large nine in ten cannot have a twin
    which = from_b.sum() * 2 <= len(from_b)
    null: list[float] = []
    first: list[float] = []
    for _ in looking(range(n_null), 1):
        label = random.permutation(from_b)
        across = label[found.indices] != label[:, None]
        null.append(across.mean())
        first.append(_first(across, label == which))
    low, high = np.quantile(null, [0.025, 0.975])
    chance = float(np.mean(first))
    # what chance leaves to be reached; none where every neighbour is of the other side anyway
    beyond = [
        float((value - chance) / (1 - chance)) if chance < 1 else float("nan")
        for value in (_first(other, from_b == which), *np.quantile(first, [0.025, 0.975]))
    ]
    return Mixing(
        float(other.mean()),
        float(other[~from_b].mean()) if (~from_b).any() else float("nan"),
        float(other[from_b].mean()) if from_b.any() else float("nan"),
        float(np.mean(null)),
        float(low),
        float(high),
        n_null,
        *beyond,
    )


def _first(other: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of rows whose nearest neighbour is of the other dictionary."""
    return float(other[rows, 0].mean()) if rows.any() and other.shape[1] else float("nan")


@dataclass(frozen=True)
class Faithfulness:
    """How well a picture keeps neighbourhoods.

    Attributes
    ----------
    trustworthiness : float
        1 when no point sits among strangers, about .5 for a random picture; NaN below 4 points.
    recall : float
        Share of the nearest neighbours in the original space that are so in the picture, 0...1.
    k : int
        Neighbours counted.
    n_queries : int
        Points asked.
    """

    trustworthiness: float
    recall: float
    k: int
    n_queries: int


def faithfulness(
    x: np.ndarray,
    xy: np.ndarray,
    *,
    k: int = N_NEIGHBOURS,
    n_queries: int = N_QUERIES,
    seed: int = 0,
) -> Faithfulness:
    """Measure trustworthiness and neighbour recall of a layout on sampled points.

    Parameters
    ----------
    x : float32 array, shape (n, d)
        Rows of length one; nearness is cosine.
    xy : float32 array, shape (n, 2)
    k : int
        Neighbours; fewer where there are not twice as many points.
    n_queries : int
        Points sampled; their ranks are taken among all.
    seed : int
        Of the sample.

    Returns
    -------
    Faithfulness

    Notes
    -----
    Source: Venna & Kaski 2001; equal to sklearn.manifold.trustworthiness when all are asked.
    """
    from scipy.spatial import KDTree

    from volvelle.compute.maps.neighbours import product

    n = len(x)
    k = min(k, (n - 1) // 2)
    if k < 1:
        return Faithfulness(float("nan"), float("nan"), max(k, 0), 0)
    asked = np.random.default_rng(seed).permutation(n)[:n_queries]
    near = KDTree(xy).query(xy[asked], k + 1)[1]
    drawn = np.empty((len(asked), k), np.int64)
    for i, (row, own) in enumerate(zip(near, asked, strict=True)):
        drawn[i] = row[row != own][:k]
    penalty, kept = 0, 0
    for start in looking(range(0, len(asked), BLOCK), 1):
        rows = asked[start : start + BLOCK]
        cosines = product(x[rows], x.T)
        cosines[np.arange(len(rows)), rows] = -np.inf
        shown = np.take_along_axis(cosines, drawn[start : start + BLOCK], 1)
        for j in range(k):  # 15 passes over a block that fits the cache beat a sort of it
            rank = 1 + (cosines > shown[:, j : j + 1]).sum(axis=1)
            penalty += int(np.maximum(rank - k, 0).sum())
            kept += int((rank <= k).sum())
    most = len(asked) * k * (2 * n - 3 * k - 1) / 2
    return Faithfulness(1 - penalty / most, kept / (len(asked) * k), k, len(asked))


def clusters(
    x: np.ndarray, n_clusters: int = 8, *, seed: int = 0, n_rounds: int = 15
) -> np.ndarray:
    """Group directions by cosine.

    Parameters
    ----------
    x : float32 array, shape (n, d)
        Rows of length one.
    n_clusters : int
        At most n.
    seed : int
        Of the first centres.
    n_rounds : int
        Rounds of reassignment.

    Returns
    -------
    uint8 array, shape (n,)
        0 is the largest group.

    Notes
    -----
    Source: spherical k-means, Dhillon & Modha 2001.
    """
    import torch

    from volvelle.compute.maps.neighbours import unit_rows
    from volvelle.formulas.encoder import length

    rows = tensor(np.ascontiguousarray(x, np.float32))
    n_clusters = min(n_clusters, len(rows))
    if n_clusters < 2:
        return np.zeros(len(rows), np.uint8)
    random = np.random.default_rng(seed)
    centres = rows[tensor(random.choice(len(rows), n_clusters, replace=False))]
    label = torch.zeros(len(rows), dtype=torch.long)
    for _ in looking(range(n_rounds), 1):
        label = (rows @ centres.T).argmax(1)
        total = torch.zeros_like(centres).index_add_(0, label, rows)
        # a centre that lost all its points stays where it was
        total = torch.where(length(total) > 0, total, centres)
        centres = tensor(unit_rows(total))
    counts = np.bincount(label.numpy(), minlength=n_clusters)
    place = np.empty(n_clusters, np.uint8)
    place[np.argsort(-counts, kind="stable")] = np.arange(n_clusters)
    return place[label.numpy()]


@dataclass(frozen=True)
class Region:
    """A named part of the map.

    Attributes
    ----------
    x, y : float
        Its middle: the median of its points.
    level : int
        0 for the coarsest; a view shows finer ones as it zooms in.
    n : int
        Points in it.
    text : str
        The tokens that are commoner here than elsewhere, `` · `` between.
    """

    x: float
    y: float
    level: int
    n: int
    text: str


def _parted(xy: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.cluster.vq import kmeans2

    return kmeans2(xy.astype(np.float64), n, minit="++", seed=seed, missing="warn")


def regions(
    xy: np.ndarray,
    tokens: Sequence[Sequence[str]],
    *,
    sizes: Sequence[int] = (6, 24, 96),
    n_tokens: int = 3,
    seed: int = 0,
) -> list[Region]:
    """Name parts of the map by the tokens of the features in them.

    Parameters
    ----------
    xy : float32 array, shape (n, 2)
    tokens : sequence of sequences of str, length n
        Tokens of each feature, as a reader sees them.
    sizes : sequence of int
        Regions per level, coarse to fine; levels with fewer than 8 points a region are left out.
    n_tokens : int
        Tokens in a name.
    seed : int
        Of the partition.

    Returns
    -------
    list of Region
        A region that shares no token twice has no name and is left out.
    """
    words = [{word for token in row if (word := token.strip().lower())} for row in tokens]
    everywhere = Counter(word for row in words for word in row)
    found: list[Region] = []
    for level, size in enumerate(sizes):
        if len(xy) < 8 * size:
            break
        _, label = aside(lambda size=size: _parted(xy, size, seed))
        for group in looking(range(size), 1):
            here = np.flatnonzero(label == group)
            counts = Counter(word for i in here for word in words[i])
            # how far a count is above what so many points hold anywhere, in standard deviations
            share = len(here) / len(xy)
            rated = {
                word: (count - everywhere[word] * share) / np.sqrt(everywhere[word] * share + 1)
                for word, count in counts.items()
                if count > 1 and any(character.isalnum() for character in word)
            }
            best = sorted(rated, key=lambda word: (-rated[word], word))[:n_tokens]
            best = [word for word in best if rated[word] > 1]
            if best:
                x, y = np.median(xy[here], axis=0)
                text = " · ".join(best)
                found.append(Region(float(x), float(y), level, len(here), text))
    return found
