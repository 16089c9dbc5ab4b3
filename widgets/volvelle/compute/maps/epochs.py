"""One epoch of UMAP's layout in two dimensions, compiled once and kept on disk.

The steps, their order and their random numbers are umap-learn's
(``umap.layouts._optimize_layout_euclidean_single_epoch``, 0.5.12; a test holds the two
together). Why not its own function: importing umap-learn costs 2.5 CPU seconds in each new
process and 16 in the first, its function is compiled again in each, has no callback (its issues
763 and 987), and holds the interpreter's lock, so that a cell waits while a map is laid out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# The curve 1 / (1 + a x^2b) that umap fits to min_dist = 0.1, spread = 1.
CURVE = (1.5769434603113077, 0.8950608779109733)
# umap-learn's defaults.
NEGATIVE_SAMPLES = 5
LEARNING_RATE = 1.0


class Epochs:
    """A layout under way.

    Parameters
    ----------
    positions : float32 array, shape (n, 2)
        Moved in place.
    head, tail : int32 array, shape (n_edges,)
        The two ends of each edge.
    weights : float64 array, shape (n_edges,)
        An edge is drawn in proportion to it; the heaviest in each epoch.
    n_epochs : int
        The learning rate falls to zero over so many.
    state : int64 array, shape (3,)
        Of the random numbers.
    """

    def __init__(  # noqa: PLR0917  (what one step of umap-learn takes)
        self,
        positions: np.ndarray,
        head: np.ndarray,
        tail: np.ndarray,
        weights: np.ndarray,
        n_epochs: int,
        state: np.ndarray,
    ) -> None:
        self.positions, self.head, self.tail = positions, head, tail
        self.n_epochs = n_epochs
        self.period = weights.max() / weights
        self.due = self.period.copy()
        self.negative_due = self.period / NEGATIVE_SAMPLES
        # each point draws from numbers of its own
        own = positions[:, 0].astype(np.float64).view(np.int64)
        self.states = state[None, :] + own[:, None]

    def run(self, epoch: int) -> None:
        """Do one epoch, counted from 0."""
        compiled()(
            self.positions,
            self.head,
            self.tail,
            self.period,
            self.due,
            self.negative_due,
            self.states,
            epoch,
            # as umap-learn, which lowers the rate one epoch late
            np.float32(LEARNING_RATE * (1 - max(epoch - 1, 0) / self.n_epochs)),
        )


def compiled() -> Any:
    """Return the epoch's machine code: from disk, or compiled in two seconds."""
    if not _COMPILED:
        import numba

        options: dict[str, Any] = {"fastmath": True, "nogil": True}
        try:
            made = numba.njit(SIGNATURE, cache=True, **options)(_epoch)
        except RuntimeError:  # no folder can be written: compile each time
            made = numba.njit(SIGNATURE, **options)(_epoch)
        _COMPILED.append(made)
    return _COMPILED[0]


SIGNATURE = "void(f4[:,::1], i4[::1], i4[::1], f8[::1], f8[::1], f8[::1], i8[:,::1], i8, f4)"
_COMPILED: list[Any] = []


def _epoch(  # noqa: PLR0917  (numba takes arguments by place)
    positions: np.ndarray,
    head: np.ndarray,
    tail: np.ndarray,
    period: np.ndarray,
    due: np.ndarray,
    negative_due: np.ndarray,
    states: np.ndarray,
    epoch: int,
    rate: float,
) -> None:
    """Move the points along every edge that is due, and away from some others.

    Parameters
    ----------
    positions : float32 array, shape (n, 2)
        Moved in place.
    head, tail : int32 array, shape (n_edges,)
        The two ends of each edge.
    period : float64 array, shape (n_edges,)
        Epochs between two draws of an edge.
    due, negative_due : float64 array, shape (n_edges,)
        The epoch in which an edge is drawn next, and its next push; moved on in place.
    states : int64 array, shape (n, 3)
        Of each point's random numbers; moved on in place.
    epoch : int
        Counted from 0.
    rate : float
        How far a step goes.
    """
    n = np.int64(len(positions))
    a, b = np.float32(CURVE[0]), np.float32(CURVE[1])
    zero, one, two, most = np.float32(0), np.float32(1), np.float32(2), np.float32(4)
    soft = np.float32(0.001)
    for i in range(len(head)):
        if due[i] > epoch:
            continue
        j, k = head[i], tail[i]
        x, y = positions[j, 0], positions[j, 1]
        dx, dy = x - positions[k, 0], y - positions[k, 1]
        apart = dx * dx + dy * dy
        if apart > zero:
            # apart ** (b - 1) is apart ** b / apart: one power where umap-learn takes two
            power = a * apart**b
            pull = -two * b * power / (apart * (power + one))
            mx = min(max(pull * dx, -most), most) * rate
            my = min(max(pull * dy, -most), most) * rate
            x += mx
            y += my
            positions[k, 0] -= mx
            positions[k, 1] -= my
        due[i] += period[i]
        step = period[i] / NEGATIVE_SAMPLES
        drawn = np.int64((epoch - negative_due[i]) / step)
        s0, s1, s2 = states[j, 0], states[j, 1], states[j, 2]
        for _ in range(drawn):
            s0 = (((s0 & 4294967294) << 12) & 0xFFFFFFFF) ^ ((((s0 << 13) & 0xFFFFFFFF) ^ s0) >> 19)
            s1 = (((s1 & 4294967288) << 4) & 0xFFFFFFFF) ^ ((((s1 << 2) & 0xFFFFFFFF) ^ s1) >> 25)
            s2 = (((s2 & 4294967280) << 17) & 0xFFFFFFFF) ^ ((((s2 << 3) & 0xFFFFFFFF) ^ s2) >> 11)
            other = np.int64(np.int32(s0 ^ s1 ^ s2)) % n
            # a neighbour drawn here may be the point itself, which does not push
            if other == j:
                continue
            dx, dy = x - positions[other, 0], y - positions[other, 1]
            apart = dx * dx + dy * dy
            if apart > zero:
                push = two * b / ((soft + apart) * (a * apart**b + one))
                x += min(max(push * dx, -most), most) * rate
                y += min(max(push * dy, -most), most) * rate
        states[j, 0], states[j, 1], states[j, 2] = s0, s1, s2
        positions[j, 0], positions[j, 1] = x, y
        negative_due[i] += drawn * step
