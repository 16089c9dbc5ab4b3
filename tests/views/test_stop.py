"""Views refuse what is too large before any work, and rest soon after Stop."""

from __future__ import annotations

import time

import numpy as np
import pytest
from models import tiny

import volvelle as vv

POINT = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def sae():
    drawn = np.random.default_rng(3).normal(size=(64, 32)).astype(np.float32)
    tensors = {"W_enc": drawn.T.copy(), "W_dec": drawn}
    tensors |= {"b_enc": np.zeros(64, np.float32), "b_dec": np.zeros(32, np.float32)}
    return vv.SAE.load(tensors, point=POINT, k=8, name="toy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # one token a letter: this is split, and counted, before it runs
        ("x" * 20_001, "20,001 tokens, this view draws up to 20,000"),
        ("x" * 2_000_000, "2,000,000 characters, which are 400,000 tokens or more"),
    ],
    ids=["tokens", "characters"],
)
def test_a_text_that_is_not_drawn_is_not_run(model, sae, text, said):
    view = vv.FeatureActivations(model, sae, "a text").wait(60)
    ran = []
    module = model.nnsight._module
    hook = module.register_forward_pre_hook(lambda *_: ran.append(1))
    try:
        view.text = text
        view.wait(60)
    finally:
        hook.remove()
    assert said in view.error
    assert not ran
    view.text = "another text"
    assert view.wait(60).error == ""


def steering(model, sae):
    view = vv.Steering(
        model, {"up": vv.Direction(np.arange(1.0, 33), "up", POINT)}, "ab", live=False
    )
    view.strengths, view.watch = {"up": 0.2}, ["y"]
    view.placebo, view.max_new_tokens = 1000, 100
    return view.wait(60)


def activations(model, sae):
    view = vv.FeatureActivations(model, sae, "a text").wait(60)
    view.texts = [f"text {n} of some words" for n in range(900)]
    return view


def dual_map(model, sae):
    drawn = np.random.default_rng(0).normal(size=(2, 9000, 256))
    return vv.DualUMAP(drawn[0], drawn[1])


@pytest.mark.parametrize("make", [steering, activations, dual_map])
def test_a_view_rests_soon_after_stop(model, sae, make):
    view = make(model, sae)
    if view.status == "idle":
        view.run()
    time.sleep(0.7)  # time itself is tested: by now the work is in the midst of its long part
    job = view._work.job
    assert not job.ended, view.error
    wall, busy = time.monotonic(), time.process_time()
    view.stop()
    job._ended.wait(60)
    rest = min(time.monotonic() - wall, time.process_time() - busy + 0.1)
    assert (job.status, view.status) == ("cancelled", "idle")
    assert rest < 0.5
