"""The exact search is exact, in either precision, and small or odd inputs have an answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volvelle.compute.maps import neighbours
from volvelle.compute.maps.joined import both_ways
from volvelle.compute.maps.neighbours import nearest, unit_rows


def clustered(n, d, seed=0):
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(n // 20, 1), d))
    return unit_rows(
        centres[random.integers(len(centres), size=n)] + random.standard_normal((n, d))
    )


def by_sorting(x, k):
    cosines = (x.astype(np.float64) @ x.T.astype(np.float64)).copy()
    np.fill_diagonal(cosines, -2)
    return np.sort(cosines, axis=1)[:, ::-1][:, :k]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_cosines_are_those_of_a_full_sort(bfloat16):
    x = clustered(700, 64)
    found = nearest(x, None, 15, bfloat16=bfloat16)
    np.testing.assert_allclose(found.cosines, by_sorting(x, 15), atol=1e-6)
    assert (found.indices != np.arange(700)[:, None]).all()


def test_bfloat16_candidates_give_the_float32_answer_where_many_are_nearly_equal():
    # cosines within a few thousandths: what bfloat16 cannot order, so rows are searched again
    random = np.random.default_rng(1)
    base = random.standard_normal(128)
    x = unit_rows(base + 0.2 * random.standard_normal((900, 128)))
    low, full = (nearest(x, None, 15, bfloat16=b) for b in (True, False))
    np.testing.assert_allclose(low.cosines, full.cosines, atol=1e-6)
    assert (low.indices == full.indices).mean() > 0.999


def test_bfloat16_proof_holds_when_one_coordinate_carries_a_row():
    random = np.random.default_rng(2)
    x = random.standard_normal((600, 32)) * 0.05
    x[:, 0] = 1 + 0.01 * random.standard_normal(600)
    x = unit_rows(x)
    low, full = (nearest(x, None, 10, bfloat16=b) for b in (True, False))
    np.testing.assert_allclose(low.cosines, full.cosines, atol=1e-6)


def test_rows_of_another_set_are_found_with_the_row_itself():
    x = clustered(200, 24)
    found = nearest(x, x, 1)
    assert (found.indices[:, 0] == np.arange(200)).all()
    np.testing.assert_allclose(found.cosines, 1, atol=1e-6)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_copies_are_each_others_neighbours_and_never_their_own(bfloat16):
    x = np.repeat(clustered(100, 16), 4, axis=0)
    found = nearest(x, None, 3, bfloat16=bfloat16)
    assert (found.indices // 4 == (np.arange(400) // 4)[:, None]).all()
    assert (found.indices != np.arange(400)[:, None]).all()


@pytest.mark.parametrize("n", [1, 2, 15, 16])
def test_few_rows_have_as_many_neighbours_as_there_are(n):
    found = nearest(clustered(n, 8), None, 15)
    assert found.indices.shape == (n, min(15, n - 1))
    for row, own in zip(found.indices, range(n), strict=True):
        assert len({*row.tolist(), own}) == len(row) + 1


def test_zero_rows_stay_zero_and_extreme_scales_do_not_overflow():
    rows = unit_rows(np.array([[0.0, 0.0], [3e30, 4e30], [3e-30, 4e-30]]))
    np.testing.assert_allclose(rows, [[0, 0], [0.6, 0.8], [0.6, 0.8]], rtol=1e-6)


def test_a_tensor_in_half_precision_is_taken():
    assert unit_rows(torch.ones(2, 4, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.slow  # numba compiles
def test_the_approximate_search_finds_nearly_all_and_leaves_out_the_row_itself():
    x = clustered(1500, 32)
    exact = nearest(x, None, 10)
    found = neighbours.neighbours(x, 10, method="approximate")
    assert found.method == "approximate"
    assert (found.indices != np.arange(1500)[:, None]).all()
    hits = [len(set(a) & set(b)) for a, b in zip(found.indices, exact.indices, strict=True)]
    assert np.mean(hits) > 9.5


@pytest.mark.slow  # numba compiles
def test_the_search_turns_approximate_above_the_crossover(monkeypatch):
    monkeypatch.setattr(neighbours, "crossover", lambda _: 100)
    assert neighbours.neighbours(clustered(100, 8), 5).method == "exact"
    assert neighbours.neighbours(clustered(101, 8), 5).method == "approximate"


def test_progress_grows_to_one_and_can_end_the_search():
    seen = []
    nearest(clustered(1500, 8), None, 3, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 1

    def enough(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nearest(clustered(1500, 8), None, 3, on_progress=enough)


@settings(max_examples=25)
@given(st.integers(2, 60), st.integers(1, 12), st.integers(0, 1000), st.booleans())
def test_a_rotation_changes_no_neighbour(n, d, seed, bfloat16):
    random = np.random.default_rng(seed)
    x = unit_rows(random.standard_normal((n, d)))
    turn = np.linalg.qr(random.standard_normal((d, d)))[0].astype(np.float32)
    before, after = (nearest(v, None, 5, bfloat16=bfloat16) for v in (x, unit_rows(x @ turn)))
    np.testing.assert_allclose(before.cosines, after.cosines, atol=2e-6)


@pytest.mark.parametrize(("n_a", "n_b"), [(80, 50), (1, 1), (1, 3), (15, 2)])
def test_one_pass_over_two_sets_finds_what_four_searches_do(n_a, n_b):
    random = np.random.default_rng(0)
    a, b = (unit_rows(random.standard_normal((n, 12))) for n in (n_a, n_b))
    told = []
    joint, own, across = both_ways(a, b, 6, on_progress=told.append)
    whole = nearest(np.vstack([a, b]), None, 6)
    np.testing.assert_array_equal(joint.indices, whole.indices)
    np.testing.assert_allclose(joint.cosines, whole.cosines, atol=1e-6)
    np.testing.assert_array_equal(own[1].indices, nearest(b, None, 6).indices)
    np.testing.assert_array_equal(across[0].indices, nearest(a, b, 6).indices)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
