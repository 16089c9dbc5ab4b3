"""Texts seen through dictionaries where the model is: what their states would have shown here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import tiny

import volvelle as vv
from volvelle.experiments.maps.reading import read
from volvelle.experiments.maps.sides import side
from volvelle.experiments.readouts.codes import Codes
from volvelle.experiments.readouts.projection import Norms, Projection
from volvelle.models.verbs.readout import Size
from volvelle.models.verbs.way import weighed
from volvelle.views.circles import reading

# the last is longer than the model's context of 128 bytes
TEXTS = ["one two three four five six", "", "two", "three two one " * 30]


def dictionary(n, point, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, tiny.WIDTH)).astype("f4")
    return vv.Dictionary(rows, [f"d{i}" for i in range(n)], point, f"words {seed}")


def sae(architecture, n, point):
    make = np.random.default_rng(1).normal
    weights = {
        "W_enc": make(size=(tiny.WIDTH, n)),
        "W_dec": make(size=(n, tiny.WIDTH)),
        "b_dec": make(size=tiny.WIDTH),
        "b_enc": make(size=n) / 4,
    }
    weights = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}
    k = 3 if architecture == "topk" else None
    # a feature that never fires is left out of both
    densities = np.r_[0.0, np.ones(n - 1)]
    return vv.SAE(weights, architecture, point, k=k, densities=densities)


SIDES = {
    "two dictionaries": (dictionary(5, "resid_post.1"), dictionary(7, "resid_post.1", 1)),
    "two points": (dictionary(5, "resid_post.2"), dictionary(7, "mlp_out.1", 1)),
    "an SAE": (sae("topk", 12, "resid_post.1"), dictionary(4, "resid_post.1")),
    "another": (sae("standard", 12, "resid_post.1"), sae("topk", 14, "resid_post.2")),
}


@pytest.mark.parametrize("given", SIDES)
def test_readings_are_the_same_wherever_they_are_made(here, there, given):
    sides = [side(one, name) for one, name in zip(SIDES[given], "ab", strict=True)]
    wanted = read(here, TEXTS, sides, lambda *_: None)
    job = there.submit(lambda: read(there, TEXTS, sides, lambda *_: None))
    found = job.result(60)
    (said,) = job.details
    assert "are read there" in said
    assert all(one.point in said for one in sides)
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(a.scored, b.scored)
        np.testing.assert_allclose(a.codes.toarray(), b.codes.toarray(), atol=1e-4)
        assert b.codes.nnz


def test_only_what_moves_less_is_read_there(here, there):
    small, large = dictionary(3, "resid_post.1"), dictionary(400, "resid_post.2", 1)
    sides = [side(one, name) for one, name in zip((small, large), "ab", strict=True)]
    job = there.submit(lambda: read(there, TEXTS, sides, lambda *_: None))
    found, wanted = job.result(60), read(here, TEXTS, sides, lambda *_: None)
    assert ["are read there" in said for said in job.details] == [True, False]
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(a.scored, b.scored)
        np.testing.assert_allclose(a.codes.toarray(), b.codes.toarray(), atol=1e-4)


def test_the_bytes_that_are_compared_are_those_of_rows_readings_and_states():
    rows = np.ones((3, tiny.WIDTH), np.float32)
    readouts = [Norms(), Projection(rows), Codes(SIDES["an SAE"][0])]
    back, (sent, received) = weighed(readouts, Size(10, 2, 99))
    assert back == 10 * tiny.WIDTH * 4
    encoder = tiny.WIDTH * 12 + tiny.WIDTH + 12
    assert sent == rows.nbytes + encoder * 4
    assert received == 10 * (4 + 3 * 4 + (3 * 8 + 4))


def test_a_text_lies_where_it_does_on_the_dial_of_a_model_here(here, there):
    circle = vv.fit_circle(dictionary(4, "resid_post.2"), n_null=5)
    texts = ["one two three four five six " * 4, "two"]
    trails = []
    for model in (here, there):
        centre = reading.neutral_centre(model, circle)
        trails.append(reading.trail_of(model, circle, texts, centre, lambda *_: None))
    a, b = trails
    np.testing.assert_allclose(a.xy, b.xy, atol=1e-5)
    np.testing.assert_allclose(a.means, b.means, atol=1e-5)
    assert a.strings == b.strings
    assert np.isnan(b.xy[0]).all()
