"""Matches are what was planted, and chance is told apart from them."""

import numpy as np
import pytest
import scipy.sparse as sp

from volvelle.compute.maps.counterparts import best_by_correlation, best_by_cosine, best_cosines
from volvelle.compute.maps.matching import Scrambler, match_by_correlation, match_by_cosine
from volvelle.compute.maps.neighbours import unit_rows


def planted(n=600, n_shared=300, d=128, seed=0):
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, n, d))
    b[:n_shared] = a[:n_shared]
    return unit_rows(a), unit_rows(b)


def test_a_planted_half_is_found_and_the_null_removes_most_of_the_chance_pairs():
    plain, above = [], []
    for seed in range(4):
        found = match_by_cosine(*planted(seed=seed), n_null=5)
        plain.append(found.mutual.sum())
        above.append((found.mutual & found.above).sum())
        own = found.a == found.b
        assert (own & found.mutual & found.above & (found.a < 300)).sum() == 300
    # mutual nearest neighbours alone are 24 % too many
    assert 365 < np.mean(plain) < 390
    assert 303 < np.mean(above) < 313


def test_two_random_dictionaries_hardly_match():
    random = np.random.default_rng(3)
    a, b = (unit_rows(random.standard_normal((500, 64))) for _ in range(2))
    found = match_by_cosine(a, b, n_null=5)
    assert found.mutual.sum() > 60
    assert (found.mutual & found.above).sum() < 30


def test_a_subspace_both_live_in_is_no_evidence_of_a_match():
    # 500 random directions each, in the same 20 of 256 dimensions: cosines are large by chance
    random = np.random.default_rng(4)
    basis = np.linalg.qr(random.standard_normal((256, 20)))[0]
    a, b = (unit_rows(random.standard_normal((500, 20)) @ basis.T) for _ in range(2))
    found = match_by_cosine(a, b, n_null=5)
    assert found.threshold > 0.6
    assert (found.mutual & found.above).sum() < 0.1 * 500


def test_a_scramble_keeps_mean_and_variances_and_no_row():
    a, _ = planted()
    a = unit_rows(a + 0.3)
    other = Scrambler(a)(np.random.default_rng(0))
    np.testing.assert_allclose(other.mean(0), a.mean(0), atol=0.02)
    np.testing.assert_allclose(np.cov(other.T).trace(), np.cov(a.T).trace(), rtol=0.05)
    assert np.linalg.norm(other - a, axis=1).min() > 0.3


def test_every_candidate_is_kept_best_first_with_its_ranks():
    a, b = planted(100, 50)
    b[50] = b[0]  # one to many: a's first feature has two counterparts
    found = match_by_cosine(a, b, n_null=2)
    assert (np.diff(found.score) <= 0).all()
    many = found.b[(found.a == 0) & (found.score > 0.99)]
    assert set(many) == {0, 50}
    first = (found.a == 0) & (found.rank_a == 1)
    assert first.sum() == 1
    assert len(set(zip(found.a.tolist(), found.b.tolist(), strict=True))) == len(found.a)
    assert found.mutual[(found.rank_a == 1) & (found.rank_b == 1)].all()


def test_quick_best_cosines_are_those_of_the_search():
    a, b = planted(300, 100)
    best = best_by_cosine(a, b, 1)
    of_a, of_b, mutual = best_cosines(a, b)
    np.testing.assert_allclose(of_a, best.score_a[:, 0], atol=1e-5)
    np.testing.assert_allclose(of_b, best.score_b[:, 0], atol=1e-5)
    both = best.of_b[best.of_a[:, 0], 0] == np.arange(len(a))
    np.testing.assert_allclose(mutual, best.score_a[both, 0], atol=1e-5)


def codes(n_tokens=4000, n=80, density=0.05, seed=0):
    random = np.random.default_rng(seed)
    return sp.random_array(
        (n_tokens, n), density=density, format="csr", rng=random, dtype=np.float32
    )


