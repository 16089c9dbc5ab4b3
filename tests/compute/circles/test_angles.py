"""Statistics of angles: known answers and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from volvelle.compute.circles.angles import (
    align,
    angular_error,
    circular_correlation,
    first_harmonic,
    order_agreement,
    wrap,
)

angle = st.floats(-10, 10, allow_nan=False, width=32)


def some_angles(n=8):
    return arrays(np.float64, n, elements=angle)


def by_pairs(a, b):
    """Fisher and Lee's definition, written out."""
    i, j = np.triu_indices(len(a), 1)
    x, y = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())


def test_the_closed_form_equals_the_sum_over_pairs():
    rng = np.random.default_rng(0)
    for n in (4, 7, 25):
        a, b = rng.uniform(0, 2 * np.pi, (2, n))
        assert circular_correlation(a, b) == pytest.approx(by_pairs(a, b))


def test_a_rotation_scores_1_and_a_reflection_minus_1():
    a = np.array([0.1, 0.9, 2.3, 4.0, 5.5])
    assert circular_correlation(a, a + 1.3) == pytest.approx(1)
    assert circular_correlation(a, 0.4 - a) == pytest.approx(-1)
    assert align(a, a + 1.3).length == pytest.approx(1)
    assert align(a, 0.4 - a).length == pytest.approx(1)
    assert align(a, 0.4 - a).sign == -1


def test_angles_without_spread_correlate_with_nothing():
    assert circular_correlation(np.zeros(6), np.arange(6.0)) == 0
    assert circular_correlation(np.array([0, np.pi, 0, np.pi]), np.arange(4.0)) == 0


@given(some_angles(), some_angles(), angle, angle)
def test_no_statistic_depends_on_where_zero_is(a, b, turn_a, turn_b):
    one, other = circular_correlation(a, b), circular_correlation(a + turn_a, b + turn_b)
    # where one side hardly spreads the ratio is of two roundings
    spread = np.abs(np.sin(a[:, None] - a)).max() * np.abs(np.sin(b[:, None] - b)).max()
    if spread > 1e-3:
        assert one == pytest.approx(other, abs=1e-6)
        assert -1 - 1e-9 <= one <= 1 + 1e-9
    moved = align(a + turn_a, b + turn_b)
    assert align(a, b).length == pytest.approx(moved.length, abs=1e-9)


@given(some_angles())
def test_wrapping_keeps_the_point_on_the_circle(a):
    assert np.allclose(np.exp(1j * wrap(a)), np.exp(1j * a))
    assert (np.abs(wrap(a)) <= np.pi).all()


def test_the_error_is_the_median_distance_after_the_best_turn():
    b = np.radians(np.arange(0, 360, 30.0))
    off = np.radians(np.array([10, -10] * 6))
    assert np.degrees(angular_error(b + 2.0 + off, b)) == pytest.approx(10)
    assert np.degrees(angular_error(1.0 - b, b)) == pytest.approx(0, abs=1e-9)


def test_order_agreement_sees_order_and_not_distance():
    b = np.radians([0, 10, 25, 130, 200, 340])
    stretched = np.radians([5, 100, 110, 120, 300, 350])
    assert order_agreement(stretched, b) == 1
    assert order_agreement(-stretched, b) == -1
    rng = np.random.default_rng(0)
    chance = order_agreement(rng.uniform(0, 7, (500, 10)), rng.uniform(0, 7, (500, 10)))
    assert abs(chance.mean()) < 0.03


def test_leading_axes_are_separate_calls():
    a, b = np.random.default_rng(1).uniform(0, 7, (2, 5, 9))
    for statistic in (circular_correlation, angular_error, order_agreement):
        assert np.allclose(statistic(a, b), [statistic(x, y) for x, y in zip(a, b, strict=True)])


def test_the_first_harmonic_of_a_wave_is_the_wave():
    angles = np.radians(np.arange(0, 360, 30))
    wave = first_harmonic(5 + 2 * np.cos(angles - 1.1), angles)
    assert wave.peak == pytest.approx(1.1)
    assert wave.amplitude == pytest.approx(2)
    assert wave.mean == pytest.approx(5)
    assert wave.r2 == pytest.approx(1)


def test_the_first_harmonic_needs_no_even_spacing():
    angles = np.radians([0, 20, 50, 170, 300])
    wave = first_harmonic(np.cos(angles + 0.5), angles)
    assert wave.peak == pytest.approx(-0.5)
    assert wave.r2 == pytest.approx(1)


def test_a_second_harmonic_and_a_flat_response_are_not_explained():
    angles = np.radians(np.arange(0, 360, 30))
    assert first_harmonic(np.cos(2 * angles), angles).r2 == pytest.approx(0, abs=1e-12)
    flat = first_harmonic(np.full(12, -7.3), angles)
    assert flat.r2 == 0
    assert flat.amplitude == pytest.approx(0, abs=1e-12)


def test_two_angles_are_too_few_for_a_harmonic():
    with pytest.raises(ValueError, match="at least three distinct"):
        first_harmonic(np.ones(4), np.radians([0, 0, 90, 90]))
