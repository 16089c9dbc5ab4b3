"""Failures in a view: the sentence of the cell, the rest folded, the last result still there."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from remote.conftest import wait_for
from remote.doors import door

import volvelle as vv
from volvelle.models import remote_backend, smollm2

TEXT = "The man looked at the sky."


def shown(view, said):
    """Hold a view to what it should show of a failure."""
    assert view.status == "failed"
    assert said in view.error
    assert "\n" not in view.error
    assert len(view.error) < 500
    assert "Traceback (most recent call last)" in view._traceback
    assert "RemoteFailure" in view._traceback
    # it says again what Run would send: it can be asked once more
    assert "Run sends" in view._plan


def view_of(model):
    return vv.FeatureActivations(model, vv.demo_sae("a"), TEXT)


@contextmanager
def somewhere(port, **env):
    with door(port, **env) as second:
        yield second.address


FAILS = {
    "dead host": (lambda _: nullcontext("http://127.0.0.1:9"), "no server answers at"),
    "wrong port": (lambda _: nullcontext("http://127.0.0.1:19000"), "check the port"),
    "wrong key": (
        lambda _: somewhere(18041, NDIF_POSTGRES_URL="postgresql://nobody@127.0.0.1:9/none"),
        "NDIF_API_KEY",
    ),
    "version": (lambda _: somewhere(18042, NDIF_MIN_NNSIGHT_VERSION="99.0"), "nnsight.compare()"),
}


@pytest.mark.parametrize("case", FAILS)
def test_a_server_one_cannot_use_is_said_in_the_view(case, host, monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "not-a-key-of-theirs")
    where, said = FAILS[case]
    with where(host) as address:
        view = view_of(vv.load("smollm2", remote=address)).run().wait(120)
    shown(view, said)
    assert "not-a-key-of-theirs" not in f"{view.get_state()}"


def test_a_model_that_is_not_there_is_said_in_the_view(host, tmp_path):
    for file in Path(smollm2.folder()).glob("*.json"):
        shutil.copy(file, tmp_path)
    view = view_of(vv.load(tmp_path, remote=host)).run().wait(240)
    shown(view, "vv.remote_models()")


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MOST_SENT", "this request would send"), ("MOST_RECEIVED", "the result of request")],
    ids=["there", "back"],
)
def test_what_is_too_large_is_said_and_the_last_result_stays(there, monkeypatch, limit, said):
    view = view_of(there).run().wait(120)
    assert view.error == ""
    before = view.to_pandas()
    monkeypatch.setattr(remote_backend, limit, 1000)
    view.text = f"{TEXT} He had been there before."
    view.run().wait(120)
    shown(view, said)
    assert view.to_pandas().equals(before)
    monkeypatch.undo()
    view.run().wait(120)
    assert view.error == ""
    assert len(view.to_pandas()) != len(before)


def test_a_server_killed_while_queued_is_said_in_the_view(there):
    reached = threading.Event()
    with door(18043) as second:
        model = vv.load("smollm2", remote=second.address)
        view = view_of(model)
        before = there.submit(
            lambda: there.generate(TEXT, max_new_tokens=100, on_token=lambda *_: reached.set())
        )
        assert reached.wait(120)
        view.run()
        wait_for(
            lambda: any(r.reached("queued") for one in model.worker.jobs for r in one.requests)
        )
        second.kill()
        view.wait(120)
    before.cancel()
    shown(view, "in the server's queue")
    assert "vv.remote_models()" in view.error


def test_a_server_that_never_answers_is_said_in_the_view(monkeypatch):
    monkeypatch.setattr(remote_backend, "CONNECT", 2.0)
    with door(18044) as second:
        view = view_of(vv.load("smollm2", remote=second.address))
        second.freeze()
        view.run().wait(120)
        shown(view, second.address)
