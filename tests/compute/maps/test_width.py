"""Wide directions cost what their number costs: nothing is as large as the square of the width."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from volvelle.compute.maps.matching import match_by_cosine
from volvelle.compute.maps.neighbours import unit_rows
from volvelle.compute.maps.scrambled import Scrambler, axes_of
from volvelle.compute.maps.umap import principal_axes

N, D = 40, 3000


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor that was made has."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(one, torch.Tensor):
                self.numel = max(self.numel, one.numel())
        return out


def measured(a, b):
    principal_axes(a)
    return match_by_cosine(unit_rows(a), unit_rows(b), n_null=3)


def test_few_wide_directions_make_no_array_of_the_square_of_the_width():
    random = np.random.default_rng(0)
    a, b = (unit_rows(random.standard_normal((N, D))) for _ in range(2))
    with Largest():  # what is imported on first use is no array
        measured(a[:5, :9], b[:5, :9])
    tracemalloc.start()
    try:
        with Largest() as torchs:
            found = measured(a, b)
        numpys = tracemalloc.get_traced_memory()[1] / 4
    finally:
        tracemalloc.stop()
    assert np.isfinite(found.threshold)
    assert torchs.numel <= 2 * N * D
    assert numpys < 10 * N * D < D * D / 4


class Turned:
    """A permutation that both ways of finding the axes can be given: every column upside down."""

    def permuted(self, x, axis, out):
        out[:] = x[::-1]


@pytest.mark.parametrize("shape", [(40, 300), (2, 50), (1, 7), (60, 61)])
def test_fewer_rows_than_columns_give_the_same_scramble(shape):
    x = unit_rows(np.random.default_rng(0).standard_normal(shape).astype(np.float32) + 0.2)
    thin, whole = Scrambler(x), Scrambler(x)
    whole.axes = axes_of(x - x.mean(0), thin=False)
    whole.pieces = (x - x.mean(0)) @ whole.axes
    assert thin.axes.shape == shape[::-1]
    assert whole.axes.shape == (shape[1], shape[1])
    np.testing.assert_allclose(thin(Turned()), whole(Turned()), atol=1e-5)
    variances = (thin.pieces**2).sum(0)
    np.testing.assert_allclose(variances, (whole.pieces**2).sum(0)[-shape[0] :], atol=1e-5)
