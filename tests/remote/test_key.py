"""The API key reaches the server and nothing else: no trait, no page, no text, no file."""

from __future__ import annotations

import json
import pickle

import pytest
from remote.conftest import SECONDS

import volvelle as vv
from volvelle.models.remote import backend as remote_backend

KEY = "a-key-that-nobody-may-see-4711"
TEXT = "The man looked at the sky."


@pytest.fixture
def keyed(monkeypatch):
    """A key in the environment; returns what requests carried it."""
    monkeypatch.setenv("NDIF_API_KEY", KEY)
    carried = []
    post = remote_backend.ProgressBackend._post
    monkeypatch.setattr(
        remote_backend.ProgressBackend,
        "_post",
        lambda backend, *how: (carried.append(backend.api_key), post(backend, *how))[1],
    )
    return carried


def everything(view):
    """All that a notebook would keep of a view: its state, its buffers, what it prints."""
    state = {name: getattr(view, name) for name in view.trait_names() if name != "comm"}
    return f"{view!r} {state} {view.get_state()} {view._repr_mimebundle_()}"


def test_the_key_is_sent_and_is_in_no_view_page_repr_or_file(there, keyed, tmp_path, monkeypatch):
    monkeypatch.setattr("volvelle.models.remote.remembered.cache_dir", lambda: tmp_path)
    view = vv.FeatureActivations(there, vv.demo_sae("a"), TEXT)
    view.run()
    view.wait(SECONDS)
    assert view.error == ""
    assert KEY in keyed
    steering = vv.Steering(there, vv.demo_sae("a").feature(9), TEXT)
    jobs = vv.Jobs(there)
    left = there.submit(lambda: there.capture(TEXT, "resid_post.1", "last"), detached=True)
    left.result(SECONDS)
    seen = [everything(one) for one in (view, steering, jobs)]
    for number, one in enumerate((view, steering, jobs)):
        seen.append(one.to_html(tmp_path / f"{number}.html").read_text("utf-8"))
    seen += [repr(there), repr(there.run), repr(left), repr(left.requests), repr(vars(left))]
    seen += [repr(vars(request)) for record in there.worker.jobs for request in record.requests]
    seen += [repr(vv.remote_models(there.remote)), (tmp_path / "remote/left.jsonl").read_text()]
    for text in seen:
        assert KEY not in text


def test_the_key_is_in_no_result(there, keyed, tmp_path):
    found = vv.encode(there, TEXT, vv.demo_sae("a"))
    assert KEY in keyed
    path = tmp_path / "found"
    found.save(path)
    files = [path, *path.rglob("*")] if path.is_dir() else list(tmp_path.iterdir())
    for file in files:
        if file.is_file():
            assert KEY.encode() not in file.read_bytes()
    assert KEY not in json.dumps(found.to_pandas().to_dict(), default=str)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(there.run)  # a runner is no thing to keep: threads, a model
