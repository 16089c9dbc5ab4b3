"""What a fitted direction was fitted to, and the directions that the same data give relabelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, product
from math import comb, factorial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from volvelle.progress import look, looking

if TYPE_CHECKING:
    from collections.abc import Callable

# Up to here all labellings are listed, and drawn from the list.
MOST_LISTED = 1000
# The fewest whose labellings reach a p of .05: 4 against 4 texts have 35 labellings, 6 pairs 32,
# 4 names 24.
FEWEST_TEXTS = 8
FEWEST_PAIRED = 12
FEWEST_NAMES = 4


@dataclass(frozen=True, eq=False)
class Contrast:
    """States of labelled texts, and how a direction is made of them.

    A random direction is as long as a fitted one and otherwise unlike it: it does not lie where
    texts differ. The same texts under exchanged labels do, and mean nothing.

    Attributes
    ----------
    states : float32 array, shape (n, d_model)
        Of the positive and negative texts.
    positive : bool array, shape (n,)
        Which are positive.
    paired : bool
        Text i of the positive belongs to text i of the negative ones: labels are exchanged
        within pairs only.
    fit : callable(positive states, negative states) -> array, shape (d_model,)
    fixed : bool
        Whether the fit gives the same under every labelling, as components of both sides
        around their pairs' middles do: then there are no others.
    """

    states: np.ndarray = field(repr=False)
    positive: np.ndarray = field(repr=False)
    paired: bool
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(repr=False)
    fixed: bool = False
    what: ClassVar[str] = "texts"

    @property
    def needed(self) -> int:
        """The fewest texts whose labellings can tell anything."""
        return FEWEST_PAIRED if self.paired else FEWEST_TEXTS

    @property
    def labels(self) -> np.ndarray:
        """The labels the direction was fitted with."""
        return self.positive

    @property
    def n(self) -> int:
        """How many texts."""
        return len(self.positive)

    @property
    def others(self) -> int:
        """How many other labellings there are; one and its reverse give one direction."""
        k = int(self.positive.sum())
        if self.fixed:
            return 0
        if self.paired:
            return 2 ** (k - 1) - 1
        return comb(self.n, k) // (2 if 2 * k == self.n else 1) - 1

    def relabelled(self, n: int, seed: int) -> np.ndarray:
        """Return up to n other labellings, none twice, as bool array (m, n_texts).

        Parameters
        ----------
        n : int
            All there are, where there are no more.
        seed : int
            Of which, and of which way round where both ways are labellings.
        """
        rng = np.random.default_rng([seed, 11])
        if not self.others:
            return np.zeros((0, self.n), bool)
        if self.others <= max(MOST_LISTED, 2 * n):
            listed = self._all()
            found = listed[rng.permutation(len(listed))[:n]]
        else:
            drawn: dict[bytes, np.ndarray] = {}
            known = {self._key(self.positive)}
            while len(drawn) < n:
                look()
                one = self._draw(rng)
                if (key := self._key(one)) not in known:
                    known.add(key)
                    drawn[key] = one
            found = np.stack(list(drawn.values())) if drawn else np.zeros((0, self.n), bool)
        if self._mirrored:
            found = found ^ (rng.random(len(found)) < 0.5)[:, None]
        return found

    def direction(self, positive: np.ndarray) -> np.ndarray:
        """Return the direction under a labelling, shape (d_model,)."""
        return self.fit(self.states[self._first(positive)], self.states[self._second(positive)])

    @property
    def _mirrored(self) -> bool:
        return self.paired or 2 * int(self.positive.sum()) == self.n

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return np.flatnonzero(self.positive), np.flatnonzero(~self.positive)

    def _first(self, positive: np.ndarray) -> np.ndarray:
        if not self.paired:
            return np.flatnonzero(positive)
        a, b = self._pairs()
        return np.where(positive[a], a, b)

    def _second(self, positive: np.ndarray) -> np.ndarray:
        if not self.paired:
            return np.flatnonzero(~positive)
        a, b = self._pairs()
        return np.where(positive[a], b, a)

    def _key(self, positive: np.ndarray) -> bytes:
        # a labelling and its reverse are one
        held = positive if positive[0] or not self._mirrored else ~positive
        return held.tobytes()

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        if not self.paired:
            return rng.permutation(self.positive)
        return self._swapped(rng.random(int(self.positive.sum())) < 0.5)

    def _swapped(self, swap: np.ndarray) -> np.ndarray:
        found = self.positive.copy()
        for pair in self._pairs():
            found[pair] ^= swap
        return found

    def _all(self) -> np.ndarray:
        found: dict[bytes, np.ndarray] = {}
        k = int(self.positive.sum())
        if self.paired:
            every = (self._swapped(np.array(swap)) for swap in product((False, True), repeat=k))
        else:
            every = (np.isin(np.arange(self.n), ids) for ids in combinations(range(self.n), k))
        for one in looking(every):
            found.setdefault(self._key(one), one)
        found.pop(self._key(self.positive))
        return np.stack(list(found.values())) if found else np.zeros((0, self.n), bool)


@dataclass(frozen=True, eq=False)
class Exchange:
    """A weighted sum of named vectors, whose names can be exchanged.

    An angle of a circle is such a sum: of all its names, each by its share in the plane.

    Attributes
    ----------
    states : float32 array, shape (n, d_model)
        One vector per name.
    weights : array, shape (n,)
        Of each in the direction.
    """

    states: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    what: ClassVar[str] = "names"
    paired: ClassVar[bool] = False
    needed: ClassVar[int] = FEWEST_NAMES

    @property
    def labels(self) -> np.ndarray:
        """Which weight each name has: its own."""
        return np.arange(self.n)

    @property
    def n(self) -> int:
        """How many names."""
        return len(self.weights)

    @property
    def others(self) -> int:
        """How many other orders of the names there are."""
        return factorial(self.n) - 1

    def relabelled(self, n: int, seed: int) -> np.ndarray:
        """Return up to n other orders of the names, none twice, as int array (m, n_names)."""
        rng = np.random.default_rng([seed, 11])
        known = {self.labels.tobytes()}
        found: list[np.ndarray] = []
        while len(found) < min(n, self.others):
            look()
            one = rng.permutation(self.n)
            if one.tobytes() not in known:
                known.add(one.tobytes())
                found.append(one)
        return np.stack(found) if found else np.zeros((0, self.n), dtype=np.intp)

    def direction(self, order: np.ndarray) -> np.ndarray:
        """Return the direction under an order of the names, shape (d_model,)."""
        return (self.weights[order] @ self.states).astype(np.float32)
