"""Every view, closed: Python frees it, and no comm is left of it."""

import gc
import weakref

import comm
import numpy as np
import pytest
from house.tree import views
from views.circles.planted import circle
from views.steering.test_dose_response import dose

import volvelle as vv


@pytest.fixture(scope="module")
def makers(model):
    """A function for every view that makes it, its work done."""
    draw = np.random.default_rng(0)
    sae = vv.demo_sae("a")
    joy = {"joy": vv.Direction(draw.normal(size=model.d_model), "joy", "resid_post.14")}
    rows = [draw.standard_normal((12, 6)).astype(np.float32) for _ in range(2)]
    pair = vv.dual_layout(*rows, cache=False, n_epochs=2)
    return {
        "FeatureActivations": lambda: vv.FeatureActivations(model, sae, "The sailor laughed."),
        "Steering": lambda: vv.Steering(model, joy, "I feel").run(),
        "DoseResponse": lambda: vv.DoseResponse(dose()),
        "CircularManifold": lambda: vv.CircularManifold(circle()),
        "EmotionCircle": lambda: vv.EmotionCircle(circle()),
        "DualUMAP": lambda: vv.DualUMAP(pair),
        "Jobs": lambda: vv.Jobs(model),
    }


@pytest.mark.parametrize("name", sorted(views()))
def test_a_closed_view_is_freed_and_leaves_no_comm(makers, name):
    before = len(comm.get_comm_manager().comms)
    held = []
    for _ in range(3):
        view = makers[name]().wait(60)
        assert view.error == ""
        view.set_state({"_request": {"serial": 1, "kind": "ping"}})
        held.append(weakref.ref(view))
        view.close()
        del view
    gc.collect()
    assert [ref() for ref in held] == [None] * 3
    assert len(comm.get_comm_manager().comms) == before


def test_views_made_again_and_again_take_one_comm_each(makers):
    """As of a cell that is run again; a bare anywidget takes two."""
    before = len(comm.get_comm_manager().comms)
    made = [make().wait(60) for _ in range(2) for make in makers.values()]
    assert len(comm.get_comm_manager().comms) == before + 2 * len(makers)
    for view in made:
        view.close()
    assert len(comm.get_comm_manager().comms) == before
