"""Stimuli, cache, files and the wheel's statistics, around a model of a few lines."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from models import tiny

from volvelle.compute.circle_placebos import placebo_planes, turned
from volvelle.compute.directions import Dictionary
from volvelle.compute.points import Point
from volvelle.experiments import circle_texts
from volvelle.experiments.circle import Circle, fit_circle
from volvelle.experiments.circle_checks import Checks, check_circle
from volvelle.experiments.circle_emotions import emotion_circle
from volvelle.experiments.circle_steer import steer_around
from volvelle.experiments.circle_stimuli import (
    default_words,
    read_stimuli,
    readout_prompts,
    russell,
    situations,
    templates,
    unseen_words,
)
from volvelle.experiments.circle_wheel import Wheel

D = 48


class Circular:
    """A model that holds words on a circle from block 2 on, and says those it is pushed to."""

    name, remote, n_layers, d_model = "circular", False, 4, D

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.plane = np.linalg.qr(rng.standard_normal((D, 2)))[0].T
        self.noise = rng.standard_normal((5000, D))
        self.angles = {**russell(), **unseen_words()}
        self.captured = 0

    def call(self, work):
        return work()

    def report(self, progress, fraction, text=""):
        if progress is not None:
            progress(fraction, text)

    def norm(self, point):
        return 2.0

    def token_id(self, token):
        words = list(self.angles)
        if token.strip() not in words or token == " astonished":
            raise ValueError(f"{token!r} is not a token")
        return words.index(token.strip())

    def capture(self, texts, points, positions="all"):
        self.captured += len(texts)
        found = {}
        for point in points:
            layer = -1 if str(point) == "embed" else int(str(point).rpartition(".")[2])
            rows = []
            for text in texts:
                state = 0.3 * self.noise[sum(map(ord, text)) % 5000]
                for word in re.findall(r"[a-z]+", text) if layer >= 2 else ():
                    if word in self.angles:
                        turn = np.radians(self.angles[word])
                        state = state + 3 * np.array([np.cos(turn), np.sin(turn)]) @ self.plane
                rows.append(state)
            found[str(point)] = np.array(rows, dtype=np.float32)
        return _Spelled(found)

    def next_token(self, prompts, steers=(), tokens=None):
        turns = np.radians(list(self.angles.values()))
        said = np.stack([np.cos(turns), np.sin(turns)], 1)
        rows = []
        for row in steers:
            push = sum((s.strength * self.norm(None) * s.direction.unit for s in row), np.zeros(D))
            rows.append(-5 + said @ (self.plane @ push))
        return np.array(rows, dtype=np.float32)[:, tokens]


class _Spelled(dict):
    def __getitem__(self, point):
        return super().__getitem__(str(point))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def circular():
    return Circular()


@pytest.fixture(scope="module")
def found(circular):
    return emotion_circle(circular, n_null=200, cache=False)


# -- stimuli ----------------------------------------------------------------------------------


def test_no_situation_names_its_emotion():
    for word, texts in situations().items():
        stem = word[:-1] if word.endswith(("y", "e")) else word
        for text in texts:
            assert stem not in text.lower(), (word, text)


def test_every_default_word_has_an_angle_templates_and_situations():
    words = default_words()
    assert len(words) == len(set(words)) == 25
    assert set(words) <= set(russell())
    assert set(words) <= set(situations())
    assert len(read_stimuli("templates", None).texts) == 25 * 12
    assert len(read_stimuli("situations", None).texts) == 25 * 5


def test_13_angles_are_marked_as_from_memory():
    assert len(russell()) == 28
    assert len(russell(confirmed=True)) == 15
    assert "angry" not in russell(confirmed=True)


def test_unseen_words_are_unseen():
    assert len(unseen_words()) == 38
    assert not set(unseen_words()) & set(russell())
    assert not set(unseen_words()) & {w for ts in situations().values() for w in ts}
    assert all("{w}" in sentence for sentence in templates())
    assert len(readout_prompts()) == 5


@pytest.mark.parametrize(
    ("stimuli", "words", "error", "message"),
    [
        ("template", None, ValueError, "did you mean 'templates'"),
        (["I feel sad."], None, ValueError, "has no {w}"),
        ("situations", ["happy", "hapy"], ValueError, "did you mean 'happy'"),
        ({"happy": "I smiled."}, None, ValueError, "expected a list of texts"),
        ({"happy": [("a", "b", "c")]}, None, ValueError, "expected a text or a pair"),
        ({"happy": ["a", ("a", "b")]}, None, ValueError, "mix texts and pairs"),
        (7, None, TypeError, "expected 'templates'"),
    ],
)
def test_stimuli_that_cannot_be_read_say_what_can(stimuli, words, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_stimuli(stimuli, words)


def test_the_key_of_stimuli_changes_with_any_text():
    one = read_stimuli({"a": ["x", "y"], "b": ["z"]}, None)
    same = read_stimuli({"a": ["x", "y"], "b": ["z"]}, None)
    moved = read_stimuli({"a": ["x"], "b": ["y", "z"]}, None)
    assert one.key("m") == same.key("m")
    assert len({one.key("m"), moved.key("m"), one.key("n")}) == 3


# -- emotion_circle ---------------------------------------------------------------------------


def test_the_layer_that_holds_the_circle_is_found_and_paid_for(found):
    assert found.layer in (2, 3)
    assert found.found
    assert found.null.n_tried == 4
    assert len(found.null.best) == 200
    assert found.agreement.axes[0] > 0.9
    assert found.axis_names == ("valence", "arousal")
    assert "over 4 layers" in repr(found)


def test_the_embedding_is_in_the_profile_and_cannot_be_picked(found):
    table = found.profile()
    assert list(table.point) == ["embed", *(f"resid_post.{i}" for i in range(4))]
    assert table.score[0] < 0.4 < table.score[3]
    assert {"valence_left_out", "arousal_left_out", "shuffles_95"} <= set(table.columns)


def test_a_given_layer_is_not_corrected_for_a_choice(circular):
    circle = emotion_circle(circular, layer=1, n_null=200)
    assert circle.layer == 1
    assert circle.null.n_tried == 1
    assert not circle.found


def test_other_layers_methods_and_seeds_run_no_text_again(circular):
    circle = emotion_circle(circular, n_null=20)
    before = circular.captured
    assert circle.at(1).layer == 1
    emotion_circle(circular, layer=1, n_null=20)
    emotion_circle(circular, method="ridge", seed=4, n_null=20)
    # one text more each: the sentence that tells the model from others
    assert circular.captured <= before + 2


def test_another_model_of_the_same_name_is_not_served_from_the_cache(circular):
    emotion_circle(circular, n_null=20)
    other = Circular(seed=1)
    emotion_circle(other, n_null=20)
    assert other.captured >= 300


def test_without_the_cache_nothing_is_kept(circular, tmp_path):
    emotion_circle(circular, n_null=20, cache=False)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_model_of_random_weights_holds_no_circle_worth_the_name(family):
    circle = emotion_circle(tiny.wrapped(family), n_null=200)
    assert not circle.found or circle.weak


def test_pairs_are_subtracted(circular):
    words = default_words()[::3]
    pairs = {w: [(f"so {w} {i}", f"so neutral {i}") for i in range(3)] for w in words}
    circle = emotion_circle(circular, stimuli=pairs, n_null=100)
    assert circle.details["stimuli"] == "pairs"
    assert circle.found


def test_words_of_ones_own_need_angles(circular):
    with pytest.raises(ValueError, match="'blorp' has no angle"):
        emotion_circle(circular, words=["happy", "sad", "calm", "blorp"])
    circle = emotion_circle(
        circular, words={"happy": 8, "sad": 208, "calm": 316, "furious": 135}, n_null=20
    )
    assert circle.names == ("happy", "sad", "calm", "furious")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"layer": 4}, ValueError, "layer 4 is outside circular's 0...3"),
        ({"method": "axes"}, ValueError, "'pca' or 'ridge'"),
        ({"positions": "first"}, ValueError, "'last' or 'mean'"),
        ({"neutral": 1.5}, ValueError, "share of variance"),
        ({"stimulus": "templates"}, TypeError, "did you mean 'stimuli'"),
    ],
)
def test_wrong_arguments_say_the_way_out(circular, given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        emotion_circle(circular, **given)


def test_progress_ends_at_one(circular):
    told = []
    emotion_circle(circular, cache=False, n_null=20, progress=lambda f, _: told.append(f))
    assert told == sorted(told)
    assert told[-1] == 1


def test_neutral_components_can_be_removed(circular):
    assert emotion_circle(circular, neutral=0.5, n_null=50).found


class _Outlying(_Spelled):
    """What a capture says of last tokens whose norm is far out: here every seventh text's."""

    def __init__(self, found):
        super().__init__({p: x.copy() for p, x in found.items()})
        n = len(next(iter(found.values())))
        self.mask = np.ones((n, 3), dtype=bool)
        bad = np.zeros((n, 3), dtype=bool)
        bad[::7, -1] = True
        self.outliers_at = {Point.parse(point): bad for point in found}
        for states in self.values():
            states[::7] *= 1000


