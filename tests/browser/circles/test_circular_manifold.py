"""CircularManifold in a real JupyterLab: a dial of months, without a model's controls."""

import pytest
from browser.circles.dial_page import Dial

MAKE = """
import numpy as np
from volvelle.compute.directions.directions import Dictionary
months = "January February March April May June July August September October November December"
calendar = {month: 30.0 * i for i, month in enumerate(months.split())}
rng = np.random.default_rng(0)
turn = np.radians(list(calendar.values()))
ring = np.stack([np.cos(turn), np.sin(turn)], 1) @ rng.normal(size=(2, 20))
rows = ring + rng.normal(size=(12, 20)) / 3
made_up = Dictionary(rows, list(calendar), "resid_post.3", "months, made up")
found = vv.fit_circle(made_up, calendar, n_null=200)
c = vv.CircularManifold(found)
c
"""


@pytest.fixture
def dial(live):
    return Dial(live.run(MAKE).view, "circular_manifold")


def test_it_turns_selects_and_says_its_null(live, dial):
    assert dial.root.locator(".vv-verdict").inner_text() == live.ask("found.summary()")
    assert dial.overlaps() == (12, [])
    dial.drag(0, 120)
    live.until("abs(c.angle - 120) < 1.5", expected=True)
    dial.names.filter(has_text="June").locator("text").click()
    live.until("c.selected", ["June"])
    live.tell("c.angle = 300; c.selected = []")
    dial.page.wait_for_function(
        "() => document.querySelector('.vv-hand').getAttribute('aria-valuenow') === '300'"
    )
    live.picture(dial.root, "circular_manifold")


def test_the_hand_snaps_to_names(live, dial):
    dial.root.get_by_label("snap to names").check()
    live.until("c.snap", expected=True)
    dial.drag(20, 95)
    live.until("bool(min(abs(c.circle.angles - c.angle)) < 0.06)", expected=True)
