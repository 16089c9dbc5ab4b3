"""vv.emotion_circle around a model of a few lines: layer, cache, outliers, refusals."""

import re

import numpy as np
import pytest
from experiments.circles.circular_model import D_MODEL, Circular, Spelled
from models import tiny
from safetensors.numpy import save

from volvelle.compute.directions.points import Point
from volvelle.experiments.circles.emotion_circle import emotion_circle
from volvelle.experiments.circles.stimuli import default_words

pytestmark = pytest.mark.usefixtures("own_cache")


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
    assert (table.corrected_p == found.layers.corrected).all()
    assert table.corrected_p[0] > 0.05 > table.corrected_p[3]


def test_a_given_layer_is_not_corrected_for_a_choice(circular):
    circle = emotion_circle(circular, layer=1, n_null=200)
    assert circle.layer == 1
    assert circle.null.n_tried == 1
    assert not circle.found
    assert "not corrected for the choice of a layer out of 4" in circle.summary()


def test_going_through_layers_says_so_and_the_one_picked_stays_paid_for(found):
    assert "not corrected for the choice of a layer out of 4" in found.at(3).summary()
    assert "not corrected" not in found.summary()
    assert "not corrected" not in repr(found)


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


@pytest.mark.parametrize("content", [b"no", save({"means": np.zeros(3)})], ids=["no", "bare"])
def test_a_kept_file_that_cannot_be_read_is_made_again(circular, tmp_path, content):
    first = emotion_circle(circular, n_null=20)
    (kept,) = tmp_path.rglob("*.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(content)
    assert repr(emotion_circle(circular, n_null=20)) == repr(first)
    assert kept.read_bytes() == whole


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


class _Outlying(Spelled):
    """What a capture says of last tokens whose norm is far out: here every seventh text's."""

    def __init__(self, found):
        super().__init__({p: x.copy() for p, x in found.items()})
        bad = ~self.mask
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
        lambda self, texts, points, positions="all": Spelled(
            {str(p): np.full((len(texts), D_MODEL), np.nan, np.float32) for p in points}
        ),
    )
    with pytest.raises(ValueError, match="every text of 'happy'"):
        emotion_circle(Circular(), cache=False)


def test_split_halves_of_the_texts_are_reported(found):
    assert found.details["split_half"] > 0.9
