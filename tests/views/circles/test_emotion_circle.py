"""EmotionCircle: traits in, traits out, without a browser and without weights."""

from dataclasses import asdict

import numpy as np
import pytest
from traitlets import TraitError
from views.circles.planted import NAMES, circle
from views.fakes import FakeModel

import volvelle as vv
from volvelle.experiments.circles.wheel import Text, Wheel
from volvelle.views.circles import reading, turning
from volvelle.views.circles.dial import Dial
from volvelle.views.circles.emotion_circle import EmotionCircle
from volvelle.views.kit.arrays import unpack

FOUND = circle()


class Model(FakeModel):
    remote = False
    n_layers = 2


@pytest.fixture
def model():
    model = Model()
    yield model
    model.gate.set()
    model.worker.stop()


@pytest.fixture
def calls(monkeypatch):
    """Stand in for what runs the model; what it was asked."""
    asked = []

    def emotion_circle(_model, layer=None, *, progress=None):
        asked.append(("circle", layer))
        progress(0.5, "half")
        return FOUND if layer is None else FOUND.at(layer)

    def trail_of(_model, found, texts, centre, report):
        asked.append(("trail", found.point.layer, tuple(texts)))
        strings = [word for text in texts for word in text.split()]
        n = len(strings)
        return reading.Trail(
            strings, np.full((n, 2), 0.5), [0] * len(texts), [[0.5, 0.5]] * len(texts)
        )

    def expected_at(model, prompt, words, steer, base):
        asked.append(("words", steer.direction.name, steer.strength, prompt))
        model.gate.wait(5)
        return np.log(np.full(len(words), 0.1)), np.log(np.full(len(words), 0.2))

    def write(_model, hand, _turned, writing, *, show, report):
        asked.append(("text", hand.angle))
        at = asdict(hand)
        show({"base": ["a"], "steered": [], "at": at, "done": False})
        return {"base": ["a"] * writing.tokens, "steered": ["b"], "at": at, "done": True}

    def around(_model, found, hand, writing, *, placebo, report):
        asked.append(("wheel", hand.strength, placebo))
        report(0.5, "half")
        return wheel(hand.strength)

    monkeypatch.setattr(
        "volvelle.experiments.circles.emotion_circle.emotion_circle", emotion_circle
    )
    for fake in (expected_at, write, around):
        monkeypatch.setattr(turning, fake.__name__, fake)
    monkeypatch.setattr(turning, "single_words", lambda _model, names: dict.fromkeys(names, 1))
    monkeypatch.setattr(reading, "trail_of", trail_of)
    monkeypatch.setattr(reading, "neutral_centre", lambda _model, found: found.mean)
    return asked


def wheel(strength=0.15):
    around = np.arange(0, 360, 30.0)
    turn = np.radians(around[:, None] - FOUND.reference)
    logprobs = np.cos(turn)[None, :, None, :].astype(np.float32)
    return Wheel(
        title="fake",
        names=NAMES,
        reference=FOUND.reference,
        held_out=np.zeros(len(NAMES), dtype=bool),
        angles=around,
        strengths=np.array([strength]),
        prompts=("I feel",),
        logprobs=logprobs,
        baseline=np.zeros((1, len(NAMES)), np.float32),
        placebos={"random": 0.1 * logprobs[None]},
        texts=(Text("circle", 0.0, np.nan, "I feel", 0, "fine", 1.0, 1.0, np.nan),),
    )


@pytest.fixture
def view(model, calls):
    return EmotionCircle(model, FOUND).wait(5)


def test_it_is_a_public_name_and_has_the_dial_of_a_circular_manifold():
    assert vv.EmotionCircle is EmotionCircle
    assert issubclass(EmotionCircle, Dial)
    assert issubclass(vv.CircularManifold, Dial)


def test_a_model_alone_is_searched_for_its_circle(model, calls):
    view = EmotionCircle(model).wait(5)
    assert calls[0] == ("circle", None)
    assert view.layer == 1
    assert view._names == list(NAMES)
    assert view._layers["points"] == ["embed", "resid_post.0", "resid_post.1"]
    assert view._facts["model"] == "fake"


def test_making_a_view_does_not_wait_for_the_model(model, calls):
    model.gate.clear()
    assert EmotionCircle(model).status in ("queued", "running")


def test_a_circle_that_is_there_is_not_looked_for_again(view, calls):
    assert [call[0] for call in calls] == ["words"]


def test_a_circle_alone_is_shown_with_its_layers_and_says_what_it_lacks():
    view = EmotionCircle(FOUND)
    assert view._names == list(NAMES)
    view.layer = 0
    assert view._facts["point"] == "resid_post.0"
    view.text = "hello"
    assert "no model" in view.error
    with pytest.raises(ValueError, match="no model"):
        view.run()


