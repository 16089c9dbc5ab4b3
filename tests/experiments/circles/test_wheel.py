"""The wheel's statistics, around a model that says what it is pushed to."""

import re

import numpy as np
import pandas as pd
import pytest
from experiments.circles.circular_model import Circular

from volvelle.compute.directions.directions import Dictionary
from volvelle.experiments.circles.fit_circle import fit_circle
from volvelle.experiments.circles.steer_around import steer_around
from volvelle.experiments.circles.wheel import Text, Wheel


def test_a_wheel_finds_the_angles_of_a_model_that_says_what_it_is_pushed_to(circular, found):
    wheel = steer_around(circular, found, placebo=4)
    assert wheel.score[0] > 0.95
    assert wheel.quadrants[0] > 0.95
    assert wheel.error[0] < 10
    assert (wheel.harmonics.r2[0] > 0.99).all()
    assert wheel.left_out == ("astonished",)
    assert "astonished" not in wheel.names
    assert wheel.held_out.sum() == 38
    assert wheel.logprobs.shape == (1, 12, 5, len(wheel.names))
    assert wheel.baseline.shape == (5, len(wheel.names))
    assert "unseen words in their quadrant" in repr(wheel)


def test_as_many_planes_of_the_span_are_turned_as_can_tell(circular, found):
    wheel = steer_around(circular, found)
    assert {kind: len(of) for kind, of in wheel.placebos.items()} == {"random": 10, "span": 25}
    above = (wheel.placebo_scores["span"][:, 0] >= wheel.score[0]).sum()
    p = (1 + above) / 26
    assert p < 0.05
    assert "planes in the span of the names below" in wheel.says()
    assert f"p = {p:.2g}" in wheel.says()
    assert "10 random planes up to" in wheel.says()


def written(n_planes, turned, seed=0, n_prompts=4):
    """A wheel of texts whose valence turns with the circle, and among placebos as `turned`."""
    rng = np.random.default_rng(seed)
    planes = [("circle", 0, 0.6), *(("span", i, turned) for i in range(n_planes))]
    around = np.arange(0, 360, 30.0)
    texts = [
        Text(
            plane,
            0.15,
            angle,
            f"p{p}",
            0,
            "",
            1.0,
            1.0,
            float(size * np.cos(np.radians(angle - 40 * number)) + 0.2 * rng.standard_normal()),
            drawn=number,
        )
        for plane, number, size in planes
        for angle in around
        for p in range(n_prompts)
    ]
    plain = Text("circle", 0.0, float("nan"), "p0", 0, "", 1.0, 1.0, 0.3)
    none = np.zeros((1, 12, 1, 1), np.float32)
    return Wheel(
        "made", ("happy",), np.array([8.0]), np.array([False]), around, np.array([0.15]), ("p0",),
        none, none[0, 0], texts=(plain, *texts),
    )  # fmt: skip


def test_the_valence_of_texts_is_held_against_planes_of_the_span():
    wave = written(20, 0.1).valence_wave(n_null=200)
    assert wave.n_texts == 48
    assert wave.amplitude == pytest.approx(0.6, abs=0.1)
    assert len(wave.placebos["span"]) == 20
    assert wave.tests["span"].p == pytest.approx(1 / 21)
    assert "95 % of 20 planes in the span of the names below" in repr(wave)


def test_planes_that_move_valence_as_much_take_the_claim_back_where_shuffled_angles_do_not():
    wave = written(20, 0.6).valence_wave(n_null=200)
    assert wave.p < 0.01
    assert wave.tests["span"].p > 0.05


def test_fewer_placebo_planes_than_can_tell_say_so():
    said = repr(written(5, 0.1).valence_wave(n_null=200))
    assert "5 planes in the span of the names up to" in said
    assert "cannot tell" in said
    assert "no placebo planes" in repr(written(0, 0).valence_wave(n_null=200))


def test_a_wheel_without_texts_has_no_valence(circular, found):
    with pytest.raises(ValueError, match="samples=1 or more"):
        steer_around(circular, found, placebo=0).valence_wave()


def test_pushing_to_an_angle_raises_its_words_and_lowers_the_opposite(circular, found):
    wheel = steer_around(circular, found, placebo=0)
    curves = wheel.curves()[0]
    assert wheel.angles[curves[:, 0].argmax()] in (0, 30, 330)
    assert wheel.angles[curves[:, 1].argmax()] in (60, 90, 120)
    assert wheel.angles[curves[:, 0].argmin()] in (150, 180, 210)


def test_strength_zero_is_the_baseline(circular, found):
    wheel = steer_around(circular, found, strengths=(0.0, 0.2), placebo=0)
    assert np.allclose(wheel.response[0], 0)
    assert np.abs(wheel.response[1]).max() > 0.1
    assert (wheel.harmonics.r2[0] == 0).all()


def test_all_angles_and_prompts_are_one_batch(circular, found, monkeypatch):
    seen = []
    real = Circular.next_token
    monkeypatch.setattr(
        Circular,
        "next_token",
        lambda self, prompts, **k: seen.append(len(prompts)) or real(self, prompts, **k),
    )
    steer_around(circular, found, placebo=0)
    assert seen == [12 * 5 + 5]


def test_words_without_reference_have_peaks_and_no_score(circular, found):
    wheel = steer_around(circular, found, words=["happy", "proud"], placebo=0)
    assert np.isnan(wheel.score[0])
    assert wheel.peaks.shape == (1, 2)
    assert "no reference angles" in repr(wheel)


def test_a_wheel_comes_back_from_its_file(circular, found, tmp_path):
    wheel = steer_around(circular, found, strengths=(0.1, 0.2), placebo=3)
    back = Wheel.load(wheel.save(tmp_path / "wheel.safetensors"))
    assert repr(back) == repr(wheel)
    pd.testing.assert_frame_equal(back.to_pandas(), wheel.to_pandas())
    pd.testing.assert_frame_equal(back.responses(), wheel.responses())
    assert len(wheel.responses()) == 2 * 12 * len(wheel.names)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"angles": (0, 180)}, ValueError, "fewer than three"),
        ({"angles": (0, 360, 720, 90)}, ValueError, "fewer than three"),
        ({"placebo": {"spam": 3}}, ValueError, "did you mean 'span'"),
        ({"placebo": -1}, ValueError, "must be a whole number, 0 to 1,000"),
        ({"samples": -1}, ValueError, "samples=-1 must be a whole number"),
        ({"prompts": []}, ValueError, "prompts is empty"),
        ({"words": ["blorp", "astonished"]}, ValueError, "none of the words"),
        ({"strenghts": 0.1}, TypeError, "did you mean 'strengths'"),
    ],
)
def test_a_wheel_that_cannot_turn_says_why(circular, found, given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        steer_around(circular, found, **given)


def test_a_circle_of_another_width_is_refused(circular):
    rows = np.random.default_rng(0).standard_normal((5, 9))
    circle = fit_circle(Dictionary(rows, list("abcde"), "resid_post.1"))
    with pytest.raises(ValueError, match=r"9-dimensional vectors, resid_post.1 of circular has 48"):
        steer_around(circular, circle)
