"""Views of a model on a server: nothing is sent before Run, and Run says what it will send.

The model here is the demo model's structure with an address nobody answers at: a view that sent
anything would fail.
"""

import inspect

import pytest
from house.tree import views

import volvelle as vv
from volvelle.experiments.maps.plan import MOST_MATCHED
from volvelle.models.plan import MOST_READ, MOST_WRITTEN
from volvelle.views.steering.controls import CONTROLS

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def there():
    return vv.load("smollm2", remote=NOBODY)


@pytest.fixture
def idle(there):
    """The model; nothing may have run on it when the test ends."""
    before = max((record.number for record in there.worker.jobs), default=0)
    yield there
    last = there.worker.submit(lambda: None)
    last.result(10)
    assert [r.number for r in there.worker.jobs if r.number > before] == [last.number]


def toy(model):
    """A circle of hand-made vectors."""
    import numpy as np

    turn = np.radians([0, 90, 180, 270, 30, 200])
    axes = np.eye(2, model.d_model)
    vectors = np.cos(turn)[:, None] * axes[0] + np.sin(turn)[:, None] * axes[1]
    names = ["happy", "alert", "sad", "calm", "glad", "gloomy"]
    return vv.fit_circle(vv.Dictionary(vectors, names, "resid_post.14"), n_null=10)


def test_feature_activations_send_nothing_while_typing_hovering_and_selecting(idle):
    view = vv.FeatureActivations(idle, vv.demo_sae("a"), "The old sailor laughed.")
    assert view.status == "idle"
    first = view._plan
    assert "5 tokens to read" in first
    assert NOBODY in first
    view.set_state({"text": "The old sailor laughed. Then he slept."})
    view.texts = ["one", "two"]
    view.query = "sea"
    view.selected_features = [3]
    view.set_state({"_request": {"serial": 1, "kind": "labels", "features": [3]}})
    assert view._plan != first
    assert "2 texts" in view._plan
    assert view.error == ""
    view.texts = []
    assert "write a text" in view._plan


def test_feature_activations_do_not_send_more_than_the_cap(idle):
    view = vv.FeatureActivations(idle, vv.demo_sae("a"), "word " * (MOST_READ + 10))
    assert "at most 2,000" in view._plan
    with pytest.raises(ValueError, match=r"vv\.encode"):
        view.run()


def test_the_circle_sends_nothing_on_drag_typing_and_choosing(idle):
    view = vv.EmotionCircle(idle, text="She laughed.")
    assert "texts to read in every layer" in view._plan
    for trait, value in [
        *[("angle", 40.0), ("strength", 0.3), ("plane", "random"), ("mode", "text")],
        *[("prompt", "I am"), ("text", "He cried."), ("seed", 2), ("max_new_tokens", 64)],
    ]:
        view.set_state({trait: value})
    assert (view.status, view.error) == ("idle", "")
    view = vv.EmotionCircle(idle, toy(idle), text="She laughed.")
    words = view._plan
    assert "tokens to read" in words
    assert "next word" in words
    view.set_state({"mode": "text"})
    assert "2 rows of 24 tokens" in view._plan


def test_the_circle_writes_no_more_than_the_cap(idle):
    view = vv.EmotionCircle(idle, toy(idle))
    view.set_state({"max_new_tokens": MOST_WRITTEN + 1})
    assert "expected 1...128" in view.error
    assert view.max_new_tokens == 24