def test_a_circle_and_a_model_may_come_in_either_order(model, calls):
    assert EmotionCircle(FOUND, model).wait(5)._facts["model"] == "fake"


def test_a_text_becomes_a_trail(view, calls):
    view.text = "she laughed"
    view.wait(5)
    assert ("trail", 1, ("she laughed",)) in calls
    assert view._trail["strings"] == ["she", "laughed"]
    assert view.to_pandas("tokens").angle.tolist() == pytest.approx([45.0, 45.0])


def test_several_texts_compare_and_one_text_replaces_them(view, calls):
    view.texts = ["a b", "c"]
    view.wait(5)
    assert calls[-1] == ("trail", 1, ("a b", "c"))
    view.text = "d"
    assert view.texts == []
    view.text = ""
    view.wait(5)
    assert view._trail == {}


def test_turning_the_hand_asks_for_the_next_word(view, calls):
    view.angle = 120
    view.wait(5)
    assert calls[-1][:3] == ("words", "120°", 0.15)
    assert view._expected["at"]["angle"] == 120
    assert np.exp(unpack(view._expected["now"])) == pytest.approx(0.2)
    assert view.to_pandas("words").word.tolist() == list(NAMES)


def test_the_newest_hand_wins(view, model, calls):
    model.gate.clear()
    for angle in (10, 20, 30, 40):
        view.angle = angle
    model.gate.set()
    view.wait(5)
    assert view._expected["at"]["angle"] == 40
    assert len(calls) < 5


def test_a_placebo_plane_is_turned_in_its_place(view, calls):
    view.plane = "span"
    view.wait(5)
    assert calls[-1][1] == "span 0°"
    assert view._expected["at"]["plane"] == "span"


def test_text_is_written_beside_the_unsteered_one(view, calls):
    view.mode = "text"
    view.angle = 200
    view.wait(5)
    assert calls[-1] == ("text", 200.0)
    assert view._written["done"]
    assert len(view._written["base"]) == view.max_new_tokens


def test_changing_layer_moves_everything_to_it(view, calls):
    view.text = "a b"
    view.wait(5)
    view.layer = 0
    view.wait(5)
    assert view._facts["point"] == "resid_post.0"
    assert ("trail", 0, ("a b",)) in calls
    assert view._expected["at"]["layer"] == 0
    assert str(view.direction.point) == "resid_post.0"


def test_a_layer_outside_the_model_is_named(view):
    with pytest.raises(TraitError, match=r"layer 7 is outside 0\.\.\.1"):
        view.layer = 7


def test_the_wheel_is_turned_on_request_with_its_placebo(view, calls):
    view.placebo = 3
    view._request = {"serial": 1, "kind": "around"}
    view.wait(5)
    assert calls[-1] == ("wheel", 0.15, 3)
    assert view.wheel is not None
    assert view._wheel["words"] == list(NAMES)
    assert unpack(view._wheel["curves"]).shape == (6, 12)
    fits = unpack(view._wheel["fits"])
    assert np.allclose(fits[:, 2], FOUND.reference, atol=0.1)  # peaks
    assert np.allclose(fits[:, 5], 0.1 * fits[:, 3], atol=1e-3)  # placebo's amplitude
    assert "random planes up to" in view._wheel["says"]
    assert len(view.to_pandas("wheel")) == len(NAMES)


def test_a_hand_of_no_length_turns_no_wheel(view):
    view.strength = 0
    view._request = {"serial": 1, "kind": "around"}
    assert "strength is 0" in view.error


def test_a_failure_is_shown_once_and_does_not_come_back(view, monkeypatch, calls):
    def broken(*_args, **_more):
        raise ValueError("the model refused")

    monkeypatch.setattr(turning, "around", broken)
    view.around().wait(5)
    assert (view.status, view.error) == ("failed", "the model refused")
    view.angle = 10
    view.wait(5)
    assert (view.status, view.error) == ("idle", "")


def test_stop_drops_what_was_to_be_done(view, model, calls):
    model.gate.clear()
    view.angle = 10
    view.around()
    view.stop()
    model.gate.set()
    view.wait(5)
    assert view.wheel is None
    assert view._steps.todo == set()


def test_on_a_server_nothing_runs_until_run_is_pressed(model, calls):
    model.remote = True
    view = EmotionCircle(model, FOUND)
    view.angle = 50
    view.text = "hello"
    view.plane = "random"
    assert calls == []
    assert view.status == "idle"
    view._request = {"serial": 1, "kind": "run"}
    view.wait(5)
    assert [call[0] for call in calls] == ["trail", "words"]


def test_an_unknown_table_lists_those_there_are(view):
    with pytest.raises(ValueError, match="names, tokens, words, layers, wheel"):
        view.to_pandas("rows")


def test_an_export_keeps_the_wheel(view, tmp_path):
    view.around().wait(5)
    text = view.to_html(tmp_path / "wheel.html").read_text()
    assert "random planes up to" in text
