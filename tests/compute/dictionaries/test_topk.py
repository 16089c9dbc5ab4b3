from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volvelle.compute.dictionaries import topk


def by_hand(pre, k, *, by_size=False):
    """Sort each row, keep what reaches the k-th."""
    score = np.abs(pre) if by_size else pre
    out = np.zeros_like(pre)
    for row, (values, sizes) in enumerate(zip(pre, score, strict=True)):
        kth = np.sort(sizes)[-k] if k <= len(sizes) else -np.inf
        keep = (sizes >= kth) & (by_size | (values > 0))
        out[row, keep] = values[keep]
    return out


def dense(found, shape):
    values, columns, starts = found[:3]
    out = np.zeros(shape, np.float32)
    row = np.repeat(np.arange(shape[0]), np.diff(starts))
    out[row, columns] = values
    return out


def draw(n_rows, n, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n)).astype(np.float32)


@pytest.mark.parametrize("by_size", [False, True])
@pytest.mark.parametrize(("n", "k"), [(5, 2), (300, 5), (4608, 32), (1009, 7), (40, 39), (64, 1)])
def test_the_k_largest_are_those_of_a_sort(n, k, by_size):
    pre = draw(40, n)
    found = topk.largest(torch.as_tensor(pre), k, by_size=by_size)
    np.testing.assert_array_equal(dense(found, pre.shape), by_hand(pre, k, by_size=by_size))


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 200), st.integers(1, 30), st.integers(1, 9), st.booleans())
def test_any_shape_and_ties_agree_with_a_sort(n_rows, n, k, levels, by_size):
    rng = np.random.default_rng(n * 31 + k)
    pre = rng.integers(-levels, levels + 1, size=(n_rows, n)).astype(np.float32)
    found = topk.largest(torch.as_tensor(pre), k, by_size=by_size)
    np.testing.assert_array_equal(dense(found, pre.shape), by_hand(pre, k, by_size=by_size))


def test_columns_ascend_in_each_row():
    _, columns, starts, _ = topk.largest(torch.as_tensor(draw(30, 900)), 8, by_size=True)
    for a, b in pairwise(starts):
        assert (np.diff(columns[a:b]) > 0).all()


def test_the_cut_lies_half_way_between_the_kth_and_the_next():
    pre = torch.tensor([[5.0, 1.0, 4.0, 2.0]])
    assert topk.largest(pre, 2, by_size=False)[3].tolist() == [3.0]
    assert topk.largest(pre, 4, by_size=False)[3].tolist() == [-np.inf]
    assert topk.largest(pre, 9, by_size=False)[3].tolist() == [-np.inf]


def test_entries_equal_to_the_kth_are_all_kept_and_the_cut_admits_them():
    pre = torch.tensor([[3.0, 7.0, 3.0, 3.0, 1.0]])
    values, _, _, cut = topk.largest(pre, 2, by_size=False)
    assert sorted(values.tolist()) == [3, 3, 3, 7]
    assert cut.tolist() == [3.0]


def test_negative_ones_among_the_k_largest_are_zero_as_after_a_relu():
    pre = torch.tensor([[-1.0, -2.0, 3.0, -4.0]])
    assert topk.largest(pre, 3, by_size=False)[0].tolist() == [3.0]


def test_the_search_in_groups_equals_the_search_of_everything():
    pre = draw(64, 2048)
    fast = topk._search(torch.as_tensor(pre), 9)
    kth, below = topk._two(pre, 9)
    np.testing.assert_array_equal(fast[1], kth)
    np.testing.assert_array_equal(fast[2], below)
    np.testing.assert_array_equal(fast[0], np.flatnonzero(pre >= kth[:, None]))


def test_all_largest_in_one_group_are_found():
    pre = draw(4, 1024) * 0.1
    pre[:, 5::128] += 10  # group 5 of 128 holds eight of them
    found = topk.largest(torch.as_tensor(pre), 8, by_size=False)
    assert set(found[1].tolist()) == set(range(5, 1024, 128))


def test_rows_that_are_all_equal_keep_everything():
    pre = torch.ones(3, 512)
    assert len(topk.largest(pre, 4, by_size=False)[0]) == 3 * 512


def test_above_keeps_what_is_above_each_columns_threshold():
    pre = draw(20, 50)
    threshold = torch.linspace(0, 1, 50)
    found = topk.above(torch.as_tensor(pre), threshold)
    np.testing.assert_array_equal(
        dense(found, pre.shape), np.where(pre > threshold.numpy(), pre, 0)
    )


def test_no_rows_give_no_rows():
    values, columns, starts, cut = topk.largest(torch.zeros(0, 300), 4, by_size=False)
    assert len(values) == len(columns) == len(cut) == 0
    assert starts.tolist() == [0]
