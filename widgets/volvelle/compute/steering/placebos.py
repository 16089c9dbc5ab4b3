"""Placebo steers: changes of the same size along directions that mean nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.directions.directions import Direction, Feature
from volvelle.compute.steering.steers import HeadScale, Steer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.directions.contrast import Contrast, Exchange
    from volvelle.compute.steering.parts import Part


def random_rotation(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn vectors together into a random subspace, keeping lengths and mutual angles.

    Parameters
    ----------
    vectors : array, shape (n, d)
    rng : numpy Generator

    Returns
    -------
    array, shape (n, d), float32
        ``vectors @ Q`` for one random rotation Q, of which only the part that the vectors see
        is drawn.
    """
    wide = vectors.astype(np.float64)
    _, singular, basis = np.linalg.svd(wide, full_matrices=False)
    basis = basis[singular > 1e-9 * max(singular[0], 1e-300)]
    frame, r = np.linalg.qr(rng.standard_normal((wide.shape[1], len(basis))))
    frame = frame * np.sign(np.diag(r))  # uniform over frames, not over QR's convention
    return ((wide @ basis.T) @ frame.T).astype(np.float32)


def random_steers(
    steers: Sequence[Steer | HeadScale], rng: np.random.Generator, n_heads: int | None = None
) -> list[Steer | HeadScale]:
    """Return norm-matched random counterparts of some steers.

    All that the steers write is turned by one random rotation, so every state is changed by
    exactly as much as by the real steer at the same place, and directions of neighbouring
    layers stay as alike as they were. What a method reads (a component, a feature's
    activation) stays. A head is replaced by another head of its layer.

    Parameters
    ----------
    steers : sequence of Steer or HeadScale
    rng : numpy Generator
    n_heads : int, optional
        Heads per layer, needed for `HeadScale`.
    """
    parts: list[tuple[int, Part]] = [
        (i, part) for i, s in enumerate(steers) if isinstance(s, Steer) for part in s.parts()
    ]
    turned: dict[int, list[np.ndarray]] = {i: [] for i, _ in parts}
    widths = dict.fromkeys(np.atleast_2d(p.writes).shape[1] for _, p in parts)
    frames: dict[int, np.ndarray] = {}
    for width in widths:
        rows = [np.atleast_2d(p.writes) for _, p in parts if np.shape(p.writes)[-1] == width]
        frames[width] = random_rotation(np.concatenate(rows), rng)
    for i, part in parts:
        width = np.shape(part.writes)[-1]
        n = len(np.atleast_2d(part.writes))
        mine, frames[width] = frames[width][:n], frames[width][n:]
        turned[i].append(mine.reshape(np.shape(part.writes)))
    return [
        replace(s, turned=tuple(turned[i]), name=f"random for {s.name}")
        if isinstance(s, Steer)
        else _other_head(s, rng, n_heads)
        for i, s in enumerate(steers)
    ]


def shuffled_steers(
    steers: Sequence[Steer | HeadScale], rng: np.random.Generator
) -> list[Steer | HeadScale] | None:
    """Return counterparts along other features of the same SAE, scaled to the same length.

    Returns
    -------
    list, or None where no steer has an SAE feature
    """
    found: list[Steer | HeadScale] = []
    any_feature = False
    for steer in steers:
        features = [d for d in steer.directions if isinstance(d, Feature)]
        if not isinstance(steer, Steer) or not features:
            found.append(steer)
            continue
        any_feature = True
        rows = {id(d): _other_feature(d, [f.index for f in features], rng) for d in features}
        turned = tuple(_with_rows(part, rows) for part in steer.parts())
        found.append(replace(steer, turned=turned, name=f"shuffled for {steer.name}"))
    return found if any_feature else None


