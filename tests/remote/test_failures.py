"""What goes wrong, really caused: one sentence, the way out, and the model usable afterwards."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from remote.conftest import wait_for
from remote.doors import door

import volvelle as vv
from volvelle.models import remote_backend, remote_run, smollm2, trace

TEXT = "The man looked at the sky."


def at(address):
    return vv.load("smollm2", remote=address)


def failure(work):
    with pytest.raises(vv.RemoteFailure) as caught:
        work()
    message = str(caught.value)
    assert message.count("\n") == 0
    assert len(message) < 500
    return caught.value


def test_a_dead_host(here):
    error = failure(lambda: at("http://127.0.0.1:9").norm("resid_post.3"))
    assert error.kind == "unreachable"
    assert "no server answers at http://127.0.0.1:9" in str(error)
    assert here.next_token(TEXT, tokens=[" I"]).shape == (1, 1)


@pytest.mark.parametrize("port", [19000, 18265], ids=["object store", "dashboard"])
def test_a_wrong_port(port):
    error = failure(lambda: at(f"http://127.0.0.1:{port}").norm("resid_post.3"))
    assert error.kind == "not ndif"
    assert "check the port" in str(error)
    failure(lambda: vv.remote_models(f"http://127.0.0.1:{port}"))


def test_a_wrong_key_is_said_and_not_repeated(monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "not-a-key-of-theirs")
    with door(18011, NDIF_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none") as second:
        error = failure(lambda: at(second.address).norm("resid_post.3"))
    assert error.kind == "key"
    assert "NDIF_API_KEY" in str(error)
    for said in (str(error), error.remote_traceback, repr(error.request)):
        assert "not-a-key-of-theirs" not in said


def test_a_server_that_wants_another_version():
    with door(18012, NDIF_MIN_NNSIGHT_VERSION="99.0") as second:
        error = failure(lambda: at(second.address).norm("resid_post.3"))
    assert error.kind == "version"
    assert "nnsight.compare()" in str(error)


def test_a_model_that_the_server_does_not_have(host, tmp_path):
    for file in Path(smollm2.folder()).glob("*.json"):
        shutil.copy(file, tmp_path)
    lost = vv.load(tmp_path, remote=host)
    error = failure(lambda: lost.norm("resid_post.3"))
    assert error.kind == "model"
    assert "vv.remote_models()" in str(error)
    assert error.remote_traceback


def test_an_error_in_the_code_that_runs_there(there):
    import torch

    inputs = {"input_ids": torch.tensor([[1, 2]]), "use_cache": False}
    site = [("model.layers.99", "output")]
    error = failure(
        lambda: there.call(lambda: there.run(trace.read, inputs, site, torch.tensor([2]), "all"))
    )
    assert error.kind == "code"
    assert "state_at" in error.remote_traceback
    assert there.capture(TEXT, "resid_post.1", "last")["resid_post.1"].shape == (1, 576)


def test_a_request_over_the_limit(there, monkeypatch):
    monkeypatch.setattr(remote_backend, "MOST_SENT", 1000)
    error = failure(lambda: there.capture(TEXT, "resid_post.1"))
    assert error.kind == "too large"


@pytest.mark.parametrize("most", [1000, 9_000_000], ids=["on the stream", "fetched"])
def test_a_result_over_the_limit_is_not_taken(there, monkeypatch, most):
    # past 8 MiB the server stages a result in its object store
    points = "resid_post.1" if most < 10_000 else [f"resid_post.{n}" for n in range(30)]
    texts = [TEXT] if most < 10_000 else [TEXT * 12] * 3
    monkeypatch.setattr(remote_backend, "MOST_RECEIVED", most)
    error = failure(lambda: there.capture(texts, points))
    assert error.kind == "too large"
    assert "positions='last'" in str(error)
    monkeypatch.undo()
    assert there.capture(texts[0], "resid_post.1", "last")["resid_post.1"].shape == (1, 576)


def started(model, status, n=40):
    """Start a long generation and wait until it is in a state."""
    reached = threading.Event()
    job = model.submit(
        lambda: model.generate(TEXT, max_new_tokens=n, on_token=lambda *_: reached.set())
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if status == "running" and reached.is_set():
            return job
        if status != "running" and job.requests and job.requests[0].reached(status):
            return job
        if job.ended:
            job.result()
        time.sleep(0.02)
    raise TimeoutError(job.requests)


def test_a_server_killed_while_running():
    with door(18013) as second:
        job = started(at(second.address), "running")
        second.kill()
        error = failure(lambda: job.result(60))
    assert error.kind == "lost"
    assert "running" in str(error)


def test_a_server_killed_while_queued(there):
    with door(18014) as second:
        model = at(second.address)
        before = started(there, "running", n=100)
        job = started(model, "queued")
        second.kill()
        error = failure(lambda: job.result(60))
    before.cancel()
    assert error.kind == "lost"
    assert "queue" in str(error)


def test_a_connection_that_is_lost_and_comes_back_is_tried_once_more(here, there, monkeypatch):
    monkeypatch.setattr(remote_run, "RETRY", 20.0)
    wanted = here.capture(TEXT, "resid_post.14", "last")["resid_post.14"]
    with door(18015) as second:
        model = at(second.address)
        before = started(there, "running", n=60)
        job = model.submit(lambda: model.capture(TEXT, "resid_post.14", "last"))
        wait_for(lambda: job.requests and job.requests[0].reached("queued"))
        second.kill()
        second.open()
        found = job.result(120)["resid_post.14"]
        before.cancel()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert [request.status for request in job.requests] == ["lost", "completed"]


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(remote_backend, "CONNECT", 2.0)
    with door(18016) as second:
        model = at(second.address)
        second.freeze()
        assert failure(lambda: model.norm("resid_post.3")).kind in ("unreachable", "silent")
        failure_of_table = failure(lambda: frozen_table(second.address, monkeypatch))
        assert failure_of_table.kind == "silent"


def frozen_table(address, monkeypatch):
    from volvelle.models import remote

    monkeypatch.setattr(remote, "STATUS", 2.0)
    return vv.remote_models(address)


def test_a_server_that_falls_silent_while_running(monkeypatch):
    monkeypatch.setattr(remote_backend, "PING", 1.0)
    monkeypatch.setattr(remote_backend, "SILENCE", 4.0)
    with door(18017) as second:
        job = started(at(second.address), "running")
        second.freeze()
        error = failure(lambda: job.result(60))
    assert error.kind == "silent"


def test_stop_leaves_at_once_and_says_that_the_server_may_go_on(there):
    job = started(there, "running")
    began = time.monotonic()
    job.cancel()
    with pytest.raises(Exception, match="cancel"):
        job.result(30)
    assert time.monotonic() - began < 3
    assert job.requests[0].status == "left"
    assert "no way to cancel" in job.requests[0].stages[-1].text
