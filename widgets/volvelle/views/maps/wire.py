"""A dual layout as the browser wants it: quantised places, blocks of labels, facts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.experiments.maps.dual_layout import Picture
    from volvelle.experiments.maps.half import Half
    from volvelle.experiments.maps.result import DualLayout
    from volvelle.experiments.maps.sides import Side

# A coordinate that is not on the map, and the largest that is (js/src/lib/scatter/points.ts).
ABSENT, FULL = 65535, 65534
# Neighbours and labels of larger maps are asked for one point at a time.
MOST_AHEAD = 40_000
# Larger maps are sent in two steps: some points at once, everything once a cell has had time to
# show the view. A browser that is busy with five megabytes opens no view.
MOST_AT_ONCE = 200_000
FIRST_POINTS = 40_000
REST_S = 0.15
# Labels beyond these bytes stay in Python; the browser then searches by index only.
LABEL_BYTES = 8_000_000


class MapFacts(TypedDict, total=False):
    """Names and numbers beside the picture; what is unknown is left out."""

    model: str
    name_a: str
    name_b: str
    point_a: str
    point_b: str
    n_a: int
    n_b: int
    alive_a: int
    alive_b: int
    left_out: str
    mode: str
    match: str
    unit: str
    n_rows: int
    n_matched: int
    n_compared: int
    n_expected: float
    n_of_one_family: int  # pairs above the threshold that are no nearer than their families are
    matched_share: float
    threshold: float
    null_median: float
    # share of the smaller side's features with a twin, beyond chance; and with permuted labels
    twins: float
    twins_low: float
    twins_high: float
    trustworthiness: float
    recall: float
    disparity: float
    seed: int
    n_neighbors: int
    n_epochs: int
    search: str
    asks: str  # of "a" and "b" those whose promoted tokens are worked out when looked at
    stability: float  # Procrustes distance to the pictures of other seeds, where asked for
    n_seeds: int


class MapRegion(TypedDict):
    """A part of the map with a name."""

    x: float
    y: float
    level: int
    n: int
    text: str


class NearLabels(TypedDict):
    """Labels of a point's neighbours, in their order."""

    own: list[str]
    other: list[str]


class LookedAt(TypedDict, total=False):
    """What is known of one point; empty before any was asked for."""

    which: Literal["a", "b"]
    index: int
    label: str
    own: list[int]
    own_cosine: list[float | None]
    other: list[int]
    other_score: list[float | None]
    labels: NearLabels
    promoted: str


