"""Nearest neighbours by cosine: exact by blocked matrix products, approximate above a size.

On a CPU with bfloat16 products the candidates are found in bfloat16 and ranked again in float32.
Each row then proves that no other row can be nearer than what it kept; rows that cannot are
searched again in float32, so the answer is exact either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from volvelle.archive.fields import Axes, inside
from volvelle.compute.tensors import tensor
from volvelle.progress import aside, looking

if TYPE_CHECKING:
    from collections.abc import Callable

# Rows of queries per product: a block of 512 x 24 k similarities stays near the processor.
BLOCK = 512
# Cells of one block of similarities, so that 1 M keys do not need 2 GB.
MOST_CELLS = 32_000_000
# Candidates beyond k that the bfloat16 pass keeps.
SPARE = 17
# Above so many rows pynndescent's graph search is quicker than every product, its 25 to 45
# seconds of compilation included (tests/bench/bench_dual_umap.py prints both). At 65 k x 1024 on
# two cores: 47 s against 20 s by bfloat16. The GPU's is an estimate from its matrix rate: nobody
# has measured it.
CROSSOVER = {"cpu": 50_000, "cpu, bfloat16": 140_000, "cuda": 400_000}
# Rows whose length is taken at once, so that they stay in the cache.
ROWS_AT_ONCE = 256
# Lengths between which no square leaves float32.
PLAIN = (1e-12, 1e15)
# Below so many cells a product is too short for bfloat16 to pay.
BFLOAT16_FROM = 4_000_000


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest rows of each row, nearest first, without the row itself.

    Attributes
    ----------
    indices : int32 array, shape (n, k)
    cosines : float32 array, shape (n, k)
        Falling along each row.
    method : str
        ``"exact"`` or ``"approximate"``.
    """

    indices: Annotated[np.ndarray, Axes("n", "k", kind="i")]
    cosines: Annotated[np.ndarray, Axes("n", "k", kind="f")]
    method: str

    def _check(self) -> None:
        """Raise ValueError where a file's neighbours are none of the rows."""
        inside(self.indices, len(self.indices), "indices")

    @property
    def k(self) -> int:
        """Neighbours per row."""
        return self.indices.shape[1]


def unit_rows(vectors: np.ndarray | torch.Tensor, out: np.ndarray | None = None) -> np.ndarray:
    """Return rows at length one, float32; zero rows stay zero.

    Parameters
    ----------
    vectors : array or tensor, shape (n, d)
    out : float32 array, shape (n, d), optional
        Where to write them.
    """
    if isinstance(vectors, torch.Tensor):
        vectors = vectors.detach().float().cpu().numpy()
    rows = np.asarray(vectors, dtype=np.float32)
    out = np.empty(rows.shape, np.float32) if out is None else out
    # block by block: what is in the cache is read twice for the price of once
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            lengths = np.linalg.norm(part, axis=1, keepdims=True)
            np.divide(part, lengths, out=out[start : start + ROWS_AT_ONCE])
        odd = np.flatnonzero(~((lengths[:, 0] > PLAIN[0]) & (lengths[:, 0] < PLAIN[1])))
        if len(odd):
            out[start + odd] = _scaled_first(part[odd])
    return out


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b`` by torch, whose threads and kernels numpy's library does not always have.

    Parameters
    ----------
    a, b : float32 array, shape (n, d) and (d, m)
    """
    return (tensor(a) @ tensor(b)).numpy()


def _scaled_first(rows: np.ndarray) -> np.ndarray:
    """Return rows at length one whose squares leave float32, and zero rows as they are."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


@cache
def bfloat16_pays() -> bool:
    """Whether this CPU multiplies bfloat16 itself: three to five times as fast as float32."""
    # torch asks cpuid; without these instructions it would widen every number first
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)


def crossover(device: str = "cpu") -> int:
    """Return the number of rows above which the search is approximate."""
    if device.startswith("cuda"):
        return CROSSOVER["cuda"]
    return CROSSOVER["cpu, bfloat16" if bfloat16_pays() else "cpu"]


def exactly(n: int, method: str = "auto", device: str = "cpu") -> bool:
    """Return whether `neighbours` searches `n` rows exactly."""
    return method == "exact" or n < 64 or (method == "auto" and n <= crossover(device))