def test_correlations_are_those_of_numpy(monkeypatch):
    a, b = codes(seed=0), codes(seed=1, n=60)
    monkeypatch.setattr("volvelle.compute.maps.counterparts.BLOCK_CELLS", 60 * 7)
    best = best_by_correlation(a, b, 4)
    full = np.corrcoef(a.toarray().T, b.toarray().T)[:80, 80:]
    np.testing.assert_allclose(best.score_a, np.sort(full, 1)[:, ::-1][:, :4], atol=1e-5)
    np.testing.assert_allclose(best.score_b, np.sort(full.T, 1)[:, ::-1][:, :4], atol=1e-5)
    np.testing.assert_allclose(full[np.arange(80), best.of_a[:, 0]], best.score_a[:, 0], atol=1e-5)
    np.testing.assert_allclose(full[best.of_b[:, 3], np.arange(60)], best.score_b[:, 3], atol=1e-5)


def test_features_that_never_change_match_nothing():
    a, b = codes(n=10).tolil(), codes(seed=1, n=10)
    a[:, 3] = 0
    a[:, 4] = 2.0
    best = best_by_correlation(a.tocsr(), b, 2)
    assert (best.of_a[[3, 4]] == -1).all()
    found = match_by_correlation(a.tocsr(), b, n_null=2)
    assert not np.isin([3, 4], found.a).any()


def test_activations_shared_by_half_are_matched_by_correlation():
    shared, own_a, own_b = codes(n=40), codes(n=40, seed=1), codes(n=40, seed=2)
    a, b = sp.hstack([shared, own_a]).tocsr(), sp.hstack([shared * 3, own_b]).tocsr()
    found = match_by_correlation(a, b, n_null=10)
    pairs = found.mutual & found.above
    assert (found.a[pairs & (found.a < 40)] == found.b[pairs & (found.a < 40)]).all()
    assert (found.a[pairs] < 40).sum() == 40
    assert pairs.sum() < 48


@pytest.mark.parametrize("n", [1, 2, 15])
def test_few_features_are_matched(n):
    a, _ = planted(n, n, 32)
    found = match_by_cosine(a, a)
    assert found.mutual.sum() == n
    assert np.isfinite(found.threshold)


def test_different_sizes_are_matched_by_the_stricter_threshold():
    a, b = planted(600, 20)
    found = match_by_cosine(a, b[:20], n_null=20)
    assert (found.mutual & found.above).sum() >= 20
    assert found.threshold > 0.2


def test_features_that_fire_once_match_nothing_though_they_correlate_fully():
    a = sp.random_array((400, 200), density=1 / 400, format="csr", rng=np.random.default_rng(0))
    found = match_by_correlation(a.astype(np.float32), a.astype(np.float32), n_null=3)
    assert len(found.a) == 0
    assert (found.compared_a, found.compared_b) == (0, 0)
    often = match_by_correlation(codes(n=20), codes(n=20), n_null=3)
    assert often.compared_a == 20
    assert (often.mutual & often.above).sum() == 20


def test_no_tokens_at_all_give_no_match():
    empty = sp.csr_array((0, 5), dtype=np.float32)
    found = match_by_correlation(empty, empty, n_null=1)
    assert len(found.a) == 0


# -- what is found where there is nothing to find --------------------------------------------


def test_unrelated_directions_match_as_many_as_are_expected():
    random = np.random.default_rng(2)
    found, expected = [], []
    for _ in range(20):
        a, b = (unit_rows(random.standard_normal((300, 40))) for _ in range(2))
        each = match_by_cosine(a, b, n_null=20, seed=int(random.integers(1000)))
        found.append(int((each.mutual & each.above).sum()))
        expected.append(each.n_expected)
    assert min(expected) > 1
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.2)


def test_planted_matches_are_many_more_than_expected():
    a, b = planted(300, 100)
    found = match_by_cosine(a, b, n_null=10)
    assert (found.mutual & found.above).sum() > 4 * found.n_expected


def test_unrelated_activations_match_as_many_as_are_expected():
    found = [match_by_correlation(codes(seed=i), codes(seed=i + 50), n_null=5) for i in range(6)]
    counts = [int((each.mutual & each.above).sum()) for each in found]
    expected = [each.n_expected for each in found]
    assert np.mean(counts) == pytest.approx(np.mean(expected), abs=2)
    assert np.isfinite(expected).all()


def test_above_the_rows_that_are_paired_nothing_is_expected(monkeypatch):
    monkeypatch.setattr("volvelle.compute.maps.matching.MOST_PAIRED", 50)
    monkeypatch.setattr("volvelle.compute.maps.matching.NULL_SCORES", 25)
    a, b = planted(60, 40)
    assert np.isnan(match_by_cosine(a, b, n_null=2).n_expected)
