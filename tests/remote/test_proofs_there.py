"""A model on a server proves its points with the first request, by the code that proves it here."""

from __future__ import annotations

import numpy as np
import pytest
from models import every, tiny
from remote.conftest import SECONDS

import volvelle as vv
from volvelle.models.engine import proving

TEXT = "The man looked at the sky."


@pytest.fixture(autouse=True)
def _nothing_is_proven(monkeypatch):
    monkeypatch.setattr(proving, "PROVEN", {})


@pytest.fixture(scope="module")
def granite(tmp_path_factory, host):
    """A model whose residuals are scaled, here and on the server."""
    folder = tmp_path_factory.mktemp("granite")
    every.hf("granite").save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return vv.load(folder, dtype="float32"), vv.load(folder, remote=host)


def job_of(model, verb):
    job = model.submit(lambda: verb(model))
    return job.result(SECONDS), job


def test_the_proof_rides_in_the_request_that_reads_a_point_and_is_the_one_from_here(here, host):
    there = vv.load("smollm2", remote=host)
    _, first = job_of(there, lambda m: m.capture(TEXT, "resid_post.14", "last"))
    assert len(first.requests) == 1
    found, second = job_of(there, lambda m: m.check())
    assert second.requests == []
    wanted = here.check()
    assert found.refused == wanted.refused == ()
    assert [proof.name for proof in found.proofs] == [proof.name for proof in wanted.proofs]
    for one, other in zip(found.proofs, wanted.proofs, strict=True):
        assert one.off == pytest.approx(other.off, abs=one.allowed / 10)
    _, third = job_of(there, lambda m: m.capture(TEXT, "resid_mid.14", "last"))
    assert third.requests[0].sent < first.requests[0].sent < 60_000
    assert first.requests[0].received - third.requests[0].received < 10_000


def test_asked_for_by_itself_it_is_one_request(host):
    found, job = job_of(vv.load("smollm2", remote=host), lambda m: m.check())
    assert (len(found), len(job.requests)) == (12, 1)


def test_what_does_not_hold_is_refused_there_as_it_is_here(granite):
    here, there = granite
    vector = np.ones(32, np.float32)

    def steered(model):
        steer = vv.Steer(vv.Direction(vector, "d", "mlp_out_post.2"), 1.0, unit="raw")
        return model.generate("hello", steer, max_new_tokens=2)

    for verb in (lambda m: m.capture("hello", "attn_out_post.1"), steered):
        said = []
        for model in (here, there):
            proving.PROVEN.clear()
            job = model.submit(lambda model=model, verb=verb: verb(model))
            with pytest.raises(ValueError, match=r"scaled: 0.5 of it is") as refused:
                job.result(SECONDS)
            said.append(str(refused.value))
            assert len(job.requests) == int(model is there)
            # once it is known, nothing is sent
            job = model.submit(lambda model=model, verb=verb: verb(model))
            with pytest.raises(ValueError, match=r"scaled: 0.5 of it is"):
                job.result(SECONDS)
            assert job.requests == []
        assert said[0] == said[1]


def test_what_holds_there_is_given_with_the_proof(granite):
    here, there = granite
    points = ["resid_mid.1", "attn_out.2", "mlp_out.2"]
    found, job = job_of(there, lambda m: m.capture("hello", points))
    assert len(job.requests) == 1
    wanted = here.capture("hello", points)
    for point in points:
        np.testing.assert_allclose(found[point], wanted[point], atol=1e-4)
    wrote, _ = job_of(there, lambda m: m.generate("hello", max_new_tokens=4))
    assert wrote.ids.tolist() == here.generate("hello", max_new_tokens=4).ids.tolist()


def test_what_is_left_there_goes_as_it_is_and_the_proof_behind_it(host):
    there = vv.load("smollm2", remote=host)

    def work():
        return there.capture(TEXT, "resid_post.3", "last")["resid_post.3"]

    job = there.submit(work, detached=True)
    wanted = job.result(SECONDS)
    assert len(job.ids) == 2
    # taken up by a kernel that has the proof, by one that has not, and without that request
    for ids in (job.ids, job.ids, job.ids[:1]):
        np.testing.assert_array_equal(there.attach(ids, work).result(SECONDS), wanted)
        proving.PROVEN.clear()


def test_what_does_not_hold_is_refused_though_it_was_left_there(granite):
    _, there = granite
    job = there.submit(lambda: there.capture("hello", "mlp_out_post.1"), detached=True)
    with pytest.raises(ValueError, match=r"scaled: 0.5 of it is"):
        job.result(SECONDS)


def test_a_proof_that_ends_its_request_takes_nothing_else_with_it(here, host, monkeypatch):
    # what cannot even be read there: the server says that the code failed
    monkeypatch.setattr(proving, "asked_of", lambda _: None)
    there = vv.load("smollm2", remote=host)
    found, job = job_of(there, lambda m: m.next_token(TEXT))
    assert len(job.requests) == 2
    np.testing.assert_allclose(found, here.next_token(TEXT), atol=1e-4)
    job = there.submit(lambda: there.capture(TEXT, "resid_post.3"))
    with pytest.raises(ValueError, match=r"cannot be tried \(the code of request"):
        job.result(SECONDS)
    assert job.requests == []


def test_tokens_stream_from_the_request_that_carries_the_proof(host):
    there = vv.load("smollm2", remote=host)
    told = []
    wrote, job = job_of(
        there,
        lambda m: m.generate(
            "When I woke", max_new_tokens=4, on_token=lambda *one: told.append(one)
        ),
    )
    assert len(job.requests) == 1
    assert [token for _, _, token in told] == wrote.ids.tolist()
    assert len(wrote.ids) == 4
