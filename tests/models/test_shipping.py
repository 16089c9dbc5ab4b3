"""What travels to a server, opened and walked: no server is needed for that."""

from __future__ import annotations

import pickletools
import types

import numpy as np
import pytest
import zstandard
from models import tiny

import volvelle as vv
from volvelle.models.remote_backend import ProgressBackend

# What a server has: nnsight with what it is built on, torch, Python. transformers' own output
# classes and tokenizers are its model's.
ON_THE_SERVER = ("torch", "nnsight", "cloudpickle", "builtins", "collections", "functools")


class Sent(Exception):  # noqa: N818 - no error, a request on its way
    """Carries the first request a verb would send."""


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A structure on a server, whose requests are caught before they leave."""
    folder = tmp_path_factory.mktemp("model")
    tiny.hf("llama").save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    model = vv.load(folder, remote="http://localhost:1")
    for layer in range(tiny.LAYERS):
        model._norms[vv_point(layer)] = 1.0

    def caught(backend, _request, tracer):
        raise Sent(zstandard.ZstdDecompressor().decompress(backend._serialize(tracer)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressBackend, "request", caught)
        yield model


def vv_point(layer):
    from volvelle.compute.points import Point

    return Point("resid_post", layer)


def names_in(blob):
    """Every name a pickle loads, as (module, name), and every function it holds as source."""
    pushed, memo, names, sources = [], [], set(), []
    for opcode, argument, _ in pickletools.genops(blob):
        if opcode.name == "MEMOIZE":
            memo.append(pushed[-1])
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            pushed.append(memo[argument])
        else:
            if opcode.name == "STACK_GLOBAL":
                names.add(tuple(pushed[-2:]))
            pushed.append(argument if isinstance(argument, str) else None)
            if isinstance(argument, str) and argument.lstrip().startswith(("def ", "@")):
                sources.append(argument)
    return names, sources


def direction(layer=1, d=tiny.WIDTH):
    rng = np.random.default_rng(layer)
    return vv.Direction(rng.standard_normal(d), "a", f"resid_post.{layer}")


STEERS = {
    "add": lambda: vv.Steer(direction(), 1.0),
    "ablate": lambda: vv.Steer(direction(), method="ablate"),
    "when": lambda: vv.Steer(direction(2), 1.0, where=vv.Where(when=vv.When(direction(0), 0.1))),
    "head": lambda: vv.HeadScale(1, 1, factor=0.5),
}
VERBS = {
    "capture": lambda m: m.capture(["one", "another"], ["resid_post.1", "z.2"]),
    "mean": lambda m: m.capture(["one", "another"], "resid_post.1", "mean"),
    "norm": lambda m: m.norm("mlp_out.1"),
    "next_token": lambda m: m.next_token("one", tokens=["a"]),
    "generate": lambda m: m.generate("one", max_new_tokens=3),
    **{
        f"steered {name}": lambda m, make=make: m.generate("one", make(), max_new_tokens=3)
        for name, make in STEERS.items()
    },
}


def blob_of(model, verb):
    with pytest.raises(Sent) as sent:
        VERBS[verb](model)
    return sent.value.args[0]


@pytest.mark.parametrize("verb", VERBS)
def test_everything_that_travels_is_torch_plain_python_or_nnsight(there, verb):
    names, sources = names_in(blob_of(there, verb))
    foreign = {name for name in names if name[0].partition(".")[0] not in ON_THE_SERVER}
    assert not foreign
    assert sources


@pytest.mark.parametrize("verb", VERBS)
def test_functions_travel_as_source_from_the_two_modules_alone(there, verb):
    from volvelle.compute import trace_math
    from volvelle.models import trace

    ours = [
        value
        for module in (trace, trace_math)
        for value in vars(module).values()
        if isinstance(value, types.FunctionType)
    ]
    # nnsight's own generate travels too: its decorator makes it anew
    known = {function.__name__ for function in ours} | {"generate"}
    _, sources = names_in(blob_of(there, verb))
    shipped = {source.lstrip().partition("def ")[2].partition("(")[0] for source in sources}
    assert shipped <= known


@pytest.mark.parametrize("verb", VERBS)
def test_no_key_travels_with_the_code(there, verb, monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "a-secret-key")
    blob = blob_of(there, verb)
    assert b"a-secret-key" not in blob


def test_a_callback_of_the_caller_does_not_travel(there):
    import threading

    lock = threading.Lock()
    with pytest.raises(Sent):
        there.generate("one", max_new_tokens=3, on_token=lambda *_: lock.acquire())


def test_a_request_is_small(there):
    for verb in VERBS:
        assert len(blob_of(there, verb)) < 100_000, verb
