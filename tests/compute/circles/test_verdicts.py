"""What may be called a circle: rates over draws of shapes that close and that do not."""

import numpy as np
import pytest
from compute.circles.shapes import named, rows_of

from volvelle.compute.circles.fit import fit_circle
from volvelle.compute.circles.scores import leave_one_out

OPEN = ["random walk", "arch", "horseshoe", "270-degree arc", "four blobs", "noise"]
OPEN += ["four blobs in a plane"]
DRAWS, FULL = 40, 200
# of 40 draws at a rate of .05, 7 or more have probability .003; at .9, 29 or fewer .002
MOST, LEAST = 6, 30


def circular(shape, n, draws, method="pca"):
    """How many draws of a shape are called circular."""
    words = [
        fit_circle(*named(rows_of(shape, n, seed)), method, 100, seed=seed).verdict
        for seed in range(draws)
    ]
    print(f"{shape}, {n} names, {method}:", {w: words.count(w) for w in sorted(set(words))})
    return words.count("circular")


@pytest.mark.parametrize("shape", OPEN)
def test_what_does_not_close_is_not_called_circular(shape):
    assert circular(shape, 12, DRAWS) <= MOST


@pytest.mark.parametrize("n", [8, 12, 24])
def test_a_circle_in_noise_of_half_its_radius_is_called_circular(n):
    assert circular("circle", n, DRAWS) >= LEAST


@pytest.mark.nightly
@pytest.mark.parametrize("method", ["pca", "ridge"])
@pytest.mark.parametrize("n", [8, 12, 24])
@pytest.mark.parametrize("shape", OPEN)
def test_over_200_draws_five_percent_of_what_does_not_close_is_called_circular(shape, n, method):
    assert circular(shape, n, FULL, method) <= 0.05 * FULL


@pytest.mark.nightly
@pytest.mark.parametrize("method", ["pca", "ridge"])
@pytest.mark.parametrize("n", [8, 12, 24])
def test_over_200_draws_nine_circles_of_ten_are_called_circular(n, method):
    assert circular("circle", n, FULL, method) >= 0.9 * FULL


@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize("method", ["pca", "ridge"])
def test_a_perfect_circle_of_a_few_names_is_too_few_to_tell(n, method):
    circle = fit_circle(*named(rows_of("circle", n, 0, signal=1e6)), method, 200)
    assert circle.verdict == "too few names"
    assert "too few names" in circle.summary()
    assert "no circle" not in circle.summary()


@pytest.mark.parametrize(
    ("shape", "word", "said"),
    [
        ("circle", "circular", "circular: circular correlation"),
        ("circle", "circular", "it closes: from name"),
        ("random walk", "ordered", "it does not close: from name 11 to name 0 is"),
        ("four blobs in a plane", "grouped", "4 groups place left-out names better"),
        ("noise", "none", "no circle: "),
    ],
)
def test_the_summary_says_why(shape, word, said):
    circle = fit_circle(*named(rows_of(shape, 12, 1)), n_null=200)
    assert circle.verdict == word
    assert said in circle.summary()
    assert circle.summary() in repr(circle)


def test_turning_the_reference_mirroring_it_or_renaming_first_changes_no_verdict():
    rows = rows_of("random walk", 12, 3)
    dictionary, reference = named(rows)
    for turn, sense in ((0, 1), (100, 1), (17, -1)):
        moved = {name: sense * degrees + turn for name, degrees in reference.items()}
        circle = fit_circle(dictionary, moved, n_null=200)
        assert circle.verdict == "ordered"
        assert set(circle.closure.cut) == {0, 11}


def test_a_reference_that_leaves_out_a_quarter_is_not_circular():
    turn = np.linspace(0, 270, 12)
    dictionary, _ = named(rows_of("270-degree arc", 12, 0, signal=20))
    circle = fit_circle(dictionary, dict(zip(dictionary.names, turn, strict=True)), n_null=200)
    assert circle.verdict == "ordered"
    assert "the reference leaves out 90 degrees" in circle.summary()


def test_shuffles_within_quadrants_keep_what_four_groups_give():
    blobs = fit_circle(*named(rows_of("four blobs in a plane", 24, 0)), n_null=300)
    assert blobs.null.p < 0.01
    assert blobs.null.blocks.median > 0.8
    assert blobs.null.blocks.p > 0.05
    ring = fit_circle(*named(rows_of("circle", 24, 0)), n_null=300)
    assert ring.null.blocks.p < 0.01
    assert "shuffled within quadrants median" in ring.summary()


def test_a_plane_whose_every_prediction_is_opposite_is_no_circle():
    n = 12
    turn = np.arange(n) * 2 * np.pi / n
    rows = np.c_[np.cos(2 * turn), np.sin(2 * turn), np.zeros((n, 6))]
    rows += 1e-3 * np.random.default_rng(0).standard_normal(rows.shape)
    xy = leave_one_out(rows, turn, "ridge")
    off = np.degrees(np.arctan2(xy[:, 1], xy[:, 0]) - turn) % 360
    assert np.abs(off - 180).max() < 60
    dictionary, reference = named(rows)
    circle = fit_circle(dictionary, reference, "ridge", 200)
    # the correlation is blind to the rotation; it was the score, and 1.00
    assert circle.agreement.leave_one_out > 0.9
    assert circle.score < -0.5
    assert circle.verdict == "none"


def test_a_circle_below_the_first_components_is_pointed_at():
    rng = np.random.default_rng(1)
    rows = rows_of("circle", 24, 1, signal=4)
    axes = np.linalg.qr(rng.standard_normal((64, 2)))[0].T
    dictionary, reference = named(rows + 4 * rng.standard_normal((24, 2)) @ axes)
    missed = fit_circle(dictionary, reference, n_null=300)
    assert missed.verdict == "none"
    assert "the fits disagree: ridge finds" in missed.summary()
    assert fit_circle(dictionary, reference, "ridge", 300).found


def test_one_name_far_out_is_named():
    rows = rows_of("circle", 12, 2, signal=4)
    rows[5] += 12 * np.random.default_rng(0).standard_normal(64) / 8
    hidden = fit_circle(*named(rows), n_null=300)
    assert hidden.verdict == "ordered"
    assert hidden.weak
    assert "without name 5, which lies far out, there is a circle" in hidden.summary()


def test_fits_that_agree_on_a_clean_circle_leave_no_doubt():
    told = fit_circle(*named(rows_of("circle", 12, 0)), n_null=200).summary()
    assert "disagree" not in told
    assert "far out" not in told
