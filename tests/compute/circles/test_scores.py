"""Leave-one-out, split halves, bootstrap and nulls: fast forms equal the slow ones."""

import numpy as np
import pytest

from volvelle.compute.circles.angles import circular_correlation, wrap
from volvelle.compute.circles.layers import score_layers
from volvelle.compute.circles.null import (
    Null,
    pick,
    random_scores,
    shuffled_scores,
)
from volvelle.compute.circles.planes import principal_components, rotation_to, unit_circle
from volvelle.compute.circles.scores import (
    bootstrap_angles,
    gram,
    gram_scores,
    leave_one_out,
    ridge_weights,
    split_half,
    spread_of,
)
from volvelle.compute.stats.permutation import p_value

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((10, 30))
ANGLES = RNG.uniform(0, 2 * np.pi, 10)


def test_left_out_ridge_predictions_equal_ten_refits():
    slow = []
    for i in range(10):
        keep = np.arange(10) != i
        parts = principal_components(ROWS[keep])
        scale = parts.scores[:, 0].std()
        z = parts.scores[:, :7] / scale
        targets = unit_circle(ANGLES[keep])
        weights = np.linalg.solve(z.T @ z + np.eye(7), z.T @ (targets - targets.mean(0)))
        slow.append((ROWS[i] - parts.mean) @ parts.rows[:7].T / scale @ weights)
    assert np.allclose(leave_one_out(ROWS, ANGLES, "ridge"), slow)
    assert np.allclose(np.diag(ridge_weights(gram(ROWS))), 0)


def test_left_out_components_equal_ten_refits():
    slow = []
    for i in range(10):
        keep = np.arange(10) != i
        parts = principal_components(ROWS[keep])
        turn = rotation_to(parts.scores[:, :2], unit_circle(ANGLES[keep]))
        slow.append((ROWS[i] - parts.mean) @ parts.rows[:2].T @ turn)
    assert np.allclose(leave_one_out(ROWS, ANGLES, "pca"), slow)


@pytest.mark.parametrize("method", ["pca", "ridge"])
def test_shuffling_labels_equals_fitting_shuffled_labels(method):
    from volvelle.compute.stats.permutation import shuffles

    fast = shuffled_scores(ROWS, ANGLES, method, n_null=5, seed=3)
    for order, score in zip(shuffles(10, 5, 3), fast, strict=True):
        target = ANGLES[order]
        if method == "ridge":
            xy = leave_one_out(ROWS, target, "ridge")
            slow = np.cos(np.arctan2(xy[:, 1], xy[:, 0]) - target).mean()
        else:
            xy = principal_components(ROWS).scores[:, :2]
            slow = abs(circular_correlation(np.arctan2(xy[:, 1], xy[:, 0]), target))
        assert score == pytest.approx(slow)


def test_gram_scores_are_component_scores_up_to_sign():
    ours, theirs = gram_scores(gram(ROWS), 3), principal_components(ROWS).scores[:, :3]
    assert np.allclose(np.abs(ours), np.abs(theirs))


@pytest.mark.parametrize("d", [6, 60])
def test_random_vectors_drawn_by_their_gram_score_like_random_vectors(d):
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(800):
        z = principal_components(rng.standard_normal((10, d))).scores
        drawn.append(abs(circular_correlation(np.arctan2(z[:, 1], z[:, 0]), ANGLES)))
    fast = random_scores(ANGLES, d, "pca", n_null=2000)
    for q in (0.5, 0.9):
        assert np.quantile(fast, q) == pytest.approx(np.quantile(drawn, q), abs=0.05)


def test_the_same_seed_draws_the_same_null():
    for method in ("pca", "ridge", "axes"):
        one, same, other = (
            random_scores(ANGLES, 30, method, n_null=60, seed=seed) for seed in (0, 0, 1)
        )
        assert len(one) == 60
        assert (one == same).all()
        assert (one != other).any()


def test_p_is_never_zero_and_counts_ties_against_us():
    assert p_value(0.5, np.array([0.1, 0.2, 0.3])) == 0.25
    assert p_value(0.2, np.array([0.1, 0.2, 0.3])) == 0.75


