"""What goes wrong, really caused, in a cell and in a view: one sentence with the way out.

The model stays usable, the view keeps its last result and says what asking again would send.
"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from remote.conftest import SECONDS, held, wait_for
from remote.doors import door

import volvelle as vv
from volvelle.models.load import smollm2
from volvelle.models.remote import backend as remote_backend
from volvelle.models.remote import run as remote_run
from volvelle.models.remote.request import Request
from volvelle.models.traces.reduce import read
from volvelle.models.work.worker import Cancelled, current_job

TEXT = "The man looked at the sky."
pytestmark = pytest.mark.usefixtures("nothing_left")


def at(address):
    return vv.load("smollm2", remote=address)


def failure(work):
    with pytest.raises(vv.RemoteFailure) as caught:
        work()
    message = str(caught.value)
    assert message.count("\n") == 0
    assert len(message) < 500
    return caught.value


def view_of(model):
    return vv.FeatureActivations(model, vv.demo_sae("a"), TEXT)


def shown(view, said):
    """Hold a view to what it should show of a failure."""
    assert view.status == "failed"
    assert said in view.error
    assert "\n" not in view.error
    assert len(view.error) < 500
    assert "Traceback (most recent call last)" in view._traceback
    assert "RemoteFailure" in view._traceback
    assert "Run sends" in view._plan


def test_a_dead_host(here):
    shown(view_of(at("http://127.0.0.1:9")).run().wait(SECONDS), "no server answers at")
    error = failure(lambda: at("http://127.0.0.1:9").norm("resid_post.3"))
    assert error.kind == "unreachable"
    assert "no server answers at http://127.0.0.1:9" in str(error)
    assert here.next_token(TEXT, tokens=[" I"]).shape == (1, 1)


@pytest.mark.parametrize("port", [19000, 18265], ids=["object store", "dashboard"])
def test_a_wrong_port(port):
    error = failure(lambda: at(f"http://127.0.0.1:{port}").norm("resid_post.3"))
    assert error.kind == "not ndif"
    assert "check the port" in str(error)
    shown(view_of(at(f"http://127.0.0.1:{port}")).run().wait(SECONDS), "check the port")
    failure(lambda: vv.remote_models(f"http://127.0.0.1:{port}"))


def test_a_wrong_key_is_said_and_not_repeated(monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "not-a-key-of-theirs")
    with door(18011, NDIF_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none") as second:
        error = failure(lambda: at(second.address).norm("resid_post.3"))
        view = view_of(at(second.address)).run().wait(SECONDS)
    shown(view, "NDIF_API_KEY")
    assert "not-a-key-of-theirs" not in f"{view.get_state()}"
    assert error.kind == "key"
    assert "NDIF_API_KEY" in str(error)
    for said in (str(error), error.remote_traceback, repr(error.request)):
        assert "not-a-key-of-theirs" not in said


def test_a_server_that_wants_another_version():
    with door(18012, NDIF_MIN_NNSIGHT_VERSION="99.0") as second:
        error = failure(lambda: at(second.address).norm("resid_post.3"))
        shown(view_of(at(second.address)).run().wait(SECONDS), "nnsight.compare()")
    assert error.kind == "version"
    assert "nnsight.compare()" in str(error)


def test_a_model_that_the_server_does_not_have(host, tmp_path):
    for file in Path(smollm2.folder()).glob("*.json"):
        shutil.copy(file, tmp_path)
    lost = vv.load(tmp_path, remote=host)
    error = failure(lambda: lost.norm("resid_post.3"))
    assert error.kind == "model"
    assert "vv.remote_models()" in str(error)
    shown(view_of(lost).run().wait(SECONDS), "vv.remote_models()")
    assert error.remote_traceback


def test_an_error_in_the_code_that_runs_there(there):
    import torch

    inputs = {"input_ids": torch.tensor([[1, 2]]), "use_cache": False}
    site = [("model.layers.99", "output")]
    request = Request(read, (inputs, site, torch.tensor([2]), "all"), reads=2)
    error = failure(lambda: there.call(lambda: there.run(request)))
    assert error.kind == "code"
    assert "state_at" in error.remote_traceback
    assert there.capture(TEXT, "resid_post.1", "last")["resid_post.1"].shape == (1, 576)


def test_a_request_over_the_limit(there, monkeypatch):
    monkeypatch.setattr(remote_backend, "MOST_SENT", 1000)
    error = failure(lambda: there.capture(TEXT, "resid_post.1"))
    assert error.kind == "too large"


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MOST_SENT", "this request would send"), ("MOST_RECEIVED", "the result of request")],
    ids=["there", "back"],
)
def test_what_is_too_large_for_a_view_leaves_its_last_result(there, monkeypatch, limit, said):
    view = view_of(there).run().wait(SECONDS)
    assert view.error == ""
    before = view.to_pandas()
    monkeypatch.setattr(remote_backend, limit, 1000)
    view.text = f"{TEXT} He had been there before."
    shown(view.run().wait(SECONDS), said)
    assert view.to_pandas().equals(before)
    monkeypatch.undo()
    view.run().wait(SECONDS)
    assert view.error == ""
    assert len(view.to_pandas()) != len(before)


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

    def has_come():
        if status == "running" and reached.is_set():
            return True
        if status != "running" and job.requests and job.requests[0].reached(status):
            return True
        if job.ended:
            job.result()  # where it failed, says why
        return False

    wait_for(has_come)
    return job


def test_a_server_killed_while_running():
    with door(18013) as second:
        job = started(at(second.address), "running")
        second.kill()
        error = failure(lambda: job.result(SECONDS))
    assert error.kind == "lost"
    assert "running" in str(error)


def queued(model):
    """Whether a request of a model has been in the server's queue."""
    return any(r.reached("queued") for one in model.worker.jobs for r in one.requests)


