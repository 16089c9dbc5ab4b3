"""No statistic is made of the state at position 0, which is hundreds of times too long."""

import numpy as np
import pytest

import volvelle as vv

GIVE = "is one token for .* Give sentences, such as 'I feel happy.'"
HAPPY, SAD = ["I feel happy.", "They laughed."], ["I feel sad.", "They wept."]


@pytest.fixture(scope="module")
def circle(model):
    rng = np.random.default_rng(0)
    vectors = vv.Dictionary(rng.normal(size=(6, model.d_model)), list("abcdef"), "resid_post.14")
    return vv.fit_circle(vectors, {c: 60.0 * i for i, c in enumerate("abcdef")}, n_null=20)


@pytest.mark.parametrize("positions", ["last", "mean"])
def test_a_direction_of_single_words_is_refused(model, positions):
    """Of happy, glad, joyful against sad, gloomy, angry it was 7981 long."""
    pairs = (["happy", "glad", "joyful"], ["sad", "gloomy", "angry"])
    says = GIVE if positions == "last" else "positions='mean' leaves out position 0.*sentence"
    with pytest.raises(ValueError, match=says):
        vv.Dictionary.from_pairs(model, *pairs, positions=positions, progress=None)
    whole = vv.Dictionary.from_pairs(model, HAPPY, SAD, positions=positions, progress=None)
    assert whole[0].norm < 2 * model.norm(whole.point)


@pytest.mark.parametrize("texts", [([*HAPPY, "happy"], [*SAD, "sad"]), (HAPPY, [SAD[0], "happy"])])
def test_one_word_among_sentences_is_named(model, texts):
    with pytest.raises(ValueError, match=rf"positive and negative: 'happy' {GIVE}"):
        vv.Dictionary.from_pairs(model, *texts, progress=None)
    with pytest.raises(ValueError, match=GIVE):
        vv.ControlVector.from_pairs(model, *texts, layers=[14], progress=None)


def test_an_empty_text_is_no_state(model):
    with pytest.raises(ValueError, match="'' is no token"):
        vv.Dictionary.from_pairs(model, ["I feel happy.", ""], SAD, progress=None)


@pytest.mark.parametrize("positions", ["last", "mean"])
@pytest.mark.parametrize(
    "stimuli",
    [
        ["{w}"],
        ["I feel {w}.", "{w}"],
        {"happy": ["happy"], "sad": ["I feel sad."], "angry": ["I feel angry."]},
        {w: [(f"I feel {w}.", "I")] for w in ("happy", "sad", "angry")},
    ],
)
def test_a_circle_of_single_words_is_refused(model, stimuli, positions):
    with pytest.raises(ValueError, match=f"stimuli: '.*' {GIVE}"):
        vv.emotion_circle(model, stimuli=stimuli, positions=positions, n_null=20)


@pytest.mark.parametrize("texts", ["happy", ["I feel happy.", "happy"]])
@pytest.mark.parametrize("positions", ["last", "mean", "all"])
def test_a_word_has_no_place_in_a_circle(model, circle, texts, positions):
    says = "position 0.*sentence" if positions == "mean" else f"x: 'happy' {GIVE}"
    for read in (circle.project, circle.read):
        with pytest.raises(ValueError, match=says):
            read(texts, model=model, positions=positions)


def test_a_trail_through_a_circle_begins_behind_the_first_token(model, circle):
    trail = circle.project("I feel happy.", model=model, positions="all")
    assert np.isnan(trail).any(-1).tolist() == [True, False, False, False]
    several = circle.project(["I feel happy.", "They laughed."], model=model, positions="all")
    assert np.isnan(several[1]).any(-1).tolist() == [True, False, False, True]  # and padding


def test_a_capture_of_a_word_has_no_place_in_a_circle_either(model, circle):
    ends = model.capture(["happy", "I feel happy."], circle.point, positions="last")
    assert np.isnan(circle.project(ends)).all(-1).tolist() == [True, False]


def test_encoding_a_word_says_nothing_of_it(model):
    acts = vv.encode(model, "happy", vv.demo_sae("a"))
    assert (acts.codes.nnz, acts.left_out.tolist()) == (0, [True])
    assert np.isnan(acts.fve)
    assert np.isnan(acts.l0)