def test_a_last_token_of_outlying_norm_is_left_out(found, monkeypatch):
    real = Circular.capture

    def capture(self, texts, points, positions="all"):
        states = real(self, texts, points, positions)
        return _Outlying(states) if positions == "last" else states

    monkeypatch.setattr(Circular, "capture", capture)
    circle = emotion_circle(Circular(), layer=found.layer, cache=False, n_null=50)
    off = (circle.angles - found.at(found.layer).angles + 180) % 360 - 180
    assert np.abs(off).max() < 5
    assert circle.radii.max() < 2 * found.radii.max()


def test_a_word_whose_texts_are_all_outlying_is_named(monkeypatch):
    monkeypatch.setattr(
        Circular,
        "capture",
        lambda self, texts, points, positions="all": _Spelled(
            {str(p): np.full((len(texts), D), np.nan, np.float32) for p in points}
        ),
    )
    with pytest.raises(ValueError, match="every text of 'happy'"):
        emotion_circle(Circular(), cache=False)


def test_split_halves_of_the_texts_are_reported(found):
    assert found.details["split_half"] > 0.9


# -- files ------------------------------------------------------------------------------------


def test_a_circle_comes_back_from_its_file(found, tmp_path):
    back = Circle.load(found.save(tmp_path / "circle.safetensors"))
    assert repr(back) == repr(found)
    assert back.names == found.names
    assert np.array_equal(back.plane, found.plane)
    assert np.array_equal(back.spread, found.spread)
    assert back.agreement == pytest.approx(found.agreement) or vars(back.agreement) == vars(
        found.agreement
    )
    assert repr(back.layers) == repr(found.layers)
    assert back.null.p == found.null.p
    assert back.details == found.details
    assert np.allclose(back.direction(33).vector, found.direction(33).vector)
    with pytest.raises(ValueError, match="one layer only"):
        back.at(2)


