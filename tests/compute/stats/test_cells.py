"""Tables of effects against placebos: how often chance is called an effect, and bands."""

import numpy as np
import pytest

from volvelle.compute.stats.cells import simultaneous_band, stand_out
from volvelle.compute.stats.intervals import interval, log_odds


def correlated(rng, n, strengths=4, answers=3):
    """Effects that grow with the strength, spread differently per answer and are correlated."""
    slopes = rng.standard_normal((n, 1, answers)) @ rng.standard_normal((answers, answers))
    along = np.linspace(-1, 1, strengths)[:, None] + 0.1 * rng.standard_normal((n, strengths, 1))
    return slopes * along * np.array([0.01, 1.0, 30.0]) + np.array([-2.0, 0.0, 5.0])


def test_a_random_effect_passes_in_one_draw_of_twenty_over_all_its_cells():
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(400):
        rows = correlated(rng, 100)
        ps.append(stand_out(rows[0], rows[1:], "f").p)
    # .05 expected of 400, its standard error .011; the count of old passed .3 to .5
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.08
    assert np.mean(np.array(ps) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_few_placebos_keep_the_rate_and_fewer_say_that_they_cannot_tell():
    rng = np.random.default_rng(1)
    found = [stand_out(r[0], r[1:], "f") for r in (correlated(rng, 20) for _ in range(400))]
    assert np.mean([test.p <= 0.05 for test in found]) <= 0.08
    assert all(test.can_tell for test in found)
    rows = correlated(rng, 19)
    few = stand_out(rows[0], rows[1:], "f")
    assert not few.can_tell
    assert few.smallest == pytest.approx(1 / 19)
    assert "cannot tell, the smallest p is 0.053" in repr(few)


def test_an_effect_against_the_common_drift_stands_out_and_its_cell_is_named():
    rng = np.random.default_rng(2)
    placebos = -2 + 0.1 * rng.standard_normal((99, 2, 3))
    effect = np.full((2, 3), -2.0)
    effect[1, 2] = 2.0
    test = stand_out(effect, placebos, "f")
    assert test.p_cells[1, 2] == test.p == pytest.approx(0.01)
    assert (np.delete(test.p_cells.ravel(), 5) > 0.05).all()


def test_a_large_effect_does_not_hide_behind_its_own_size():
    rng = np.random.default_rng(3)
    placebos = rng.standard_normal((19, 1, 1))
    assert stand_out(np.full((1, 1), 1e6), placebos, "f").p == pytest.approx(1 / 20)


def test_cells_that_nothing_moves_or_nobody_measured_take_no_part():
    rng = np.random.default_rng(4)
    placebos = rng.standard_normal((30, 1, 3))
    placebos[:, :, 1] = 0.5
    placebos[:, :, 2] = np.nan
    test = stand_out(np.array([[4.0, 0.5, np.nan]]), placebos, "f")
    assert test.p_cells[0, 0] == pytest.approx(1 / 31)
    assert test.p_cells[0, 1] == 1.0
    assert test.p_cells[0, 2] == 1.0


def test_the_same_placebo_at_every_cell_can_not_be_an_effect():
    row = np.full((1, 2, 2), 0.3)
    assert stand_out(row[0], np.repeat(row, 30, axis=0), "f").p == 1.0


def test_whole_curves_stay_in_a_simultaneous_band_where_pointwise_quantiles_lose_them():
    rng = np.random.default_rng(5)
    inside, pointwise = [], []
    for _ in range(400):
        curves = rng.standard_normal((40, 12)) * np.linspace(0.1, 3, 12)
        band = simultaneous_band(curves[1:])
        inside.append(((curves[0] >= band.low) & (curves[0] <= band.high)).all())
        low, high = np.quantile(curves[1:], [0.025, 0.975], axis=0)
        pointwise.append(((curves[0] >= low) & (curves[0] <= high)).all())
    assert band.coverage == pytest.approx(0.95)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert np.mean(pointwise) < 0.7


def test_a_band_of_few_placebos_says_how_much_it_covers():
    curves = np.random.default_rng(6).standard_normal((4, 3))
    assert simultaneous_band(curves).coverage == pytest.approx(4 / 5)
    two = simultaneous_band(curves[:2])
    assert two.coverage == pytest.approx(1 / 3)
    np.testing.assert_array_equal(two.low, curves[:2].min(axis=0))


def test_an_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(7)
    held = []
    for _ in range(600):
        low, high = interval(rng.standard_normal((4, 1)) + 3)
        held.append(low[0] <= 3 <= high[0])
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    assert np.isnan(interval(np.ones((1, 2)))[0]).all()


def test_log_odds_of_sure_and_of_rare_answers_are_finite():
    found = log_odds(np.log(np.array([0.5, 0.2, 1e-30])))
    assert found == pytest.approx([0.0, np.log(0.25), np.log(1e-30)])
    assert np.isfinite(log_odds(np.array([0.0, 1e-9]))).all()


def test_what_is_no_number_is_never_an_effect():
    rng = np.random.default_rng(8)
    placebos = rng.standard_normal((99, 2, 1))
    placebos[3] = np.nan
    assert (stand_out(np.zeros((2, 1)), placebos, "f").p_cells > 0.5).all()
    # a placebo that breaks the model counts as standing out, a clear effect stands out still
    assert stand_out(np.full((2, 1), 50.0), placebos, "f").p == pytest.approx(2 / 100)
    assert stand_out(np.full((2, 1), np.nan), placebos, "f").p == 1.0
    assert stand_out(np.full((2, 1), np.inf), placebos, "f").p == 1.0
    assert stand_out(np.zeros((2, 1)), np.full((30, 2, 1), np.nan), "f").p == 1.0