def quantised(xy_a: np.ndarray, xy_b: np.ndarray, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return places as uint16, both on one scale.

    Parameters
    ----------
    xy_a, xy_b : float32 array, shape (n, 2)
        NaN for points that are not on the map.
    every : int
        Only each so-manieth point, on the scale of all.

    Returns
    -------
    uint16 array, shape (n_a, 2), and shape (n_b, 2)
        0...65534 over the longer side, the shorter centred; 65535 for NaN.
    """
    middle, span = _square(xy_a, xy_b)
    out = []
    for xy in (xy_a, xy_b):
        steps = (xy[::every] - middle) * (FULL / span) + FULL / 2
        np.clip(np.rint(steps, out=steps), 0, FULL, out=steps)
        absent = ~np.isfinite(steps)
        if absent.any():
            steps[absent.any(axis=1)] = ABSENT
        out.append(steps.astype(np.uint16))
    return out[0], out[1]


def _square(xy_a: np.ndarray, xy_b: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Return middle and edge of the smallest square around all points that are on the map."""
    columns = [[xy[:, axis] for xy in (xy_a, xy_b) if len(xy)] for axis in (0, 1)]
    # column by column: a minimum along the first axis of (n, 2) takes thirty times as long
    low, high = (
        np.array(
            [pick.reduce([pick.reduce(part) for part in parts] or [np.nan]) for parts in columns]
        )
        for pick in (np.fmin, np.fmax)  # which pass over NaN
    )
    if not np.isfinite(low).all():
        return np.zeros(2, np.float32), np.float32(1)
    span = max(float((high - low).max()), 1e-12)
    return ((low + high) / 2).astype(np.float32), np.float32(span)


def placed(layout: DualLayout, x: float, y: float) -> tuple[float, float]:
    """Return a place of the layout on the 0...1 scale of `quantised`."""
    middle, span = _square(layout.xy_a, layout.xy_b)
    where = (np.array([x, y]) - middle) / span + 0.5
    return float(where[0]), float(where[1])


def block(texts: Sequence[str]) -> np.ndarray:
    """Return strings as one block of UTF-8 lines; line ends inside become ``↵``."""
    if not any(texts):
        return np.zeros(0, np.uint8)
    joined = "\n".join(text.replace("\n", "↵").replace("\r", "") for text in texts).encode()
    if len(joined) > LABEL_BYTES:
        return np.zeros(0, np.uint8)
    return np.frombuffer(joined, np.uint8)


def label_block(half: Half | Side) -> np.ndarray:
    """Return labels that say more than ``name/index``, which the browser makes itself."""
    # joined, a million are compared in 0.1 s
    made = f"{half.name}/" + f"\n{half.name}/".join(map(str, range(len(half.labels))))
    plain = "\n".join(half.labels) == made or not half.labels
    return block(() if plain else half.labels)


def near(half: Half) -> tuple[np.ndarray, np.ndarray]:
    """Return neighbours of every point, own then other: index + 1, and scores."""
    index = np.hstack([half.own, half.other]) + 1
    scores = np.hstack([half.own_cosine, half.other_score])
    return index.astype(np.uint32), scores.astype(np.float32)


def log_density(half: Half) -> np.ndarray:
    """Return log10 of densities; empty where none is known."""
    if not np.isfinite(half.densities).any():
        return np.zeros(0, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(half.densities)
    return np.where(np.isfinite(logs), logs, np.nan).astype(np.float32)


def first_facts(picture: Picture, model: str) -> dict[str, Any]:
    """Return the names beside a first picture, before anything is measured."""
    found: dict[str, Any] = {"model": model or picture.side_a.model_name}
    for which, side in (("a", picture.side_a), ("b", picture.side_b)):
        if side is not None:
            found |= {f"name_{which}": side.name, f"point_{which}": side.point}
            found |= {f"n_{which}": side.n, f"alive_{which}": int(side.alive.sum())}
    return found


def facts(layout: DualLayout) -> dict[str, Any]:
    """Return the names and numbers beside the picture; what is unknown is left out."""
    halves = {"a": layout.a, "b": layout.b}
    models = [half.model for half in (layout.a, layout.b) if half.model]
    model = " and ".join(dict.fromkeys(models))
    found: dict[str, Any] = {"model": model, "left_out": _left_out(layout)}
    for which, half in halves.items():
        found |= {
            f"name_{which}": half.name,
            f"point_{which}": half.point,
            f"n_{which}": half.n,
            f"alive_{which}": int(half.alive.sum()),
        }
    for name in ("mode", "match", "unit", "n_rows", "n_matched", "n_compared", "n_of_one_family"):
        found[name] = getattr(layout, name)
    for name in ("matched_share", "n_expected", "disparity", "trustworthiness", "recall"):
        found[name] = getattr(layout, name)
    for name in ("seed", "n_neighbors", "n_epochs"):
        found[name] = getattr(layout, name)
    found |= {"threshold": layout.pairs.threshold, "null_median": layout.pairs.null_median}
    found["search"] = layout.graphs[0].method if layout.graphs else ""
    if layout.mixing is not None:
        m = layout.mixing
        found |= {"twins": m.twins, "twins_low": m.twins_low, "twins_high": m.twins_high}
    # JSON has neither NaN nor infinity: what is not a finite number is not sent
    return {k: v for k, v in found.items() if not isinstance(v, float) or math.isfinite(v)}


def _left_out(layout: DualLayout) -> str:
    parts = [
        f"{half.name}: {count} {why}"
        for half in (layout.a, layout.b)
        for why, count in half.left_out.items()
    ]
    return ", ".join(parts)