def relabelled_steers(
    steers: Sequence[Steer | HeadScale], n: int, seed: int, *, rescaled: bool
) -> list[tuple[list[Steer | HeadScale], float]]:
    """Return counterparts along directions that the same texts give under other labels.

    Steers whose directions were not fitted to labelled texts stay as they are. Directions of one
    fit (a control vector's layers) are relabelled alike.

    Parameters
    ----------
    steers : sequence of Steer or HeadScale
    n : int
        As many as there are labellings, where there are fewer.
    seed : int
    rescaled : bool
        Added at the length of the real direction; without, at the length that the relabelled
        texts give. Other methods know no length: they have no rescaled counterpart.

    Returns
    -------
    list of (steers, cosine)
        The cosine to the real direction, the mean over directions; empty where no direction
        was fitted.
    """
    fitted: dict[bytes, list[Direction]] = {}
    for steer in steers:
        if _is_relabelled(steer, rescaled=rescaled):
            for direction in steer.directions:
                fitted.setdefault(_fit_of(direction), []).append(direction)
    if not fitted:
        return []
    labellings = {
        key: _contrast(found[0]).relabelled(n, seed + i)
        for i, (key, found) in enumerate(fitted.items())
    }
    made: list[tuple[list[Steer | HeadScale], float]] = []
    for number in range(min(len(each) for each in labellings.values())):
        others: dict[int, np.ndarray] = {}
        cosines: list[float] = []
        for key, found in fitted.items():
            for direction in found:
                vector = _contrast(direction).direction(labellings[key][number])
                others[id(direction)] = vector
                cosines.append(float(vector @ direction.unit / np.linalg.norm(vector)))
        turned: list[Steer | HeadScale] = []
        for steer in steers:
            turned += (
                _along(steer, others, rescaled=rescaled)
                if isinstance(steer, Steer) and _is_relabelled(steer, rescaled=rescaled)
                else [steer]
            )
        made.append((turned, float(np.mean(cosines))))
    return made


def _contrast(direction: Direction) -> Contrast | Exchange:
    assert direction.contrast is not None  # noqa: S101 - chosen by `_is_relabelled`
    return direction.contrast


def _is_relabelled(steer: Steer | HeadScale, *, rescaled: bool) -> bool:
    return (
        isinstance(steer, Steer)
        and all(d.contrast is not None and d.contrast.others for d in steer.directions)
        and (steer.method == "add" or not rescaled)
    )


def _fit_of(direction: Direction) -> bytes:
    """Return what directions share that were fitted to the same labelled texts."""
    contrast = _contrast(direction)
    return contrast.labels.tobytes() + bytes([contrast.paired])


def _along(steer: Steer, others: dict[int, np.ndarray], *, rescaled: bool) -> list[Steer]:
    """Return the steer along other vectors; added ones one by one, for lengths of their own."""
    name = f"relabelled for {steer.name}"
    turned = [Direction(others[id(d)], d.name, d.point, a_max=d.a_max) for d in steer.directions]
    if steer.method != "add":
        return [replace(steer, direction=turned, name=name)]
    found: list[Steer] = []
    for mine, other in zip(steer.directions, turned, strict=True):
        longer = other.norm / mine.norm
        # in unit "norm" a vector is written at length one, in "raw" as it is
        factor = longer if steer.unit == "norm" else 1.0
        factor /= longer if rescaled else 1.0
        strength = steer.strength * factor
        found.append(replace(steer, direction=other, strength=strength, name=name))
    return found


def _with_rows(part: Part, rows: dict[int, np.ndarray]) -> np.ndarray:
    """Replace the rows that stem from features by the rows drawn for these, at equal length."""
    writes = np.atleast_2d(part.writes)
    drawn = [
        rows[id(source)] * np.linalg.norm(row) if id(source) in rows else row
        for row, source in zip(writes, part.sources, strict=True)
    ]
    return np.stack(drawn).reshape(np.shape(part.writes)).astype(np.float32)


def _other_feature(feature: Feature, taken: list[int], rng: np.random.Generator) -> np.ndarray:
    index, n_features = feature.index, int(feature.sae.n_features)
    while index in taken:
        index = int(rng.integers(n_features))
    return feature.sae.feature(index).unit


def _other_head(steer: HeadScale, rng: np.random.Generator, n_heads: int | None) -> HeadScale:
    if n_heads is None or n_heads < 2:
        return steer
    head = int(rng.integers(n_heads - 1))
    head += head >= steer.head
    return replace(steer, head=head, name=f"random for {steer.name}")
