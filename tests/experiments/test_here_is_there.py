"""Whatever is made of states comes out the same wherever it is made.

Here; on a server whose states are brought back; and made by what runs inside the model there.
Each readout is a row of `READOUTS`, a further one is one more. The demo model stands for the one
on the server: the same traces run on it, without a request in between.
"""

from __future__ import annotations

import numpy as np
import pytest

import volvelle as vv
from volvelle.experiments.readouts.class_means import ClassMeans
from volvelle.experiments.readouts.codes import Codes
from volvelle.experiments.readouts.projection import Norms, Projection
from volvelle.experiments.readouts.top_tokens import TopTokens
from volvelle.models.verbs.readout import Bytes, Readout

TEXTS = [
    "We danced all night, and nobody saw us.",
    "He slammed the door.",
    "She wept at the grave.",
    "The old sailor laughed. He had never been to Paris.",
    "Give it back, you thief!",
    "Nobody came.",
]
# of every token: one by itself, one of a single token, none at all
TOKENWISE = [*TEXTS[2:4], "No", "", *TEXTS[:2]]
OWNER = np.array([0, 1, 2, 0, 1, 2])
# The bytes of states and of what is made of them there, from which the way is chosen.
WAYS = {"brought back": (0, Bytes(1, 1)), "read there": (1, Bytes(0, 0))}
CLOSE = 1e-5  # of the largest number of its kind


def rows(n=6):
    return np.random.default_rng(0).standard_normal((n, 576)).astype(np.float32)


def sparse(found):
    named = {"codes": found.codes.toarray(), "fve": np.array([found.fve])}
    return named | {"sound": ~found.outliers} if len(found.outliers) else {"codes": named["codes"]}


READOUTS = {
    "norms": (Norms, lambda found: {"norms": found}),
    "projection": (lambda: Projection(rows()), lambda found: {"products": found}),
    "codes": (lambda: Codes(vv.demo_sae("b")), sparse),
    "codes that fit": (lambda: Codes(vv.demo_sae("a"), fits=True), sparse),
    "class means": (lambda: ClassMeans(OWNER, grams=True), lambda found: found._asdict()),
    "class means, pooled": (
        lambda: ClassMeans(OWNER, paired=True, grams=True, positions="mean"),
        lambda found: found._asdict(),
    ),
    "differences": (
        lambda: ClassMeans(OWNER[:2], minus=2, neutral=0.5),
        lambda found: {"means": found.means, "counts": found.counts},
    ),
    "top tokens": (
        lambda: TopTokens("model.norm", "", "lm_head", 5),
        lambda found: found._asdict(),
    ),
}
# What calls modules of the model has no way but one: the weights are nowhere else.
ROWS = [
    (name, way)
    for name, (make, _) in READOUTS.items()
    for way in WAYS
    if way == "read there" or not make().modules
]


def test_every_readout_is_a_row():
    assert {type(make()) for make, _ in READOUTS.values()} == set(Readout.__subclasses__())


@pytest.mark.parametrize(("name", "way"), ROWS)
def test_the_numbers_are_those_of_a_model_here(model, model_there, monkeypatch, name, way):
    make, numbers = READOUTS[name]
    texts = TEXTS if make().whole else TOKENWISE
    points = ("resid_post.14", "mlp_out.3")  # one pass reads both, in another order
    asked = {point: [make(), make()] for point in points}
    monkeypatch.setattr("volvelle.models.verbs.way.weighed", lambda *_: WAYS[way])
    job = model_there.submit(lambda: model_there.observe(texts, asked))
    found, wanted = job.result(), model.observe(texts, asked)
    assert (f"states of resid_post.14, mlp_out.3 are {way}") in job.details[0]
    assert list(found) == list(points)
    for point in points:
        for one, other in zip(found[point], wanted[point], strict=True):
            pairs = numbers(other)
            for what, array in pairs.items():
                largest = np.abs(array).max(initial=0)
                assert largest > 0 or what == "inner", what
                np.testing.assert_allclose(
                    numbers(one)[what], array, rtol=0, atol=CLOSE * largest, err_msg=what
                )


def test_readouts_of_one_point_may_go_different_ways_at_others(model, model_there):
    few, many = Projection(rows(2)), Projection(rows(900))
    asked = {"resid_post.14": [few, Norms()], "resid_post.3": [many]}
    job = model_there.submit(lambda: model_there.observe(TEXTS * 40, asked))
    found, wanted = job.result(), model.observe(TEXTS * 40, asked)
    assert "resid_post.14 are read there" in job.details[0]
    assert "resid_post.3 are brought back" in job.details[1]
    for point in asked:
        for one, other in zip(found[point], wanted[point], strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=CLOSE * np.abs(other).max())


def test_what_is_too_large_to_send_stays_here(model_there, monkeypatch):
    from volvelle.models.remote import backend

    monkeypatch.setattr(backend, "MOST_SENT", 1000)
    asked = {"resid_post.14": [Projection(rows(1))]}
    job = model_there.submit(lambda: model_there.observe(TEXTS, asked))
    job.result()
    assert "too large to send" in job.details[0]


def test_texts_longer_than_a_window_are_read_token_by_token_and_pooled_nowhere(model):
    text = " ".join(TEXTS)
    (whole,) = model.observe(text, {"resid_post.0": [Norms()]})["resid_post.0"]
    (cut,) = model.observe(text, {"resid_post.0": [Norms()]}, window=20)["resid_post.0"]
    assert len(whole) == len(cut) == len(model.tokens(text))
    np.testing.assert_allclose(cut[:20], whole[:20], rtol=1e-4)
    one = ClassMeans(np.zeros(1, int))
    with pytest.raises(ValueError, match=r"window 20 .* pooled"):
        model.observe(text, {"resid_post.0": [one]}, window=20)


def test_a_point_spelled_twice_and_what_does_not_fit_it(model):
    asked = {"resid_post.3": [Norms()], "model.layers.3.output": [Projection(rows(3))]}
    found = model.observe("She wept.", asked)
    assert found["resid_post.3"][0].ndim == 1
    assert found["model.layers.3.output"][0].shape[1] == 3
    narrow = Projection(np.ones((2, 5), np.float32))
    with pytest.raises(ValueError, match=r"made for 5-dimensional states, smollm2 has 576 there"):
        model.observe("She wept.", {"resid_post.3": [narrow]})
