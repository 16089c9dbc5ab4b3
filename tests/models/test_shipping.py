"""What travels to a server, opened and walked: no server is needed for that."""

from __future__ import annotations

import ast
import inspect
import io
import pickle
import types

import numpy as np
import pytest
import torch
import zstandard
from models import shipped, templates, tiny

import volvelle as vv
from volvelle.experiments.circles.stimuli import read_stimuli
from volvelle.experiments.circles.vectors import class_vectors
from volvelle.experiments.maps.parts import promoted_by
from volvelle.experiments.maps.reading import read
from volvelle.experiments.maps.sides import side
from volvelle.experiments.readouts.projection import Norms
from volvelle.experiments.readouts.top_tokens import TopTokens
from volvelle.models.remote.backend import ProgressBackend
from volvelle.models.remote.left import LeftBackend
from volvelle.models.traces import bodies
from volvelle.models.verbs import score as scoring

# What a server has: nnsight with what it is built on, torch, Python. transformers' own output
# classes and tokenizers are its model's.
ON_THE_SERVER = ("torch", "nnsight", "cloudpickle", "builtins", "collections", "functools")


class Sent(Exception):  # noqa: N818 - no error, a request on its way
    """Carries the first request a verb would send."""


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A structure on a server, whose requests are caught before they leave."""
    folder = tmp_path_factory.mktemp("model")
    tiny.hf("llama", vocab_size=300).save_pretrained(folder)
    templates.tokenizer("chatml", tiny.tokenizer()).save_pretrained(folder)
    model = vv.load(folder, remote="http://localhost:1")
    for layer in range(tiny.LAYERS):
        model.norms[vv_point(layer)] = 1.0

    def caught(backend, _request, tracer):
        raise Sent(zstandard.ZstdDecompressor().decompress(backend._serialize(tracer)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressBackend, "request", caught)
        patch.setattr(LeftBackend, "request", caught)
        yield model


def vv_point(layer):
    from volvelle.compute.directions.points import Point

    return Point("resid_post", layer)


class Walk(pickle.Unpickler):
    """Opens a request as a server would, and notes every name, module, function and class."""

    def __init__(self, blob):
        super().__init__(io.BytesIO(blob))
        self.names, self.modules, self.sources, self.classes = set(), set(), {}, set()
        _, (block, _, _) = self.load()
        self.sources["the block"] = block

    def persistent_load(self, pid):
        return types.SimpleNamespace(persistent=pid)

    def find_class(self, module, name):
        self.names.add((module, name))
        found = super().find_class(module, name)

        def noted(*args):
            if name == "subimport":
                self.modules.add(args[0])
            elif name == "_load_function":
                self.sources[args[1]] = args[0]
            elif name == "_make_function":
                self.sources["bytecode"] = ""
            else:
                self.classes.add(str(args[2] if len(args) > 2 else args))
            return found(*args)

        return noted if name in NOTED or name.startswith("_make_skeleton") else found


NOTED = ("subimport", "_load_function", "_make_function", "dynamic_subimport")


def imports_in(source):
    """Modules that a piece of source imports when it runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            yield node.id


def direction(layer=1, d=tiny.WIDTH):
    rng = np.random.default_rng(layer)
    return vv.Direction(rng.standard_normal(d), "a", f"resid_post.{layer}")


STEERS = {
    "add": lambda: vv.Steer(direction(), 1.0),
    "ablate": lambda: vv.Steer(direction(), method="ablate"),
    "when": lambda: vv.Steer(direction(2), 1.0, where=vv.Where(when=vv.When(direction(0), 0.1))),
    "head": lambda: vv.HeadScale(1, 1, factor=0.5),
    "clamp": lambda: vv.Steer(dictionary().feature(2), method="clamp", target=1.0),
}


def dictionary():
    rng = np.random.default_rng(0)
    weights = {
        "W_enc": rng.standard_normal((tiny.WIDTH, 8)),
        "W_dec": rng.standard_normal((8, tiny.WIDTH)),
        "b_enc": np.zeros(8),
        "b_dec": np.zeros(tiny.WIDTH),
    }
    return vv.SAE({k: v.astype(np.float32) for k, v in weights.items()}, "standard", "resid_post.1")


MANY = {word: [f"text {n} of {word}" for n in range(6)] for word in ("joy", "fear", "calm")}


def emotions():
    return vv.Dictionary(np.eye(3, tiny.WIDTH), list(MANY), "resid_post.1")


