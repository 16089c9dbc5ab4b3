"""How many placebos of which kind a steering experiment runs, and which they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.plain import whole
from volvelle.compute.directions.contrast import FEWEST_TEXTS
from volvelle.compute.steering.placebos import random_steers, relabelled_steers, shuffled_steers
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.names import unknown
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.experiments.steering.rows import AnySteer

# Of the next word a placebo costs one short pass, so 99 make p >= .01; of a text all its tokens.
PLACEBO = MappingProxyType({"words": 99, "texts": 5, "labels": 99})
# Placebos draw from a stream of their own, so that more samples leave them as they are.
PLACEBO_STREAM = 7
# Of each kind: with so many the smallest p is .0001.
MOST_PLACEBOS = 10_000
# Bytes of the directions that placebos write, all of a run: a control vector of 80 layers, 8,192
# wide, has 2.6 MB, and as many a placebo.
MOST_BYTES = 4 * 2**30
# Among few heads the same ones come up again.
TRIES = 50


@dataclass(frozen=True)
class Counts:
    """How many placebos of each kind are run.

    Attributes
    ----------
    words : int
        Random turns (and other features of the SAE) of which the watched answers are measured.
    texts : int
        The first of these, which write texts too.
    labels : int
        Directions of the same texts relabelled, of which the watched answers are measured.
    """

    words: int
    texts: int
    labels: int


def counts_of(placebo: Any) -> Counts:
    """Return the numbers from one number, or a dict of some of them."""
    if not isinstance(placebo, Mapping):
        n = whole(placebo, "placebo", 0, MOST_PLACEBOS)
        return Counts(n, n, n)
    for name in placebo:
        if name not in PLACEBO:
            raise ValueError(unknown("kind of placebo", str(name), PLACEBO))
    given = {
        name: whole(n, f"placebo {name!r}", 0, MOST_PLACEBOS)
        for name, n in {**PLACEBO, **placebo}.items()
    }
    # whoever writes a text says its first word too
    return Counts(max(given["words"], given["texts"]), given["texts"], given["labels"])


def counts_with_texts(texts: int) -> dict[str, int]:
    """Return how many placebos a view runs of which so many write texts; none for 0.

    Whether an answer stands out is asked of enough of them, however few texts are looked at.
    """
    return {**PLACEBO, "texts": texts} if texts else dict.fromkeys(PLACEBO, 0)


@dataclass(frozen=True)
class Relabelled:
    """What placebos of relabelled texts there are.

    Attributes
    ----------
    texts : int
        How many texts, or names, the direction was fitted to.
    others : int
        How many other labellings they have; 0 where no direction was fitted to texts.
    cosine : float
        Of the placebos to the real direction, the median without its sign.
    what : str
        ``"texts"`` or ``"names"``.
    needed : int
        The fewest whose labellings can tell anything.
    """

    texts: int = 0
    others: int = 0
    cosine: float = float("nan")
    what: str = "texts"
    needed: int = FEWEST_TEXTS

    @property
    def too_few(self) -> bool:
        """Whether so few texts have too few labellings to tell anything."""
        return 0 < self.texts < self.needed

    @property
    def smallest(self) -> float:
        """The smallest p that all labellings reach."""
        return 1 / (self.others + 1)


@dataclass(frozen=True)
class Placebos:
    """Placebo steers by kind and number: ``random``, ``shuffled``, ``relabelled``, ``rescaled``."""

    steers: dict[tuple[str, int], list[AnySteer]]
    relabelled: Relabelled = field(default_factory=Relabelled)

    def first(self, n: int) -> dict[tuple[str, int], list[AnySteer]]:
        """Return the random and shuffled ones that are numbered below n."""
        return {
            (kind, number): steers
            for (kind, number), steers in self.steers.items()
            if number < n and kind in ("random", "shuffled")
        }


def placebos_of(
    steers: Sequence[AnySteer], counts: Counts, seed: int, n_heads: int | None
) -> Placebos:
    """Return the placebos of some steers.

    Random turns always; other features where there are SAE features; relabelled texts, at their
    own length and rescaled, where directions were fitted to texts. None comes twice: of one head
    of nine there are eight others, however many are asked for.
    """
    _check_bytes(steers, counts)
    found: dict[tuple[str, int], list[AnySteer]] = {}

    def turned(rng: np.random.Generator) -> list[AnySteer] | None:
        return random_steers(steers, rng, n_heads)

    def other_features(rng: np.random.Generator) -> list[AnySteer] | None:
        return shuffled_steers(steers, rng)

    for stream, (kind, made) in enumerate((("random", turned), ("shuffled", other_features))):
        seeds = ([seed, PLACEBO_STREAM + stream, n] for n in range(counts.words * TRIES))
        for number, mine in enumerate(_distinct(made, seeds, counts.words, steers)):
            found[kind, number] = mine
    relabelled = _relabelled(steers)
    n = 0 if relabelled.too_few else counts.labels
    made = relabelled_steers(steers, n, seed)
    for number, one in enumerate(made):
        found["relabelled", number] = one.own
        if one.rescaled:
            found["rescaled", number] = one.rescaled
    if made:
        cosine = float(np.median([abs(one.cosine) for one in made]))
        relabelled = replace(relabelled, cosine=cosine)
    return Placebos(found, relabelled)


def _check_bytes(steers: Sequence[AnySteer], counts: Counts) -> None:
    """Raise ValueError for more placebos than memory is meant to hold."""
    of_one = sum(
        np.asarray(part.writes).nbytes
        for steer in steers
        if isinstance(steer, Steer)
        for part in steer.parts()
    )
    if of_one * (2 * counts.words + 2 * counts.labels) > MOST_BYTES:
        most = MOST_BYTES // (4 * of_one)
        raise ValueError(
            f"placebo: {counts.words:,} words and {counts.labels:,} labels of steers that write "
            f"{of_one / 1e6:.3g} MB each are more than {MOST_BYTES / 2**30:.0f} GiB; ask for at "
            f"most {most:,} of each"
        )


def _distinct(
    made: Callable[[np.random.Generator], list[AnySteer] | None],
    seeds: Any,
    n: int,
    steers: Sequence[AnySteer],
) -> list[list[AnySteer]]:
    """Return up to n of what is made, none twice and none that does what the steers do."""
    real = _written(steers)
    found: dict[Any, list[AnySteer]] = {}
    for seed in looking(seeds, 16):
        one = made(np.random.default_rng(seed))
        if one is None:
            break
        if (key := _written(one)) != real:
            found.setdefault(key, one)
        if len(found) == n:
            break
    return list(found.values())


def _written(steers: Sequence[AnySteer]) -> tuple[Any, ...]:
    """Return what steers do, for comparison: two heads in either order do the same."""
    heads = [(s.layer, s.head, s.factor) for s in steers if isinstance(s, HeadScale)]
    rows = [part.writes.tobytes() for s in steers if isinstance(s, Steer) for part in s.parts()]
    return tuple(sorted(heads)), tuple(rows)


def _relabelled(steers: Sequence[AnySteer]) -> Relabelled:
    contrasts = [
        d.contrast
        for steer in steers
        if isinstance(steer, Steer) and all(d.contrast is not None for d in steer.directions)
        for d in steer.directions
        if d.contrast is not None
    ]
    if not contrasts:
        return Relabelled()
    fewest = min(contrasts, key=lambda contrast: contrast.others)
    return Relabelled(fewest.n, fewest.others, what=fewest.what, needed=fewest.needed)
