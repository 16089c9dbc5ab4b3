"""Permutation tests: what is shuffled, what is kept, and what p can say."""

import numpy as np
import pytest

from volvelle.compute.stats.permutation import (
    PermutationTest,
    largest_of,
    orders_within,
    p_value,
    shuffles,
    shuffles_by_group,
    shuffles_within,
)

BLOCKS = np.array([0, 0, 0, 1, 1, 2, 0])


def test_shuffles_are_permutations_and_the_same_for_one_seed():
    found = shuffles(6, 50, seed=1)
    assert (np.sort(found, axis=1) == np.arange(6)).all()
    assert np.array_equal(found, shuffles(6, 50, seed=1))
    assert not np.array_equal(found, shuffles(6, 50, seed=2))


def test_shuffles_within_blocks_keep_blocks_and_reach_every_order():
    found = shuffles_within(BLOCKS, 2000, seed=0)
    assert (BLOCKS[found] == BLOCKS).all()
    assert len(np.unique(found, axis=0)) == orders_within(BLOCKS) == 24 * 2


def test_shuffles_by_group_move_whole_groups():
    groups = np.array([5, 7, 5, 9, 7, 9])
    found = shuffles_by_group(groups, 500, seed=0)
    assert (np.sort(found, axis=1) == np.arange(6)).all()
    for order in found:
        moved = groups[order]
        assert all(len(set(moved[groups == g])) == 1 for g in (5, 7, 9))
    assert len(np.unique(found, axis=0)) == 6
    with pytest.raises(ValueError, match=r"sizes \[1, 2\], expected one size"):
        shuffles_by_group(np.array([0, 0, 1]), 5, seed=0)


def test_p_is_never_zero_and_ties_count_against():
    assert p_value(3.0, np.arange(3.0)) == 0.25
    assert p_value(2.0, np.arange(3.0)) == 0.5


def test_a_test_that_cannot_reach_five_percent_says_so():
    few = PermutationTest("names", 1.0, np.zeros(9))
    assert not few.can_tell
    assert "cannot tell" in repr(few)
    coarse = PermutationTest("names", 1.0, np.zeros(999), smallest=1 / 6)
    assert coarse.p == pytest.approx(1 / 6)
    assert not coarse.can_tell
    assert "names: 1.00, median 0.00" in repr(PermutationTest("names", 1.0, np.zeros(99)))


def test_the_largest_of_many_measures_pays_for_the_choice():
    rng = np.random.default_rng(0)
    small = []
    for _ in range(300):
        drawn = rng.standard_normal((10, 100))
        test = largest_of("layers", drawn[:, 0], drawn[:, 1:])
        small.append(test.p <= 0.05)
    assert test.family == "layers, largest of 10"
    # 15 of 300 expected; more than 28 has probability < .001
    assert sum(small) <= 28