def test_steering_sends_nothing_while_controls_change(idle):
    sae = vv.demo_sae("a")
    view = vv.Steering(idle, [sae.feature(9)], "The letter said", sae=sae)
    off = view._plan
    assert "1 row of 48 tokens" in off
    view.set_state({"strengths": {view.names[0]: 0.4}})
    # unsteered, steered, and five placebos of either kind
    assert "12 rows of 48 tokens" in view._plan
    view.set_state({"multiples": [1.0, 2.0], "max_new_tokens": 16, "placebo": 0})
    assert "3 rows of 16 tokens" in view._plan
    for trait, value in [("prompt", "I am"), ("query", "sea"), ("seed", 2), ("muted", view.names)]:
        view.set_state({trait: value})
    assert view._plan.startswith("Run sends 1 row")
    view.add(sae.feature(12), 0.2)
    assert "3 rows" in view._plan
    view.set_state({"watch": [" happy", " a sense of excitement"]})
    assert "3 watched phrases to score" in view._plan
    view.set_state({"watch": [" happy"]})
    assert "phrases" not in view._plan
    view.set_state({"live": True})
    assert "press Run" in view.error
    view.set_state({"max_new_tokens": MOST_WRITTEN + 1})
    assert "at most 128" in view.error


def test_a_map_of_a_model_on_a_server_waits_for_run(idle):
    a, b = vv.demo_sae("a"), vv.demo_sae("b")
    view = vv.DualUMAP(a, b, idle, ["The old sailor laughed."] * 3, match="activation")
    assert view.status == "idle"
    assert "3 texts, 15 tokens to read" in view._plan
    assert NOBODY in view._plan
    view.set_state({"query": "sea", "color_by": "match"})
    assert (view.status, view.error) == ("idle", "")
    long = vv.DualUMAP(a, b, idle, ["word " * (MOST_MATCHED + 10)])
    assert "at most 20,000" in long._plan
    with pytest.raises(ValueError, match=r"vv\.dual_layout"):
        long.run()


def test_every_control_of_steering_moves_its_estimate():
    assert {"strengths", "muted", "multiples", "placebo", "max_new_tokens"} <= set(CONTROLS)


SENDING = {
    "FeatureActivations": lambda m: vv.FeatureActivations(m, vv.demo_sae("a"), "The old sailor."),
    "EmotionCircle": lambda m: vv.EmotionCircle(m, toy(m), text="She laughed."),
    "Steering": lambda m: vv.Steering(m, [vv.demo_sae("a").feature(9)], "The letter said"),
    "DualUMAP": lambda m: vv.DualUMAP(
        vv.demo_sae("a"), vv.demo_sae("b"), m, ["The old sailor laughed."] * 3
    ),
}
# Shows what a model does, and sends nothing of its own.
LOOKING_ON = {"Jobs"}


def test_every_view_that_takes_a_model_is_a_row():
    taking = {
        name
        for name in views()
        if {"model", "model_or_circle"} & set(inspect.signature(getattr(vv, name)).parameters)
    }
    assert taking == set(SENDING) | LOOKING_ON


@pytest.mark.parametrize("make", SENDING.values(), ids=SENDING)
def test_a_dead_server_is_said_in_a_sentence_and_the_view_stays_usable(there, make, caplog):
    view = make(there)
    before = view.get_state()
    view.run().wait(60)
    assert view.status == "failed"
    assert view.error.startswith(f"no server answers at {NOBODY}")
    assert "NDIF_HOST" in view.error
    assert "\n" not in view.error
    assert "Traceback" in view._traceback
    # a map lays itself out here first, and says so
    kept = [k for k in ("text", "prompt", "_facts") if before.get(k)]
    assert {k: view.get_state()[k] for k in kept} == {k: before[k] for k in kept}
    assert view._plan
    view.run().wait(60)  # it can be asked again
    assert view.status == "failed"
    assert [record.status for record in there.worker.jobs][-1] == "failed"


@pytest.mark.parametrize("key", ["a-key-in-the-environment"])
def test_the_key_is_in_no_trait_and_no_file(there, key, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NDIF_API_KEY", key)
    view = vv.FeatureActivations(there, vv.demo_sae("a"), "The old sailor.").run().wait(60)
    jobs = vv.Jobs(there)
    for each in (view, jobs):
        assert key not in str(each.get_state())
        assert key not in each.to_html(tmp_path / "view.html").read_text()
    assert key not in caplog.text