def test_a_server_killed_while_queued(there, tmp_path):
    with door(18014) as second, held(there, tmp_path / "gate"):
        model = at(second.address)
        view = view_of(at(second.address))
        view.run()
        job = started(model, "queued")
        wait_for(lambda: queued(view._model))
        second.kill()
        error = failure(lambda: job.result(SECONDS))
        shown(view.wait(SECONDS), "in the server's queue")
    assert error.kind == "lost"
    assert "queue" in str(error)


def test_a_connection_that_is_lost_and_comes_back_is_tried_once_more(
    here, there, monkeypatch, tmp_path
):
    # as long as the server takes to come back, which on a busy machine nobody knows
    back = threading.Event()
    monkeypatch.setattr(remote_run, "_wait", lambda *_: back.wait(SECONDS))
    wanted = here.capture(TEXT, "resid_post.14", "last")["resid_post.14"]
    with door(18015) as second:
        model = at(second.address)
        with held(there, tmp_path / "gate"):
            job = model.submit(lambda: model.capture(TEXT, "resid_post.14", "last"))
            wait_for(lambda: job.requests and job.requests[0].reached("queued"))
            second.kill()
            second.open()
            back.set()
        found = job.result(SECONDS)["resid_post.14"]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert [request.status for request in job.requests] == ["lost", "completed"]


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(remote_backend, "CONNECT", 2.0)
    with door(18016) as second:
        model = at(second.address)
        view = view_of(at(second.address))
        second.freeze()
        assert failure(lambda: model.norm("resid_post.3")).kind in ("unreachable", "silent")
        shown(view.run().wait(SECONDS), second.address)
        failure_of_table = failure(lambda: frozen_table(second.address, monkeypatch))
        assert failure_of_table.kind == "silent"


def frozen_table(address, monkeypatch):
    from volvelle.models.remote import servers as remote

    monkeypatch.setattr(remote, "STATUS", 2.0)
    return vv.remote_models(address)


def test_a_server_that_falls_silent_while_running(monkeypatch):
    with door(18017) as second:
        job = started(at(second.address), "running")
        second.freeze()
        # only now: a server that is busy, not frozen, may be silent for as long
        monkeypatch.setattr(remote_backend, "PING", 1.0)
        monkeypatch.setattr(remote_backend, "SILENCE", 4.0)
        error = failure(lambda: job.result(SECONDS))
    assert error.kind == "silent"


def test_stop_leaves_at_once_and_says_that_the_server_may_go_on(there):
    job = started(there, "running")
    began = time.monotonic()
    job.cancel()
    with pytest.raises(Exception, match="cancel"):
        job.result(SECONDS)
    assert time.monotonic() - began < 3
    assert job.requests[0].status == "left"
    assert "no way to cancel" in job.requests[0].stages[-1].text


def test_stop_that_meets_a_token_tells_the_same(there):
    job = there.submit(
        lambda: there.generate(TEXT, max_new_tokens=20, on_token=lambda *_: current_job().cancel())
    )
    with pytest.raises(Cancelled, match="no way to cancel"):
        job.result(SECONDS)
    assert job.requests[0].status == "left"
    assert "no way to cancel" in job.requests[0].stages[-1].text