VERBS = {
    "capture": lambda m: m.capture(["one", "another"], ["resid_post.1", "z.2"]),
    "mean": lambda m: m.capture(["one", "another"], "resid_post.1", "mean"),
    "norm": lambda m: m.norm("mlp_out.1"),
    "unembed": lambda m: m.unembed(np.ones((2, tiny.WIDTH)), k=3),
    "encode": lambda m: vv.encode(m, "short", dictionary()),
    "encode there": lambda m: vv.encode(m, "a text that is long enough " * 20, dictionary()),
    "class means": lambda m: class_vectors(m, read_stimuli(MANY, None), cache=False),
    "seen there": lambda m: read(
        m, ["a text that is long enough " * 20], [side(emotions(), "a")], lambda *_: None
    ),
    "top tokens": lambda m: m.observe("one", {"resid_post.1": [TopTokens.of(m.layout, 3)]}),
    "norms": lambda m: m.observe("a text that is long enough " * 20, {"resid_post.1": [Norms()]}),
    "promoted": lambda m: promoted_by(m, np.ones((2, tiny.WIDTH), np.float32)),
    "score": lambda m: scoring.score(m, [([1, 2], [3, 4])]),
    "steered and scored": lambda m: vv.steer(
        m, "one", vv.Steer(direction(), 1.0), placebo=1, max_new_tokens=3
    ),
    "steered thinking": lambda m: m.generate(
        "one",
        [vv.Steer(direction(n), 1.0, where=vv.Where(turns="think")) for n in (1, 2)],
        max_new_tokens=3,
        chat=True,
    ),
    "attached later": lambda m: m.submit(lambda: m.norm("embed"), detached=True).result(60),
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


def known():
    """Names of the functions that may travel as source."""
    ours = [
        value
        for module in shipped.modules()
        for value in vars(module).values()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__
    ]
    # nnsight's own generate travels too: its decorator makes it anew
    return {function.__name__ for function in ours} | {"generate"}


def trouble(blob):
    """What in a request a server with an import whitelist would refuse."""
    walk = Walk(blob)
    loaded = {module for module, _ in walk.names} | walk.modules
    imported = {name for source in walk.sources.values() for name in imports_in(source)}
    foreign = {name for name in loaded | imported if name.partition(".")[0] not in ON_THE_SERVER}
    return foreign | walk.classes | (set(walk.sources) - known() - {"the block"})


@pytest.mark.parametrize("verb", VERBS)
def test_everything_that_travels_is_torch_plain_python_or_nnsight(there, verb):
    assert not trouble(blob_of(there, verb))


def test_every_formula_of_a_readout_is_opened_here(there):
    formulas = {
        function.__name__
        for function in bodies.FORMATS
        if "backend" not in inspect.signature(function).parameters
    }
    seen = {name for verb in VERBS for name in Walk(blob_of(there, verb)).sources}
    assert formulas <= seen


class Own:
    pass


def elsewhere(state):
    return np.abs(state)


def with_numpy(state, lengths, how):
    return np.asarray(state), lengths, how


def with_helper(state, lengths, how):
    return elsewhere(state), lengths, how


def with_class(state, lengths, how):
    return state, Own, (lengths, how)


def with_import(state, lengths, how):
    import os

    return os.sep, state, (lengths, how)


FOREIGN = {
    with_numpy: {"numpy", "with_numpy"},
    with_helper: {__name__, "with_helper"},
    with_class: {__name__, "with_class"},
    with_import: {"os", "with_import"},
    lambda state, lengths, how: (state, lengths, how): {"<lambda>"},
}


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda function: function.__name__)
def test_the_walk_finds_what_a_server_would_not_have(there, monkeypatch, foreign):
    from volvelle.models.traces import reduce as trace

    assert not trouble(blob_of(there, "capture"))
    monkeypatch.setattr(trace, "reduce", foreign)
    # as a function of the trace module it would travel: nothing else of this file does
    monkeypatch.setattr(foreign, "__module__", "__main__")
    found = trouble(blob_of(there, "capture"))
    assert FOREIGN[foreign] <= found


def test_the_walk_finds_a_module_that_would_have_to_be_there(there):
    import cloudpickle

    from volvelle import formulas

    # a package that is not registered would have to be there: by name, not by value
    cloudpickle.unregister_pickle_by_value(formulas)
    try:
        assert "volvelle.formulas.steering" in trouble(blob_of(there, "steered add"))
    finally:
        cloudpickle.register_pickle_by_value(formulas)


@pytest.mark.parametrize("verb", VERBS)
def test_no_key_travels_with_the_code(there, verb, monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "a-secret-key")
    blob = blob_of(there, verb)
    assert b"a-secret-key" not in blob


# measuring norms is a request of its own, beside what an estimate is about
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("attached later", "norm")])
def test_every_verb_is_weighed_without_being_sent(there, verb):
    estimate = there.estimate(lambda: VERBS[verb](there))
    assert 1000 < estimate.sent < 100_000
    assert estimate.prompt_tokens > 0
    assert (estimate.new_tokens > 0) == (verb == "generate" or verb.startswith("steered"))


def test_a_callback_of_the_caller_does_not_travel(there):
    import threading

    lock = threading.Lock()
    with pytest.raises(Sent):
        there.generate("one", max_new_tokens=3, on_token=lambda *_: lock.acquire())


def test_a_few_columns_of_a_dictionary_travel_without_the_rest_of_it(there):
    rng = np.random.default_rng(0)
    whole = {
        "W_enc": rng.standard_normal((tiny.WIDTH, 30_000)),
        "W_dec": rng.standard_normal((30_000, tiny.WIDTH)),
    }
    weights = {name: torch.tensor(v, dtype=torch.float32) for name, v in whole.items()}
    few = {"W_enc": weights["W_enc"][:, :4], "W_dec": weights["W_dec"][:4]}
    few |= {"b_enc": torch.zeros(4), "b_dec": torch.zeros(tiny.WIDTH)}
    sae = vv.SAE(few, "standard", "resid_post.1")
    with pytest.raises(Sent) as sent:
        vv.encode(there, "a text that is long enough " * 20, sae)
    assert len(sent.value.args[0]) < 100_000


def test_a_request_is_small(there):
    for verb in VERBS:
        assert len(blob_of(there, verb)) < 100_000, verb
