"""Placebo steers: changes of the same size along directions that mean nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.directions.directions import Direction, Feature
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from volvelle.compute.directions.contrast import Contrast, Exchange
    from volvelle.compute.steering.parts import Part


# Directions whose cosine is below this are orthogonal but for rounding.
ALIKE = 1e-5


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
    layers stay as alike as they were. What a method reads (a component, a feature's activation)
    stays, but for steers that read what others of them write (one direction ablated at every
    layer): turned writes alone would never be read, and add up from layer to layer. There what
    is read is turned alike, which is the same method along random directions, and moves a state
    as far as it holds these. Heads are replaced by other heads of their layer.

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
    entangled = reads_its_own([part for _, part in parts])
    turned: dict[int, list[np.ndarray]] = {i: [] for i, _ in parts}
    reads: dict[int, list[np.ndarray | None]] = {i: [] for i, _ in parts}
    widths = dict.fromkeys(np.atleast_2d(p.writes).shape[1] for _, p in parts)
    frames: dict[int, np.ndarray] = {}
    for width in widths:
        rows = [
            np.atleast_2d(row)
            for _, p in parts
            if np.shape(p.writes)[-1] == width
            for row in (p.writes, p.reads)
            if row is not None
        ]
        frames[width] = random_rotation(np.concatenate(rows), rng)
    for i, part in parts:
        width = np.shape(part.writes)[-1]
        n = len(np.atleast_2d(part.writes))
        mine, frames[width] = frames[width][:n], frames[width][n:]
        turned[i].append(mine.reshape(np.shape(part.writes)))
        if part.reads is not None:
            read, frames[width] = frames[width][0], frames[width][1:]
            reads[i].append(read if entangled else part.reads)
        else:
            reads[i].append(None)
    heads = _other_heads([s for s in steers if isinstance(s, HeadScale)], rng, n_heads)
    return [
        replace(
            s,
            turned=tuple(turned[i]),
            turned_reads=tuple(reads[i]),
            name=f"random for {s.name}",
        )
        if isinstance(s, Steer)
        else next(heads)
        for i, s in enumerate(steers)
    ]


def reads_its_own(parts: Sequence[Part]) -> bool:
    """Return whether any part reads a component that another, before it or beside it, writes."""
    return any(
        reader.reads is not None
        and writer is not reader
        and writer.point.layer <= reader.point.layer
        and np.shape(writer.writes)[-1] == len(reader.reads)
        and bool(
            np.abs(np.atleast_2d(writer.writes) @ reader.reads).max()
            > ALIKE * np.linalg.norm(writer.writes)
        )
        for reader in parts
        for writer in parts
    )


def _other_heads(
    steers: Sequence[HeadScale], rng: np.random.Generator, n_heads: int | None
) -> Iterator[HeadScale]:
    """Return steers of as many heads of the same layers, no head twice."""
    found: dict[int, int] = {}
    for layer in dict.fromkeys(s.layer for s in steers):
        mine = [i for i, s in enumerate(steers) if s.layer == layer]
        unique = dict.fromkeys(steers[i].head for i in mine)
        if n_heads is None or n_heads <= len(unique):
            drawn = list(unique)
        else:
            drawn = list(unique)
            while set(drawn) == set(unique):
                drawn = rng.permutation(n_heads)[: len(unique)].tolist()
        moved = dict(zip(unique, drawn, strict=True))
        found |= {i: moved[steers[i].head] for i in mine}
    return iter(
        replace(s, head=found[i], name=f"random for {s.name}") for i, s in enumerate(steers)
    )


def shuffled_steers(
    steers: Sequence[Steer | HeadScale], rng: np.random.Generator
) -> list[Steer | HeadScale] | None:
    """Return counterparts along other features of the same SAE, scaled to the same length.

    Returns
    -------
    list, or None where no steer has an SAE feature, or an SAE has too few others
    """
    features = [
        d for s in steers if isinstance(s, Steer) for d in s.directions if isinstance(d, Feature)
    ]
    others: dict[tuple[int, int], Feature] = {}
    for sae in {id(d.sae): d.sae for d in features}.values():
        taken = list(dict.fromkeys(d.index for d in features if d.sae is sae))
        n_features = int(sae.n_features)
        if n_features < 2 * len(taken):
            return None
        drawn: list[int] = []
        while len(drawn) < len(taken):
            index = int(rng.integers(n_features))
            if index not in taken and index not in drawn:
                drawn.append(index)
        others |= {
            (id(sae), mine): sae.feature(index) for mine, index in zip(taken, drawn, strict=True)
        }
    if not features:
        return None
    return [_of_others(s, others) if isinstance(s, Steer) else s for s in steers]


def _of_others(steer: Steer, others: dict[tuple[int, int], Feature]) -> Steer:
    """Return a steer that writes along other features, as far as it writes along its own."""
    name = f"shuffled for {steer.name}"
    moved = [others[id(d.sae), d.index] if isinstance(d, Feature) else d for d in steer.directions]
    if all(new is old for new, old in zip(moved, steer.directions, strict=True)):
        return steer
    parts = steer.parts()
    if all(any(source is d for d in steer.directions) for p in parts for source in p.sources):
        rows = {id(d): m.unit for d, m in zip(steer.directions, moved, strict=True)}
        kept = {id(d) for d in steer.directions if not isinstance(d, Feature)}
        turned = tuple(_with_rows(part, rows, kept) for part in parts)
        return replace(steer, turned=turned, name=name)
    # several directions that were made orthogonal: so are the others, as many of them
    spanned = replace(steer, direction=moved).parts()
    if len(spanned) != len(parts):
        return replace(steer, direction=moved, name=name)
    return replace(steer, turned=tuple(part.writes for part in spanned), name=name)


def _with_rows(part: Part, rows: dict[int, np.ndarray], kept: set[int]) -> np.ndarray:
    """Replace the rows that stem from features by those drawn for these, at equal length."""
    writes = np.atleast_2d(part.writes)
    drawn = [
        row if id(source) in kept else rows[id(source)] * np.linalg.norm(row)
        for row, source in zip(writes, part.sources, strict=True)
    ]
    return np.stack(drawn).reshape(np.shape(part.writes)).astype(np.float32)


@dataclass(frozen=True)
class RelabelledSteers:
    """Counterparts of steers along what the same texts give under one other labelling.

    Attributes
    ----------
    own, rescaled : list of Steer or HeadScale
        Added at the length that the relabelled texts give, and at the real direction's. Other
        methods know no length: `rescaled` is empty where nothing is added.
    cosine : float
        To the real direction, the mean over directions.
    """

    own: list[Steer | HeadScale]
    rescaled: list[Steer | HeadScale]
    cosine: float


def relabelled_steers(
    steers: Sequence[Steer | HeadScale], n: int, seed: int
) -> list[RelabelledSteers]:
    """Return counterparts along directions that the same texts give under other labels.

    Steers whose directions were not fitted to labelled texts stay as they are. Directions of one
    fit (a control vector's layers) are relabelled alike.

    Parameters
    ----------
    steers : sequence of Steer or HeadScale
    n : int
        As many as there are labellings, where there are fewer.
    seed : int

    Returns
    -------
    list of RelabelledSteers
        Empty where no direction was fitted.
    """
    fitted: dict[bytes, list[Direction]] = {}
    for steer in steers:
        if _is_fitted(steer):
            for direction in steer.directions:
                fitted.setdefault(_fit_of(direction), []).append(direction)
    if not fitted or not n:
        return []
    labellings = {
        key: _contrast(found[0]).relabelled(n, seed + i)
        for i, (key, found) in enumerate(fitted.items())
    }
    added = any(_is_fitted(steer) and steer.method == "add" for steer in steers)
    made: list[RelabelledSteers] = []
    for number in looking(range(min(len(each) for each in labellings.values())), 4):
        others: dict[int, np.ndarray] = {}
        cosines: list[float] = []
        for key, found in fitted.items():
            for direction in found:
                vector = _contrast(direction).direction(labellings[key][number])
                others[id(direction)] = vector
                cosines.append(float(vector @ direction.unit / np.linalg.norm(vector)))
        own = _relabelled(steers, others, rescaled=False)
        rescaled = _relabelled(steers, others, rescaled=True) if added else []
        made.append(RelabelledSteers(own, rescaled, float(np.mean(cosines))))
    return made


def _relabelled(
    steers: Sequence[Steer | HeadScale], others: dict[int, np.ndarray], *, rescaled: bool
) -> list[Steer | HeadScale]:
    found: list[Steer | HeadScale] = []
    for steer in steers:
        if isinstance(steer, Steer) and _is_fitted(steer):
            found += _along(steer, others, rescaled=rescaled)
        else:
            found.append(steer)
    return found


def _contrast(direction: Direction) -> Contrast | Exchange:
    assert direction.contrast is not None  # noqa: S101 - chosen by `_is_fitted`
    return direction.contrast


def _is_fitted(steer: Steer | HeadScale) -> bool:
    return isinstance(steer, Steer) and all(
        d.contrast is not None and bool(d.contrast.others) for d in steer.directions
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
