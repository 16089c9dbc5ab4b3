"""Matches are what was planted, and chance is told apart from them."""

import numpy as np
import pytest
import scipy.sparse as sp

from volvelle.compute.maps.counterparts import best_by_correlation, best_by_cosine, best_cosines
from volvelle.compute.maps.families import kin_of, stand_apart
from volvelle.compute.maps.matching import match_by_correlation, match_by_cosine
from volvelle.compute.maps.neighbours import unit_rows
from volvelle.compute.maps.scrambled import FamilyScrambler, Scrambler


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
    for _ in range(8):
        a, b = (unit_rows(random.standard_normal((600, 40))) for _ in range(2))
        each = match_by_cosine(a, b, n_null=5, seed=int(random.integers(1000)))
        found.append(each.certain.sum())
        expected.append(each.n_expected)
    assert min(expected) > 1
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.35)
    # by the threshold of scrambled directions alone it is 5 %
    assert np.mean(found) < 0.015 * 600


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


def test_above_the_rows_that_are_paired_a_part_of_them_is_asked(monkeypatch):
    a, b = planted(600, 0, 40)
    whole = match_by_cosine(a, b, n_null=4)
    monkeypatch.setattr("volvelle.compute.maps.matching.MOST_PAIRED", 500)
    monkeypatch.setattr("volvelle.compute.maps.matching.NULL_SCORES", 250)
    monkeypatch.setattr("volvelle.compute.maps.families.ROWS_AT_ONCE", 300)
    part = match_by_cosine(a, b, n_null=4)
    assert part.n_expected == pytest.approx(whole.n_expected, rel=0.3)
    assert part.apart_threshold == pytest.approx(whole.apart_threshold, rel=0.1)


# -- families --------------------------------------------------------------------------------


def families(n, d, n_families, cosine, seed, noise=None):  # noqa: PLR0917
    """Two dictionaries of the same families; with noise, b's rows are a's, so much further."""
    random = np.random.default_rng(seed)
    centres = unit_rows(random.standard_normal((n_families, d)))
    spread = np.sqrt(1 / cosine - 1)

    def members():
        own = random.standard_normal((n, d)) / np.sqrt(d)
        return unit_rows(centres[random.integers(0, n_families, n)] + spread * own)

    a = members()
    if noise is None:
        return a, members()
    own = np.sqrt(1 - cosine) * random.standard_normal((n, d)) / np.sqrt(d)
    return a, unit_rows(a + noise * own)


@pytest.mark.parametrize(
    ("n", "d", "n_families", "cosine"),
    [(600, 128, 10, 0.5), (600, 128, 30, 0.8), (300, 64, 30, 0.8), (1000, 64, 60, 0.8)],
)
def test_strangers_of_the_same_families_do_not_match(n, d, n_families, cosine):
    for seed in range(2):
        found = match_by_cosine(*families(n, d, n_families, cosine, seed), n_null=5, seed=seed)
        # mutual, above scrambled directions, and chance: a quarter to a third of all
        assert (found.mutual & found.above).sum() > 0.25 * n
        assert found.certain.sum() < 0.03 * n
        assert found.certain.sum() < 3 * found.n_expected + 3
        assert found.of_one_family.sum() > 0.22 * n


@pytest.mark.parametrize(("noise", "recall"), [(0, 1), (0.5, 0.99), (1, 0.97)])
@pytest.mark.parametrize("cosine", [0.01, 0.8])  # of 0.01 no family is one
def test_twins_match_within_families_and_without(noise, recall, cosine):
    found = match_by_cosine(*families(600, 128, 30, cosine, 3, noise), n_null=5)
    twins = found.a == found.b
    assert (found.certain & twins).sum() >= recall * 600
    assert (found.certain & ~twins).sum() == 0


def test_rotating_both_dictionaries_changes_no_match():
    a, b = families(300, 64, 20, 0.6, 5, 0.5)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 64)))[0].astype(np.float32)
    plain, turned = match_by_cosine(a, b), match_by_cosine(a @ turn, b @ turn)
    pairs = [set(zip(f.a[f.certain], f.b[f.certain], strict=True)) for f in (plain, turned)]
    assert len(pairs[0] & pairs[1]) > 0.97 * len(pairs[0])


def test_a_pair_stands_apart_by_the_fisher_z_over_the_spread_of_its_families():
    a, b = families(60, 16, 4, 0.5, 1)
    kin = [kin_of(rows) for rows in (a, b)]
    apart = stand_apart(a, b, (np.array([7]), np.array([9])), (kin[0][[7]], kin[1][[9]]))
    expected = []
    for k in (4, 8):
        rows, columns = [7, *kin[0][7][:k]], [9, *kin[1][9][:k]]
        z = np.arctanh((a @ b.T)[np.ix_(rows, columns)]).ravel()
        middle = np.median(z[1:])
        expected.append((z[0] - middle) / (1.4826 * np.median(abs(z[1:] - middle))))
    assert apart[0] == pytest.approx(min(expected), rel=1e-4)


def test_pairs_gathered_in_parts_stand_apart_alike(monkeypatch):
    a, b = families(60, 16, 4, 0.5, 1)
    own = np.arange(60)
    arguments = a, b, (own, own), (kin_of(a), kin_of(b))
    table = stand_apart(*arguments)
    monkeypatch.setattr("volvelle.compute.maps.families.TABLE_CELLS", 0)
    monkeypatch.setattr("volvelle.compute.maps.families.GATHERED", 3000)
    np.testing.assert_allclose(stand_apart(*arguments), table, rtol=1e-3, atol=1e-3)


def test_a_scramble_within_families_keeps_their_middles_and_no_row():
    _, b = families(600, 128, 20, 0.8, 2)
    drawn = FamilyScrambler(b)(np.random.default_rng(0))
    # as near to its old place as its family is, and no nearer
    assert 0.65 < np.median((drawn * b).sum(1)) < 0.82
    assert ((drawn * b).sum(1) > 0.95).mean() < 0.01
    near = [np.sort(x @ x.T, axis=1)[:, -9:-1].mean() for x in (b, drawn)]
    assert near[1] == pytest.approx(near[0], abs=0.1)
    whole = Scrambler(b)(np.random.default_rng(0))
    assert np.sort(whole @ whole.T, axis=1)[:, -9:-1].mean() < near[0] - 0.2


def test_fewer_than_sixteen_rows_are_not_held_against_families():
    a, _ = planted(15, 15, 32)
    found = match_by_cosine(a, a)
    assert not found.families_tested
    assert np.isnan(found.apart_threshold)
    assert found.certain.sum() == 15
    again, _ = planted(16, 16, 32)
    assert match_by_cosine(again, again).families_tested