def test_a_circle_without_reference_comes_back_too(tmp_path):
    rows = np.random.default_rng(0).standard_normal((5, 9))
    circle = fit_circle(Dictionary(rows, list("abcde"), "embed"))
    back = Circle.load(circle.save(tmp_path / "c.safetensors"))
    assert back.null is None
    assert back.reference is None
    assert np.isnan(back.score)
    assert repr(back) == repr(circle)


def test_other_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "x.safetensors")
    for noun in (Circle, Wheel):
        with pytest.raises(ValueError, match="its header has no"):
            noun.load(tmp_path / "x.safetensors")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match="no circle checks"):
        Checks.load(tmp_path / "x.json")


def test_the_table_of_a_circle_has_a_row_per_name(found):
    table = found.to_pandas()
    assert list(table.name) == list(found.names)
    assert (table.off.abs() <= 180).all()
    assert table[["below", "above"]].notna().all().all()


def test_fit_circle_is_documented():
    assert "Degrees per name" in fit_circle.__doc__


# -- the wheel --------------------------------------------------------------------------------


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
        ({"placebo": -1}, ValueError, "expected 0 or more"),
        ({"samples": -1}, ValueError, "samples is -1"),
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


# -- placebos, checks, text scores ------------------------------------------------------------


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
    assert checks["unseen words", "in their quadrant"].value > 0.8
    steered = checks["steering by half of the words", "circular correlation"]
    assert steered.value > 0.8 > steered.limit > 0
    # this model knows words only: sentences that name none hold no emotion
    assert abs(checks["situations, mean", "valence r"].value) < 0.6
    assert told[-1] == 1
    assert Checks.load(checks.save(tmp_path / "checks.json")).rows == checks.rows
    assert list(checks.to_pandas().columns) == ["what", "measure", "value", "limit", "n"]
    with pytest.raises(KeyError, match="there are"):
        checks["nothing", "at all"]


