"""What a request is known by: a declared name and a format number, not where its code stands."""

from __future__ import annotations

import inspect
import types

import pytest
import torch
from models import shipped

import volvelle as vv
from volvelle import cache
from volvelle.models.remote.remembered import (
    Left,
    _file,
    digest_of,
    digests,
    remember,
    remembered,
)
from volvelle.models.remote.request import Request
from volvelle.models.remote.status import RemoteRequest
from volvelle.models.traces import bodies
from volvelle.models.traces.predict import predict
from volvelle.models.traces.prove import riding
from volvelle.models.traces.reduce import read

HOST = "http://localhost:1"


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Remember a request in a cache of its own, under some formats or none."""
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))

    def remembered(formats, what="read"):
        kept = Left(what, formats, "a digest")
        remember(RemoteRequest(HOST, "smollm2"), "an-id", kept)
        return digests(["an-id"], HOST)

    return remembered


def test_every_body_has_a_name_of_its_own_and_a_number():
    found = {
        value
        for module in shipped.modules()
        for value in vars(module).values()
        if isinstance(value, types.FunctionType)
        and "backend" in inspect.signature(value).parameters
    }
    assert found - {riding} <= set(bodies.FORMATS)
    names = [name for name, _ in bodies.FORMATS.values()]
    assert len(set(names)) == len(names)


def test_a_request_that_this_volvelle_left_is_taken_up(left):
    assert left(Request(read, (), 0).formats) == {"a digest": "an-id"}


OTHERS = {
    "older": ({"read": 2}, "'read' has format 2 there and 4 here"),
    "newer": ({"read": 99}, "'read' has format 99 there and 4 here"),
    "unknown": ({"dream": 1}, "'dream' has format 1 there and no here"),
    "along": ({"read": 4, "dream": 1}, "'dream' has format 1"),
}


@pytest.mark.parametrize("formats", OTHERS)
def test_a_request_of_another_format_is_refused_with_the_way_out(left, formats):
    theirs, said = OTHERS[formats]
    with pytest.raises(ValueError, match=said) as refused:
        left(theirs)
    assert "model.attach('an-id') shows what it saved; or submit the work again" in str(
        refused.value
    )


@pytest.mark.parametrize(
    "line", ["{", "3", "[]", '{"id": 3}', "[" * 100_000, "\0", '{"id": "x", "host": null}']
)
def test_a_damaged_line_is_passed_over_and_the_others_are_read(left, line):
    left({"read": 4})
    path = _file()
    path.write_bytes(line.encode() + b"\n\xff\xfe\n" + path.read_bytes())
    assert [row.id for row in remembered(HOST)] == ["an-id"]
    assert digests(["an-id"], HOST)


def test_what_cannot_be_written_down_is_said_and_goes_on(tmp_path, monkeypatch):
    cache._warn.cache_clear()
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))
    (cache.cache_dir() / "remote").write_text("a file in the way")
    with pytest.warns(UserWarning, match="VOLVELLE_CACHE"):
        remember(RemoteRequest(HOST, "smollm2"), "an-id", Left("read", {"read": 4}, "digest"))
    assert remembered() == []


def test_the_oldest_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))
    monkeypatch.setattr("volvelle.models.remote.remembered.MOST_REMEMBERED", 3)
    for n in range(7):
        remember(RemoteRequest(HOST, "smollm2"), f"id-{n}", Left("read", {"read": 4}, f"{n}"))
    assert [row.id for row in remembered()] == ["id-4", "id-5", "id-6"]
    assert _file().stat().st_mode & 0o777 == 0o600


def test_the_same_question_has_the_same_digest_and_another_format_another(monkeypatch):
    args = ({"input_ids": torch.arange(3)[None]}, [], None)
    first = digest_of(Request(predict, args, 3), "key")
    assert digest_of(Request(predict, args, 99, beside=True), "key") == first
    assert digest_of(Request(read, args, 3), "key") != first
    monkeypatch.setitem(bodies.FORMATS, predict, ("predict", 4))
    assert digest_of(Request(predict, args, 3), "key") != first


def test_an_estimate_counts_what_a_request_says_it_reads_and_writes(there):
    prompts = ["one two", "three"]
    estimate = there.estimate(lambda: there.capture(prompts, "resid_post.1"))
    longest = max(len(there.tokens(text)) for text in prompts)
    assert (estimate.prompt_tokens, estimate.new_tokens) == (2 * longest, 0)
    estimate = there.estimate(lambda: there.generate("one", max_new_tokens=7))
    assert (estimate.prompt_tokens, estimate.new_tokens) == (len(there.tokens("one")), 7)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    from models import templates, tiny

    folder = tmp_path_factory.mktemp("model")
    tiny.hf("llama", vocab_size=300).save_pretrained(folder)
    templates.tokenizer("chatml", tiny.tokenizer()).save_pretrained(folder)
    return vv.load(folder, remote=HOST)