def test_picking_the_best_layer_is_paid_for():
    rng = np.random.default_rng(0)
    nulls = rng.uniform(0, 0.5, (30, 1000))
    index, best = pick(np.r_[np.full(29, 0.1), 0.49], nulls)
    assert index == 29
    assert (best >= nulls[29]).all()
    naive = Null(0.49, nulls[29], np.zeros(1000))
    paid = Null(0.49, nulls[29], np.zeros(1000), best=best, n_tried=30)
    assert naive.p < 0.05 < paid.p
    assert "over 30 layers" in repr(paid)
    assert naive.limit() == pytest.approx(0.475, abs=0.01)


def test_a_layer_chosen_by_hand_says_that_p_does_not_pay_for_it():
    named = Null(0.49, np.zeros(1000), np.zeros(1000), by_hand=30)
    assert "not corrected for the choice of a layer out of 30" in repr(named)
    assert "corrected" not in repr(Null(0.49, np.zeros(1000), np.zeros(1000)))


def layers_of_noise(seed, n_points=9, n=12, d=16):
    rng = np.random.default_rng(seed)
    points = ("embed", *(f"resid_post.{i}" for i in range(n_points - 1)))
    means = rng.standard_normal((n_points, n, d))
    return score_layers(points, means, 2 * np.pi * np.arange(n) / n, n_null=199, seed=seed)


def test_the_corrected_p_of_a_strip_holds_over_all_its_points():
    # noise in nine points: the best of them passes its own shuffles in a third of draws
    found = [layers_of_noise(seed) for seed in range(120)]
    alone = np.mean([(one.score > one.limit).any() for one in found])
    paid = np.mean([one.corrected.min() <= 0.05 for one in found])
    line = np.mean([one.score.max() > one.corrected_limit for one in found])
    assert alone > 0.25
    assert paid < 0.1
    assert abs(line - paid) < 0.03


def test_the_embedding_has_its_corrected_p_and_is_never_picked():
    found = layers_of_noise(3)
    assert len(found.corrected) == len(found.points) == 9
    assert found.picked > 0
    assert (found.largest >= found.best).all()
    expected = (1 + (found.largest >= found.score[0] - 1e-12).sum()) / 200
    assert found.corrected[0] == pytest.approx(expected)


def samples(noise, *, n=8, m=12, d=25, seed=0, shared=3.0):
    """Classes on a circle, sentences with an offset of their own, noise per sample."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    classes = 4 * unit_circle(2 * np.pi * np.arange(n) / n) @ axes
    sentences = shared * rng.standard_normal((m, d))
    return classes[:, None] + sentences + noise * rng.standard_normal((n, m, d))


OWNER = np.repeat(np.arange(8), 12)


def flat(x):
    return gram(x.reshape(-1, x.shape[-1]))


def test_split_halves_agree_when_samples_do():
    assert split_half(flat(samples(0.05)), OWNER, 20) > 0.99
    assert abs(split_half(flat(samples(50)), OWNER, 20)) < 0.3


def test_what_sentences_share_cancels_only_where_they_are_the_same():
    inner = flat(samples(0.5, shared=10.0))
    assert split_half(inner, OWNER, 20) > split_half(inner, OWNER, 20, paired=False) + 0.1


def test_classes_may_have_different_numbers_of_samples():
    x = samples(0.3, shared=0.0)
    keep = np.ones(len(OWNER), dtype=bool)
    keep[[3, 4, 5, 40]] = False
    inner = gram(x.reshape(-1, 25)[keep])
    means = np.stack([x.reshape(-1, 25)[keep & (c == OWNER)].mean(0) for c in range(8)])
    scores = principal_components(means).scores[:, :2]
    draws = bootstrap_angles(inner, OWNER[keep], scores, 50, paired=False)
    off = wrap(draws - np.arctan2(scores[:, 1], scores[:, 0]))
    assert np.abs(off).mean() < 0.2
    assert split_half(inner, OWNER[keep], 20, paired=False) > 0.95


def test_bootstrap_arcs_widen_with_noise_and_hold_the_angle():
    widths = []
    for noise in (0.1, 2.0):
        x = samples(noise)
        scores = principal_components(x.mean(1)).scores[:, :2]
        angles = np.degrees(np.arctan2(scores[:, 1], scores[:, 0]))
        draws = bootstrap_angles(flat(x), OWNER, scores, n_boot=100)
        assert draws.shape == (100, 8)
        spread = spread_of(angles, draws)
        assert (spread > -1).all()
        widths.append(spread.sum(1).mean())
    assert widths[0] < 6 < widths[1]
