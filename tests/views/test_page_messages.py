"""Thousands of messages that no page of ours would send, to every view; the same each time."""

import json
import linecache
import logging
import random
import time
import traceback

import numpy as np
import pytest
from house.tree import views
from traitlets import TraitError
from views.circles.planted import circle
from views.fakes import FakeModel
from views.steering.test_dose_response import dose

import volvelle as vv
from volvelle.views.kit.check import check
from volvelle.views.kit.declared import page_writes, requests_of, type_of
from volvelle.views.kit.view import HOST_TRAITS

N_FEATURES = 12
# A message may take this long at most; the largest make a list or a map anew.
SLOW_S = 1.0
HUGE = {"dtype": "bits", "shape": [4_000_000_000], "data": b"\1"}


def directions():
    draw = np.random.default_rng(0)
    return {name: vv.Direction(draw.normal(size=8), name, "resid_post.1") for name in ("joy", "f")}


def vectors(seed):
    return np.random.default_rng(seed).standard_normal((N_FEATURES, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def made():
    """Every view by name, without a model where it does without one."""
    model = FakeModel()
    pair = vv.dual_layout(vectors(0), vectors(1), cache=False, n_epochs=2)
    found = {
        "FeatureActivations": vv.FeatureActivations.from_values(
            ["a", "b", "c"], np.eye(3, N_FEATURES)
        ),
        "Steering": vv.Steering(None, directions(), "hello"),
        "DoseResponse": vv.DoseResponse(dose()),
        "CircularManifold": vv.CircularManifold(circle()),
        "EmotionCircle": vv.EmotionCircle(circle()),
        "DualUMAP": vv.DualUMAP(pair),
        "Jobs": vv.Jobs(model),
    }
    yield found
    for view in found.values():
        view.close()
    model.worker.stop()


def junk(draw):
    """A value that JSON and its buffers can hold, and no trait expects."""
    deep = []
    for _ in range(3000):
        deep = [deep]
    numbers = [0, -1, 1, 7, 1.5, 1e308, float("nan"), float("inf"), 10**400, 2**63, 10**9]
    names = ["", "x", "joy", "__class__", "a\ud800", "\0", "<script>", "IPY_MODEL_x", "y" * 10**6]
    simple = [None, True, False, *numbers, *names]
    wires = [
        HUGE,
        {"dtype": "<u4", "shape": [1], "data": b"\0\0\0\0"},
        {"dtype": "<u4", "shape": [10**9], "data": b"\0\0\0\0"},
        {"dtype": "<f4", "shape": [draw.choice(simple)], "data": draw.choice(simple)},
        {"dtype": draw.choice(["O", "M8[s]", "bits", 4]), "shape": [-1], "data": b"\xff" * 8},
        {"shape": [1], "data": b"\1"},
    ]
    kinds = ["stop", "run", "add", "look", "labels", "restore", "remove", "cancel", "again", "msg"]
    one = draw.choice(simple)
    request = {"serial": draw.choice([1, 2, one]), "kind": draw.choice([*kinds, one])}
    nested = [[one], [[one]], [{}], {one if isinstance(one, str) else "joy": draw.choice(simple)}]
    nested += [{"joy": {"c": one}}, {"joy": [one]}, {"concept": one}, list(range(2000)), deep]
    request |= {draw.choice(["feature", "name", "number", "which", "index"]): one}
    return draw.choice([draw.choice(simple), draw.choice(nested), draw.choice(wires), request])


def sensible(draw, kind):
    """A value of a declared type, not always one that the view takes."""
    for candidate in draw.sample(POOL, len(POOL)):
        try:
            check(candidate, kind, "it")
        except TraitError:
            continue
        return candidate
    return {}


POOL = [0, 1, 2, 0.25, True, False, "", "joy", "a", "asked", "add", "two", "max", "words", "circle"]
POOL += [[], [0], [1, 2], ["joy"], {}, {"joy": 0.5}, {"joy": "norm"}, {"joy": {"c": 1.0}}]
POOL += [{"dtype": "<u4", "shape": [1], "data": b"\1\0\0\0"}, {"concept": "joy", "strength": 1.0}]


def message(draw, view):
    """A message of one to three traits, some of them as they should be."""
    traits = view.traits()
    names = [name for name in view.keys if name != "_request"]
    written = [name for name in names if page_writes(traits[name])]
    found = {}
    for _ in range(draw.randint(1, 3)):
        if draw.random() < 0.4:
            name = draw.choice(written)
            found[name] = sensible(draw, type_of(traits[name]))
        else:
            found[draw.choice([*names, *written, "_request", "nowhere"])] = junk(draw)
    if draw.random() < 0.1:
        kind, fields = draw.choice(list(requests_of(type(view)).items()))
        asked = {name: sensible(draw, one) for name, one in fields.items()}
        found["_request"] = {"serial": draw.randint(1, 10**6), "kind": kind} | asked
    return found


def settings_of(view):
    """What the page may write, as it is now, and what it is shown of it."""
    state = view.get_state()
    names = (n for n, trait in view.traits(sync=True).items() if page_writes(trait))
    return {n: json.dumps(state[n], default=repr) for n in names if n != "_request"}


def spoken(error):
    """Whether a failure is one that volvelle says of itself: raised on purpose, in a sentence."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    ours = "volvelle" in last.filename and line.startswith("raise")
    return ours or (isinstance(error, TraitError) and len(str(error)) > 10)


def test_every_view_is_made_here(made):
    assert set(made) == set(views())


@pytest.mark.parametrize("n_messages", [200, pytest.param(3000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", list(views()))
def test_no_message_of_a_page_is_half_applied_raw_or_slow(made, name, n_messages, monkeypatch):
    view, draw, failures = made[name], random.Random(name), []
    fail = view._fail
    monkeypatch.setattr(view, "_fail", lambda error: (failures.append(error), fail(error)))
    monkeypatch.setattr(logging.getLogger("volvelle"), "disabled", True)  # pytest would format all
    half, raw, slow, silent, taken = [], [], [], [], 0
    for _ in range(n_messages):
        sent = message(draw, view)
        before = settings_of(view)
        failures.clear()
        view._work.forgive()
        began = time.perf_counter()
        view._handle_msg({"content": {"data": {"method": "update", "state": sent}}})
        if time.perf_counter() - began > SLOW_S:
            slow.append(sent)
        raw += [error for error in failures if not spoken(error)]
        if failures:
            half += [sent] if settings_of(view) != before else []
            silent += [sent] if not view.error else []
        else:
            taken += 1
    assert (half, raw, slow, silent) == ([], [], [], [])
    assert taken > n_messages / 50, "some messages are as they should be"
    state = {k: v for k, v in view.get_state().items() if k not in HOST_TRAITS}
    json.dumps(state, allow_nan=False, default=repr)


@pytest.mark.parametrize(
    ("name", "trait", "value", "message"),
    [
        ("Steering", "settings", {"joy": 5}, "settings['joy'] is 5, expected an object with 'c'"),
        ("FeatureActivations", "selected_features", [True], "selected_features[0] is True"),
        ("EmotionCircle", "layer", True, "layer is True, expected a whole number"),
        ("DualUMAP", "selected_a", HUGE, "selected_a: 1 bytes came"),
        ("DualUMAP", "_xy_a", {}, "_xy_a came from the page, expected from Python alone"),
    ],
)
def test_a_message_that_broke_a_view_is_refused_and_nothing_kept(made, name, trait, value, message):
    view = made[name]
    before = repr(getattr(view, trait))
    view.set_state({trait: value})
    assert message in view.error
    assert repr(getattr(view, trait)) == before
