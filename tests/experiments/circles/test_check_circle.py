"""Placebo planes and held-out checks, around a model of a few lines."""

import numpy as np
import pytest

from volvelle.compute.circles.placebos import placebo_planes, turned
from volvelle.experiments.circles.check_circle import Checks, check_circle
from volvelle.experiments.circles.steer_around import steer_around


def test_placebo_planes_are_orthonormal_and_where_they_say():
    rows = np.random.default_rng(0).standard_normal((6, 20))
    span = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:5]
    for kind in ("random", "span"):
        planes = placebo_planes(kind, 30, rows)
        assert np.allclose(planes @ planes.swapaxes(1, 2), np.eye(2), atol=1e-9)
        inside = np.linalg.norm(planes @ span.T, axis=2)
        assert np.allclose(inside, 1) == (kind == "span")
    assert np.allclose(placebo_planes("span", 3, rows, 7), placebo_planes("span", 3, rows, 7))
    vectors = turned(planes[0], np.arange(0, 360, 45.0))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_planes_inside_the_span_are_the_harder_control(circular, found):
    wheel = steer_around(circular, found, placebo=30)
    scores = wheel.placebo_scores
    amplitude = {
        kind: np.abs(placebo.mean(3) - wheel.baseline.mean(0)).mean()
        for kind, placebo in wheel.placebos.items()
    }
    assert amplitude["span"] > amplitude["random"]
    assert len(scores["span"]) == 30


def test_a_held_out_word_that_is_not_read_at_all_is_named(circular, found, monkeypatch):
    real = type(circular).capture

    def capture(self, texts, *more):
        states = real(self, texts, *more)
        proud = ["proud" in text.text for text in texts]
        for at_point in states.outliers_at.values():
            at_point[proud] = True
        return states

    monkeypatch.setattr(type(circular), "capture", capture)
    with pytest.raises(ValueError, match="every text of 'proud' ends on a token of outlying norm"):
        check_circle(circular, found, n_splits=2, n_null=5)


def test_checks_hold_where_the_circle_is_real(circular, found, tmp_path):
    told = []
    checks = check_circle(
        circular,
        found,
        n_splits=20,
        n_null=200,
        steering=True,
        progress=lambda f, _: told.append(f),
    )
    half = checks["half of the words", "circular correlation"]
    assert half.value > 0.9 > half.limit
    placed = checks["half of the words", "mean cosine"]
    assert placed.value > 0.9 > placed.limit
    within = checks["order within quadrants", "circular correlation"]
    assert within.value == found.score
    assert within.value > within.limit > half.limit
    assert checks["unseen words", "in their quadrant"].value > 0.8
    steered = checks["steering by half of the words", "circular correlation"]
    assert steered.value > 0.8 > steered.limit > 0
    # this model knows words only: sentences that name none hold no emotion
    assert abs(checks["situations, mean", "valence r"].value) < 0.6
    assert told[-1] == 1
    assert Checks.load(checks.save(tmp_path / "checks")).rows == checks.rows
    assert list(checks.to_pandas().columns) == ["what", "measure", "value", "limit", "n"]
    with pytest.raises(KeyError, match="there are"):
        checks["nothing", "at all"]