def test_distinct_words_count_words_once():
    assert circle_texts.distinct_words("so sad, so SAD so") == pytest.approx(2 / 5)
    assert circle_texts.distinct_words("don't don\u2019t 7") == 1.0
    assert circle_texts.distinct_words("...") == 0


def test_vader_tells_good_from_bad():
    pytest.importorskip("vaderSentiment")
    assert circle_texts.valence("a wonderful, happy day") > 0.5
    assert circle_texts.valence("a terrible, sad day") < -0.5


def test_without_vader_valence_is_unknown_and_said(monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "vaderSentiment.vaderSentiment", None)
    circle_texts._vader.cache_clear()
    assert np.isnan(circle_texts.valence("a wonderful day"))
    assert "pip install vaderSentiment" in caplog.text
    circle_texts._vader.cache_clear()


def test_a_norms_file_of_the_users_scores_texts(tmp_path):
    path = tmp_path / "vad.csv"
    path.write_text("Word,Arousal,Valence,n\nstorm,0.9,0.3,4\ncalm,0.1,0.8,5\n")
    norms = circle_texts.read_norms(path)
    assert norms["storm"] == (0.3, 0.9)
    scored = circle_texts.norms_of("Calm before the storm", norms)
    assert scored == {"valence": 0.55, "arousal": 0.5, "share": 0.5}
    assert np.isnan(circle_texts.norms_of("nothing here", norms)["arousal"])
    path.write_text("token,v\nx,1\n")
    with pytest.raises(ValueError, match="word, valence, arousal missing"):
        circle_texts.read_norms(path)


def test_a_wave_in_text_scores_is_told_from_noise():
    angles = np.repeat(np.arange(0, 360, 30.0), 16)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(len(angles))
    wave = circle_texts.wave_of_texts(angles, np.cos(np.radians(angles - 350)) + noise)
    assert wave["p"] < 0.01
    assert abs((wave["peak"] - 350 + 180) % 360 - 180) < 15
    assert wave["r"] > 0.85
    flat = circle_texts.wave_of_texts(angles, noise)
    assert flat["amplitude"] < wave["amplitude"] / 2


def test_the_assets_are_valid_json_without_surprises():
    from importlib.resources import files

    folder = files("volvelle.assets.emotions")
    assert "card.md" in {item.name for item in folder.iterdir()}
    for item in folder.iterdir():
        if item.name.endswith(".json"):
            assert json.loads(item.read_text(encoding="utf-8"))["about"]
