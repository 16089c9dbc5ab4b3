"""Closure: the fast forms equal slow ones, and what it does not depend on."""

import numpy as np
import pytest
from compute.circles.shapes import rows_of

from volvelle.compute.stats import closure as room
from volvelle.compute.stats.closure import closure

N = 12
EVEN = 2 * np.pi * np.arange(N) / N


def test_left_out_errors_equal_as_many_refits():
    rng = np.random.default_rng(0)
    y, design = rng.standard_normal((N, 2)), room._waves(EVEN)
    errors = []
    for i in range(N):
        keep = np.arange(N) != i
        weights = np.linalg.lstsq(design[keep], y[keep], rcond=None)[0]
        errors.append(y[i] - design[i] @ weights)
    slow = -0.5 * N * np.log(np.mean(np.square(errors), axis=0) + 1e-6).sum()
    assert float(room._evidence(y, design)) == pytest.approx(slow)


def test_run_costs_are_left_out_errors_of_means():
    y = np.random.default_rng(0).standard_normal((7, 2))
    for start, m in ((0, 3), (5, 4), (6, 2)):
        run = y[(start + np.arange(m)) % 7]
        slow = sum(((run[i] - np.delete(run, i, axis=0).mean(axis=0)) ** 2).sum() for i in range(m))
        assert room._run_costs(y)[start, m] == pytest.approx(slow)


@pytest.mark.parametrize("shape", ["circle", "random walk", "four blobs in a plane"])
def test_rotating_scaling_and_the_order_of_rows_change_nothing(shape):
    rng = np.random.default_rng(0)
    xy = rows_of(shape, N, 0)[:, :4]
    one = closure(xy, EVEN)
    q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    other = closure(7 * xy @ q + 3, EVEN)
    for name in ("closed", "opened", "grouped", "step"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)
    order = rng.permutation(N)
    mixed = closure(xy[order], EVEN[order])
    assert mixed.closed == pytest.approx(one.closed)
    assert [int(order[i]) for i in mixed.cut] == list(one.cut)


def test_the_step_that_closes_is_as_long_as_the_others_on_a_circle_and_longer_on_an_arc():
    def step(shape):
        found = closure(rows_of(shape, N, 0, signal=1e4), EVEN)
        return found.step, found.cut

    assert step("circle")[0] == pytest.approx(1, rel=0.01)
    # the chord of 90 degrees over that of 270 / 11
    wide, cut = step("270-degree arc")
    assert wide == pytest.approx(np.sin(np.pi / 4) / np.sin(np.radians(270 / 22)), rel=0.01)
    assert cut == (11, 0)


def test_groups_are_counted():
    found = closure(rows_of("four blobs in a plane", N, 0), EVEN)
    assert found.shape == "grouped"
    assert found.n_groups == 4
