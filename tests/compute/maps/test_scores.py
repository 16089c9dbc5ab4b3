"""Numbers beside the picture: known answers and their nulls."""

import numpy as np
import pytest

from volvelle.compute.maps.neighbours import nearest, unit_rows
from volvelle.compute.maps.scores import clusters, faithfulness, mixing, regions


def test_trustworthiness_is_that_of_scikit_learn():
    from sklearn.manifold import trustworthiness

    random = np.random.default_rng(0)
    x = unit_rows(random.standard_normal((300, 20)))
    xy = (x @ random.standard_normal((20, 2))).astype(np.float32)
    theirs = trustworthiness(x, xy, n_neighbors=15)  # unit rows: cosine and distance agree
    assert faithfulness(x, xy).trustworthiness == pytest.approx(theirs, abs=1e-6)


def test_a_picture_that_is_the_space_scores_one():
    angle = np.linspace(0, np.pi / 2, 200)
    x = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    score = faithfulness(x, x, k=10)
    assert score.trustworthiness == pytest.approx(1, abs=1e-3)
    assert score.recall > 0.98


def test_a_random_picture_scores_chance():
    random = np.random.default_rng(1)
    x = unit_rows(random.standard_normal((2000, 20)))
    score = faithfulness(x, random.standard_normal((2000, 2)).astype(np.float32))
    assert 0.45 < score.trustworthiness < 0.55
    assert score.recall < 0.02


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_few_points_score_a_number_or_say_that_there_is_none(n):
    x = unit_rows(np.random.default_rng(0).standard_normal((n, 5)))
    score = faithfulness(x, x[:, :2].copy())
    assert np.isnan(score.trustworthiness) == (n < 3)
    assert score.k == min(15, (n - 1) // 2)


def test_two_copies_of_one_space_mix_fully_and_two_clusters_do_not():
    random = np.random.default_rng(0)
    x = unit_rows(random.standard_normal((800, 30)))
    from_b = random.random(800) < 0.5
    together = mixing(nearest(x, None, 15), from_b)
    assert together.null_low <= together.share <= together.null_high
    apart = x + 4 * np.where(from_b, 1, -1)[:, None] * np.eye(30, dtype=np.float32)[0]
    split = mixing(nearest(unit_rows(apart), None, 15), from_b)
    assert split.share < 0.01
    assert split.null_mean == pytest.approx(2 * from_b.mean() * (1 - from_b.mean()), abs=0.02)


def half_and_half(a, b):
    x = np.vstack([a, b])
    return mixing(nearest(x, None, 15), np.arange(len(x)) >= len(a))


def test_equal_dictionaries_have_a_twin_each_and_unrelated_ones_none_beyond_chance():
    random = np.random.default_rng(1)
    a, b = (unit_rows(random.standard_normal((600, 40))) for _ in range(2))
    same, strangers = half_and_half(a, a), half_and_half(a, b)
    # what was shown: .53 and .50, of a maximum of 8/15
    assert same.share == pytest.approx(8 / 15, abs=0.01)
    assert strangers.share == pytest.approx(0.5, abs=0.02)
    assert same.twins == 1
    assert strangers.twins_low <= strangers.twins <= strangers.twins_high
    assert -0.15 < strangers.twins_low < strangers.twins_high < 0.15
    assert "twins 100% beyond chance" in str(same)


def test_the_share_of_twins_is_what_was_planted():
    random = np.random.default_rng(2)
    a, b = (unit_rows(random.standard_normal((800, 60))) for _ in range(2))
    b[:200] = unit_rows(a[:200] + 0.02 * random.standard_normal((200, 60)))
    assert half_and_half(a, b).twins == pytest.approx(0.25, abs=0.07)


def test_unrelated_dictionaries_have_no_twins_on_average():
    random = np.random.default_rng(3)
    found = [
        half_and_half(*(unit_rows(random.standard_normal((200, 30))) for _ in range(2))).twins
        for _ in range(20)
    ]
    assert abs(np.mean(found)) < 0.05


def test_twins_are_counted_among_the_smaller_dictionary():
    random = np.random.default_rng(4)
    a = unit_rows(random.standard_normal((600, 40)))
    assert half_and_half(a, a[:60]).twins == 1
    assert half_and_half(a[:60], a).twins == 1


def test_dictionaries_that_keep_apart_are_below_nought():
    random = np.random.default_rng(5)
    a, b = random.standard_normal((2, 300, 20)).astype(np.float32)
    a[:, 0] += 8
    b[:, 0] -= 8
    assert half_and_half(unit_rows(a), unit_rows(b)).twins == pytest.approx(-1, abs=0.05)


def test_one_dictionary_alone_does_not_mix():
    x = unit_rows(np.random.default_rng(0).standard_normal((50, 8)))
    score = mixing(nearest(x, None, 5), np.zeros(50, bool))
    assert score.share == 0
    assert np.isnan(score.share_b)
    assert np.isnan(score.twins)


def test_clusters_are_the_planted_ones_largest_first():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [200, 100, 50])
    centres = np.eye(12)[:3] * 5
    x = unit_rows(centres[truth] + 0.3 * random.standard_normal((350, 12)))
    assert (clusters(x, 3, seed=3) == truth).all()


def test_fewer_points_than_clusters_and_zero_rows_are_clustered():
    assert clusters(np.zeros((3, 4), np.float32), 8).shape == (3,)
    assert clusters(np.zeros((1, 4), np.float32), 8).tolist() == [0]


def test_regions_are_named_by_what_is_common_there_and_rare_elsewhere():
    random = np.random.default_rng(0)
    middle = np.repeat([[0, 0], [10, 0]], 100, axis=0)
    xy = (middle + random.standard_normal((200, 2))).astype(np.float32)
    tokens = [["the", " joy"]] * 100 + [["the", "!"]] * 50 + [["Rain ", "the"]] * 50
    found = regions(xy, tokens, sizes=(2,))
    assert {region.text for region in found} == {"joy", "rain"}
    assert all(region.n == 100 for region in found)
    assert next(r.x for r in found if r.text == "joy") == pytest.approx(0, abs=0.5)


def test_maps_too_small_for_regions_have_none():
    assert regions(np.zeros((20, 2), np.float32), [["a"]] * 20) == []
