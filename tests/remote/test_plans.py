"""What a view says Run will send, beside what it sends."""

from __future__ import annotations

import re

import numpy as np
import pytest
from remote.conftest import SECONDS, latest, since

import volvelle as vv

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6}
TEXT = "The old sailor laughed. He had never seen Paris. " * 4


def planned(view):
    """Bytes there and back that a view names."""
    found = re.search(r"about ([\d.]+) (\w+) there, ([\d.]+) (\w+) back", view._plan)
    there, unit, back, other = found.groups()
    return float(there) * UNITS[unit], float(back) * UNITS[other]


def circle():
    vectors = np.random.default_rng(0).normal(size=(4, 576))
    names = ["happy", "angry", "sad", "calm"]
    return vv.fit_circle(vv.Dictionary(vectors, names, "resid_post.14"), n_null=10)


def dictionary(seed, n=40):
    vectors = np.random.default_rng(seed).normal(size=(n, 576)).astype("f4")
    return vv.Dictionary(vectors, [f"d{i}" for i in range(n)], "resid_post.14")


VIEWS = {
    "FeatureActivations": lambda m: vv.FeatureActivations(m, vv.demo_sae("a"), TEXT),
    "EmotionCircle, words": lambda m: vv.EmotionCircle(m, circle(), text=TEXT),
    "EmotionCircle, text": lambda m: vv.EmotionCircle(m, circle(), mode="text", max_new_tokens=8),
    "DualUMAP": lambda m: vv.DualUMAP(
        dictionary(0), dictionary(1), m, [TEXT, f"No. {TEXT}"], match="activation"
    ),
    "DualUMAP, few directions": lambda m: vv.DualUMAP(
        dictionary(0, 8), dictionary(1, 9), m, [TEXT * 3], match="activation"
    ),
    "Steering": lambda m: vv.Steering(
        m, [vv.Steer(vv.demo_sae("a").feature(9), 0.3)], "The letter", placebo=3, max_new_tokens=8
    ),
    "Steering, watched": lambda m: vv.Steering(
        m,
        [vv.Steer(vv.demo_sae("a").feature(9), 0.3)],
        "The letter",
        placebo=1,
        max_new_tokens=4,
        watch=[" happy"],
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_plan_is_true_within_a_factor_of_two_and_a_few_kilobytes(
    there, name, monkeypatch, tmp_path
):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))  # what is kept there is not asked for
    there.norms.clear()
    before = latest(there.worker)
    view = VIEWS[name](there)
    assert latest(there.worker) == before
    planned_sent, planned_back = planned(view)
    view.run().wait(SECONDS)
    assert view.error == ""
    records = since(there.worker, before)
    sent, back = (sum(getattr(r, way) for r in records) for way in ("sent", "received"))
    for said, came in ((planned_sent, sent), (planned_back, back)):
        assert came / 2 - 8e3 <= said <= 2 * came + 8e3, (view._plan, sent, back)
    # and its own line says what it was
    assert view._job_line["words"].startswith("last run: ")
    assert " sent" in view._job_line["wire"]
