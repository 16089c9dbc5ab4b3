"""Labelled texts reduced where the model is: the same means and draws, in fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest

from volvelle.compute.circles.scores import bootstrap_angles, gram, split_half, unpacked_gram
from volvelle.experiments.circles.check_circle import _class_states
from volvelle.experiments.circles.stimuli import read_stimuli
from volvelle.experiments.circles.vectors import class_vectors
from volvelle.experiments.readouts.class_means import ClassMeans
from volvelle.formulas.reductions import packed_gram
from volvelle.models.traces import reduce as trace
from volvelle.models.verbs import capture

WORDS = ("happy", "angry", "sad", "calm")
TEMPLATES = tuple(f"{number} they felt {{w}} today" for number in ("one", "twice", "it said"))
PAIRS = {w: [(f"{w} it is {i}", f"it is {i}") for i in range(5)] for w in WORDS}
MANY = {w: [f"of {w} a text {end}" for end in "3kZ.u"] for w in WORDS}


def both(here, there, stimuli, **how):
    """Class vectors read here and there, and what the job there says."""
    read = read_stimuli(stimuli, WORDS)
    job = there.submit(lambda: class_vectors(there, read, cache=False, **how))
    return class_vectors(here, read, cache=False, **how), job.result(60), job.details


@pytest.mark.parametrize("positions", ["last", "mean"])
@pytest.mark.parametrize("neutral", [0.0, 0.5])
@pytest.mark.parametrize("stimuli", [TEMPLATES, MANY, PAIRS], ids=["templates", "texts", "pairs"])
def test_means_and_what_is_drawn_from_them_are_the_same(here, there, stimuli, neutral, positions):
    a, b, said = both(here, there, stimuli, neutral=neutral, positions=positions)
    assert "are read there" in said[0]
    assert a.points == b.points
    np.testing.assert_allclose(a.means, b.means, atol=1e-5)
    for one, other in zip(a.grams.astype(float), b.grams.astype(float), strict=True):
        drawn = [split_half(x, a.owner, 4, paired=a.paired) for x in (one, other)]
        assert drawn[0] == pytest.approx(drawn[1], abs=1e-4)
        xy = np.random.default_rng(0).normal(size=(4, 2))
        turns = [bootstrap_angles(x, a.owner, xy, 5, paired=a.paired) for x in (one, other)]
        assert np.abs(np.exp(1j * turns[0]) - np.exp(1j * turns[1])).max() < 1e-2


def test_a_last_token_of_outlying_norm_is_left_out_there_too(here, there, monkeypatch):
    usual, _, _ = both(here, there, MANY)
    for module in (trace, capture):
        monkeypatch.setattr(module, "OUTLIER", 1.05)  # that of a random model is far below 4
    a, b, _ = both(here, there, MANY)
    np.testing.assert_allclose(a.means, b.means, atol=1e-5)
    assert np.abs(usual.means[1:] - a.means[1:]).max() > 1e-2
    for module in (trace, capture):
        monkeypatch.setattr(module, "OUTLIER", 0.0)
    for model in (here, there):
        with pytest.raises(ValueError, match="every text of 'happy' ends on a token"):
            class_vectors(model, read_stimuli(MANY, WORDS), cache=False)


def test_states_that_are_fewer_bytes_come_back_as_they_are(here, there):
    one = {w: [f"a text of {w}"] for w in WORDS}
    a, b, said = both(here, there, one)
    assert "brought back" in said[0]
    np.testing.assert_allclose(a.grams, b.grams, atol=1e-4)


def test_checks_read_the_same_class_means(here, there, circle_of):
    read = read_stimuli(MANY, WORDS)
    found = [_class_states(model, circle_of(here), read, "last") for model in (here, there)]
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.fixture
def circle_of():
    import volvelle as vv

    def make(model):
        rows = np.random.default_rng(0).normal(size=(4, model.d_model))
        return vv.fit_circle(vv.Dictionary(rows, WORDS, "resid_post.2"), n_null=5)

    return make


@pytest.mark.parametrize("paired", [True, False])
def test_a_packed_gram_holds_every_number_once(paired):
    import torch

    x = np.random.default_rng(0).normal(size=(12, 7))
    inner = torch.tensor(gram(x))
    packed = packed_gram(inner, 4, paired=paired).numpy()
    classes = ClassMeans(np.repeat(np.arange(4), 3), paired=paired, grams=True)
    assert len(packed) == classes.n_products
    back = unpacked_gram(packed, 12, 4, paired=paired)
    np.testing.assert_allclose(back, back.T)
    if not paired:
        np.testing.assert_allclose(back, inner.numpy(), rtol=1e-5, atol=1e-6)
    else:
        blocks = inner.numpy().reshape(4, 3, 4, 3)
        mean = (blocks + blocks.transpose(0, 3, 2, 1)) / 2
        np.testing.assert_allclose(back, mean.reshape(12, 12), rtol=1e-5, atol=1e-6)
