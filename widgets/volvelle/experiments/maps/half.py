"""One dictionary's part of a dual map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np

from volvelle.archive.fields import Axes


@dataclass(frozen=True, eq=False)
class Half:
    """One dictionary's part of a dual map; rows are all its features, also those left out.

    Attributes
    ----------
    name, point, model : str
        ``model`` is what the dictionary says it was made for, or the one that read it.
    xy : float32 array, shape (n, 2)
        NaN where a feature is left out.
    labels : tuple of str
    densities : float32 array, shape (n,)
        NaN where unknown.
    cluster : uint8 array, shape (n,)
        Group by cosine in the original space, 0 the largest, shared by both dictionaries in a
        joint map; 255 where left out.
    own, own_cosine : array, shape (n, 3)
        Nearest features of the same dictionary, -1 where there are none.
    other, other_score : array, shape (n, 3)
        Best counterparts in the other dictionary: cosine in a joint map, else the match's score.
    promoted : tuple of str
        Tokens that a feature promotes; empty without a model.
    left_out : dict of str to int
        Why features are not on the map.
    """

    name: str
    point: str
    model: str
    xy: Annotated[np.ndarray, Axes("n", 2, kind="f")]
    labels: Annotated[tuple[str, ...], Axes("n")]
    densities: Annotated[np.ndarray, Axes("n", kind="f")]
    cluster: Annotated[np.ndarray, Axes("n", kind="u")]
    own: Annotated[np.ndarray, Axes("n", None, kind="i")]
    own_cosine: Annotated[np.ndarray, Axes("n", None, kind="f")]
    other: Annotated[np.ndarray, Axes("n", None, kind="i")]
    other_score: Annotated[np.ndarray, Axes("n", None, kind="f")]
    promoted: tuple[str, ...]
    left_out: dict[str, int]

    @property
    def n(self) -> int:
        """Features, left out ones counted."""
        return len(self.xy)

    @cached_property
    def alive(self) -> np.ndarray:
        """Whether a feature is on the map, bool, shape (n,)."""
        return np.isfinite(self.xy[:, 0])
