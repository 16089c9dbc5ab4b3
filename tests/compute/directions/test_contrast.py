"""Labellings of texts: which there are, and the directions they give."""

from functools import partial
from math import comb

import numpy as np
import pytest

from volvelle.compute.directions.contrast import (
    FEWEST_NAMES,
    FEWEST_PAIRED,
    FEWEST_TEXTS,
    Contrast,
    Exchange,
)
from volvelle.compute.directions.pairs import pair_direction


def contrast(n_positive, n_negative, method="mean_diff", d=6):
    n = n_positive + n_negative
    states = np.random.default_rng(0).standard_normal((n, d)).astype("f4")
    fit = partial(pair_direction, method=method)
    return Contrast(states, np.arange(n) < n_positive, method != "mean_diff", fit)


def test_the_true_labels_give_the_direction():
    one = contrast(3, 4)
    expected = one.states[:3].mean(axis=0) - one.states[3:].mean(axis=0)
    np.testing.assert_allclose(one.direction(one.positive), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("n_positive", "n_negative", "others"),
    [(3, 3, 9), (4, 4, 34), (3, 4, 34), (6, 6, 461), (1, 3, 3)],
)
def test_every_other_labelling_is_listed_once_and_its_reverse_never(n_positive, n_negative, others):
    one = contrast(n_positive, n_negative)
    assert one.others == others
    found = one.relabelled(10**6, seed=0)
    assert len(found) == others
    unsigned = {min(row.tobytes(), (~row).tobytes()) for row in found}
    assert len(unsigned) == others
    assert one.positive.tobytes() not in {row.tobytes() for row in found}
    assert (~one.positive).tobytes() not in {row.tobytes() for row in found}
    sizes = {int(row.sum()) for row in found}
    assert sizes == {n_positive}


def test_of_many_labellings_some_are_drawn_and_none_twice():
    one = contrast(10, 10)
    assert one.others == comb(20, 10) // 2 - 1
    found = one.relabelled(200, seed=1)
    assert len({min(row.tobytes(), (~row).tobytes()) for row in found}) == 200
    np.testing.assert_array_equal(found, one.relabelled(200, seed=1))
    assert not np.array_equal(found, one.relabelled(200, seed=2))


@pytest.mark.parametrize(("n", "others"), [(4, 7), (8, 127), (12, 2047)])
def test_texts_that_are_paired_exchange_labels_within_their_pair(n, others):
    one = contrast(n, n, "pca_diff")
    assert one.others == others
    found = one.relabelled(50, seed=0)
    assert (found[:, :n] != found[:, n:]).all()
    for row in found[:5]:
        a = np.where(row[:n, None], one.states[:n], one.states[n:])
        b = np.where(row[:n, None], one.states[n:], one.states[:n])
        np.testing.assert_allclose(one.direction(row), pair_direction(a, b, "pca_diff"))


def test_fewer_than_eight_texts_in_two_halves_cannot_reach_a_p_of_five_percent():
    assert 1 / (contrast(4, 4).others + 1) < 0.05 < 1 / (contrast(3, 3).others + 1)
    assert FEWEST_TEXTS == 8
    assert contrast(4, 4).needed == 8


def test_pairs_need_twelve_texts_and_names_four():
    pairs = [contrast(n, n, "pca_diff") for n in (5, 6)]
    assert 1 / (pairs[1].others + 1) < 0.05 < 1 / (pairs[0].others + 1)
    assert pairs[0].needed == FEWEST_PAIRED == 12
    names = [Exchange(np.eye(n, dtype="f4"), np.arange(float(n))) for n in (3, 4)]
    assert 1 / (names[1].others + 1) < 0.05 < 1 / (names[0].others + 1)
    assert names[0].needed == FEWEST_NAMES == 4


def test_more_labellings_than_there_are_ends_with_all():
    one = contrast(7, 7)
    assert one.others == 1715
    assert len(one.relabelled(2000, seed=0)) == 1715


def test_a_fit_that_labels_do_not_change_has_no_others():
    one = contrast(8, 8, "pca_center")
    fixed = Contrast(one.states, one.positive, True, one.fit, fixed=True)
    assert fixed.others == 0
    assert len(fixed.relabelled(9, seed=0)) == 0
    for row in one.relabelled(9, seed=0):
        both = one.direction(row), one.direction(one.positive)
        assert abs(both[0] @ both[1]) > 0.999


def test_half_of_the_labellings_are_turned_round():
    found = contrast(6, 6).relabelled(400, seed=3)
    assert 0.35 < found[:, 0].mean() < 0.65


def test_exchanged_names_give_sums_of_the_same_vectors():
    rng = np.random.default_rng(0)
    one = Exchange(rng.standard_normal((9, 5)).astype("f4"), rng.standard_normal(9))
    np.testing.assert_allclose(one.direction(one.labels), one.weights @ one.states, rtol=1e-5)
    found = one.relabelled(40, seed=2)
    assert len({row.tobytes() for row in found}) == 40
    assert (np.sort(found, axis=1) == np.arange(9)).all()
    np.testing.assert_array_equal(found, one.relabelled(40, seed=2))
    three = Exchange(one.states[:3], one.weights[:3])
    assert len(three.relabelled(100, seed=0)) == three.others == 5