def nearest(
    queries: np.ndarray,
    keys: np.ndarray | None,
    k: int,
    *,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
    bfloat16: bool | None = None,
) -> Neighbours:
    """Find the `k` keys of largest cosine for each query, exactly.

    Parameters
    ----------
    queries : float32 array, shape (n, d)
        Rows of length one (`unit_rows`).
    keys : float32 array, shape (m, d), or None
        Rows of length one. None searches among the queries, each without itself.
    k : int
        At most m (m - 1 among the queries); fewer come back where there are fewer.
    device : str
        Where the products run.
    on_progress : callable, optional
        Gets the fraction done after each block; what it raises ends the search.
    bfloat16 : bool, optional
        Whether candidates come from bfloat16 products. Default: where it pays.

    Returns
    -------
    Neighbours
        Equal cosines come in an order that the device fixes.
    """
    x = tensor(np.ascontiguousarray(queries, dtype=np.float32)).to(device)
    y = x if keys is None else tensor(np.ascontiguousarray(keys, np.float32)).to(device)
    n, m = len(x), len(y)
    k = max(min(k, m - (keys is None)), 0)
    indices = np.zeros((n, k), np.int32)
    cosines = np.zeros((n, k), np.float32)
    if n == 0 or k == 0:
        return Neighbours(indices, cosines, "exact")
    if bfloat16 is None:
        bfloat16 = device == "cpu" and n * m >= BFLOAT16_FROM and bfloat16_pays()
    search = _Search(x, y, k, same=keys is None, bfloat16=bfloat16)
    block = max(min(BLOCK, MOST_CELLS // m, n), 1)
    with torch.inference_mode():
        for start in looking(range(0, n, block), 1):
            found, where = search.block(start, min(start + block, n))
            indices[start : start + block] = where.cpu().numpy()
            cosines[start : start + block] = found.cpu().numpy()
            if on_progress:
                on_progress(min((start + block) / n, 1.0))
    return Neighbours(indices, np.clip(cosines, -1, 1), "exact")


class _Search:
    """The keys in the form the products want, and one block of buffers."""

    def __init__(
        self, x: torch.Tensor, y: torch.Tensor, k: int, *, same: bool, bfloat16: bool
    ) -> None:
        self.x, self.y, self.k, self.same = x, y, k, same
        self.low = y.bfloat16() if bfloat16 else None
        self.buffer = torch.empty(0)

    def block(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and indices of the queries start...stop."""
        if self.low is None:
            return self._scan(torch.arange(start, stop), self.k)
        wanted = min(self.k + SPARE, len(self.y))
        rows = torch.arange(start, stop)
        rough, candidates = self._scan(rows, wanted, low=True)
        cosines, indices = self._rank(rows, candidates)
        if wanted < len(self.y) - self.same:
            # A row left out is at most this near: the last candidate's bfloat16 value, half a
            # unit in its last place, and six standard deviations of the inputs' rounding.
            x = self.x[start:stop]
            spread = 6 * 2**-9 * (2 / 3) ** 0.5 * x.abs().amax(1)
            ceiling = rough[:, -1].float() * (1 + 2**-8) + spread
            unsure = torch.nonzero(cosines[:, -1] < ceiling)[:, 0]
            if len(unsure):
                cosines[unsure], indices[unsure] = self._scan(rows[unsure], self.k)
        return cosines, indices

    def _scan(
        self, rows: torch.Tensor, k: int, *, low: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Multiply the queries `rows` with every key; the `k` largest."""
        keys = self.low if low and self.low is not None else self.y
        queries = keys[rows] if self.same else self.x[rows].to(keys.dtype)
        shape = (len(rows), len(keys))
        # a fresh block costs more in page faults than the product that fills it
        if self.buffer.shape != shape or self.buffer.dtype != keys.dtype:
            self.buffer = torch.empty(shape, dtype=keys.dtype, device=keys.device)
        torch.mm(queries, keys.T, out=self.buffer)
        if self.same:
            self.buffer[torch.arange(len(rows)), rows] = -2
        return torch.topk(self.buffer, k, dim=1)

    def _rank(
        self, rows: torch.Tensor, candidates: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Order candidates by their float32 cosine; the `k` largest."""
        exact = tensor(_dots(self.x.numpy(), self.y.numpy(), rows.numpy(), candidates.numpy()))
        if self.same:
            exact[candidates == rows[:, None]] = -2
        cosines, order = torch.topk(exact, self.k, dim=1)
        return cosines, candidates.gather(1, order)


def _dots(x: np.ndarray, y: np.ndarray, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the product of each of `rows` of `x` with its candidates among `y`."""
    if not _COMPILED:
        import numba

        # Gathering the candidates for a batched product takes five times the search itself.
        _COMPILED.append(numba.njit(_dot_loop, fastmath=True, nogil=True, cache=True))
    return _COMPILED[0](x, y, rows, candidates)


_COMPILED: list[Any] = []


def _dot_loop(x: np.ndarray, y: np.ndarray, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    n, wanted = candidates.shape
    d = x.shape[1]
    out = np.empty((n, wanted), np.float32)
    for i in range(n):
        query = x[rows[i]]
        for j in range(wanted):
            key = y[candidates[i, j]]
            total = np.float32(0)
            for c in range(d):
                total += query[c] * key[c]
            out[i, j] = total
    return out


def neighbours(
    x: np.ndarray,
    k: int = 15,
    *,
    method: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
) -> Neighbours:
    """Find the `k` nearest rows of each row, exactly up to `crossover` rows.

    Parameters
    ----------
    x : float32 array, shape (n, d)
        Rows of length one.
    k : int
        Neighbours per row, without the row itself.
    method : "auto", "exact" or "approximate"
    seed : int
        Fixes the approximate search.
    device : str
        Where exact products run.
    on_progress : callable, optional
        Gets the fraction done.

    Returns
    -------
    Neighbours

    Notes
    -----
    Source of the approximate search: Dong, Moses & Li 2011, as in pynndescent.
    """
    if exactly(len(x), method, device):
        return nearest(x, None, k, device=device, on_progress=on_progress)
    from pynndescent import NNDescent

    def searched() -> tuple[np.ndarray, np.ndarray]:
        graph = NNDescent(x, metric="cosine", n_neighbors=k + 1, random_state=seed, n_jobs=-1)
        return graph.neighbor_graph

    indices, distances = aside(searched)
    own = indices == np.arange(len(x))[:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.take_along_axis(indices, order, 1).astype(np.int32),
        (1 - np.take_along_axis(distances, order, 1)).astype(np.float32),
        "approximate",
    )
