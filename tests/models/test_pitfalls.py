"""The pitfalls of nnsight, one by one: each of them once gave a wrong or missing number."""

from __future__ import annotations

import ast
import inspect
import threading

import numpy as np
import pytest
from models import shipped, tiny

from volvelle.models.remote.request import Request
from volvelle.models.traces.reduce import read

SHIPPED = shipped.modules()
MODULES = [module for module in SHIPPED if module.__name__.startswith("volvelle.models.traces.")]


def source(module):
    """A module's source behind its first statements: one file begins with them only once."""
    return inspect.getsource(module).replace("from __future__ import annotations", "")


BODIES = ast.parse("\n".join(map(source, MODULES)))


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("llama")


def traces(tree=BODIES):
    """The with blocks of the trace modules that run on a model."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            calls = [ast.unparse(item.context_expr) for item in node.items]
            if any(call.startswith(("lm.trace", "lm.generate")) for call in calls):
                yield node


def test_1_values_are_there_when_a_text_ends_before_its_last_step(model):
    long = model.generate("Say hello.", chat=True, max_new_tokens=3)
    early = model.generate("What is the capital of France?", chat=True, max_new_tokens=40)
    assert early.ended
    assert early.text.strip() == "The capital of France is Paris."
    assert len(early.ids) == len(early.logprobs) < 40
    assert long.text not in early.text  # and not those of the run before


def test_1_a_row_that_ends_early_leaves_the_others_running(model):
    from volvelle.models.verbs.write import generate_rows

    rows = [
        model.prompt_ids("What is the capital of France?", chat=True),
        model.prompt_ids("Once upon a time"),
    ]
    ended, other = generate_rows(model, rows, max_new_tokens=12)
    assert ended.ended
    assert len(ended.ids) < 12
    assert len(other.ids) == 12
    assert other.text == model.generate("Once upon a time", max_new_tokens=12).text


def test_2_every_token_comes_after_its_own_forward_pass(small):
    passes, seen = [0], []
    block = tiny.hf("llama").model.layers[0]
    hook = block.register_forward_pre_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
    try:
        small.generate("hello", max_new_tokens=5, on_token=lambda *_: seen.append(passes[0]))
    finally:
        hook.remove()
    assert seen == [1, 2, 3, 4, 5]


def test_3_layers_may_be_asked_for_in_any_order(small):
    points = ["resid_post.3", "embed", "resid_post.0", "z.2", "resid_pre.2", "mlp_out.1"]
    forth, back = small.capture("hello", points), small.capture("hello", points[::-1])
    assert [str(point) for point in forth] == points
    for point in points:
        np.testing.assert_array_equal(forth[point], back[point])


def test_4_every_trace_body_starts_on_its_own_line_and_with_no_try():
    found = list(traces())
    assert len(found) >= 3
    for node in found:
        assert node.body[0].lineno > node.lineno
        assert not isinstance(node.body[0], ast.Try)


def test_5_trace_bodies_have_a_source_file():
    assert inspect.getsourcefile(read).endswith("models/traces/reduce.py")
    assert not [
        n for n in ast.walk(BODIES) if isinstance(n, ast.Call) and ast.unparse(n.func) == "exec"
    ]


def test_6_two_threads_may_use_one_model(small):
    wanted = {text: small.capture(text, "resid_post.2")["resid_post.2"] for text in ("one", "two")}
    wrong = []

    def work(text):
        for _ in range(5):
            state = small.capture(text, "resid_post.2")["resid_post.2"]
            if not np.array_equal(state, wanted[text]):
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_6_a_trace_whose_parsing_python_broke_off_is_run_again(small, monkeypatch):
    # CPython 3.11: SystemError, now and then, where two threads parse at the same time
    said = "AST constructor recursion depth mismatch (before=84, after=82)"
    runs = []

    def unlucky(*how, **more):
        runs.append(how)
        if len(runs) < 3:
            raise SystemError(said)
        return read(*how, **more)

    wanted = small.capture("one", "resid_post.2")["resid_post.2"]
    monkeypatch.setattr("volvelle.models.verbs.read.read_body", unlucky)
    found = small.capture("one", "resid_post.2")["resid_post.2"]
    np.testing.assert_array_equal(found, wanted)
    assert len(runs) == 3
    runs.clear()
    said = "something else"
    with pytest.raises(SystemError, match=said):
        small.capture("one", "resid_post.2")
    assert len(runs) == 1


def test_7_no_graph_is_kept(small):
    import torch

    assert next(tiny.hf("llama").parameters()).requires_grad
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "use_cache": False}
    sites, lengths = [("model.layers.1", "output")], torch.tensor([3])
    ((state, _),) = small.call(lambda: small.run(Request(read, (inputs, sites, lengths, "all"), 3)))
    assert not state.requires_grad
    assert state.grad_fn is None


@pytest.mark.parametrize("how", ["all", "last", "mean"])
def test_8_what_is_saved_owns_no_more_than_it_shows(small, how):
    import torch

    inputs = {"input_ids": torch.tensor([[5, 6, 7], [8, 9, 0]]), "use_cache": False}
    sites, lengths = [("model.layers.1", "output")], torch.tensor([3, 2])
    ((state, _),) = small.call(lambda: small.run(Request(read, (inputs, sites, lengths, how), 6)))
    assert state.untyped_storage().nbytes() == state.numel() * state.element_size()


def test_9_padding_never_reaches_a_state(small):
    alone = small.capture("hi", "resid_post.3")["resid_post.3"][0]
    batch = small.capture(["hi", "a much longer text"], "resid_post.3")
    np.testing.assert_allclose(batch["resid_post.3"][0, : len(alone)], alone, atol=1e-5)
    assert not batch["resid_post.3"][0, len(alone) :].any()
    assert batch.mask[0].sum() == len(alone)


def test_10_no_trace_edits_the_model(small):
    # `lm.edit()` gives a tuple and stays on the model; steers act inside their trace alone
    import volvelle as vv

    before = small.capture("hello", "resid_post.3")["resid_post.3"]
    push = vv.Steer(vv.Direction(np.ones(tiny.WIDTH), "ones", "resid_post.1"), 9.0, unit="raw")
    small.generate("hello", push, max_new_tokens=3)
    np.testing.assert_array_equal(before, small.capture("hello", "resid_post.3")["resid_post.3"])


def test_11_lists_are_made_inside_the_trace():
    for node in traces():
        inside = {ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Name)}
        appended = {
            ast.unparse(n.func.value)
            for n in ast.walk(node)
            if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and n.func.attr == "append"
        }
        made = {
            ast.unparse(target)
            for n in ast.walk(node)
            if isinstance(n, ast.Assign)
            for named in n.targets
            for target in (named.elts if isinstance(named, ast.Tuple) else [named])
        }
        assert appended <= made <= inside | made


def test_12_library_code_saves_by_function():
    saves = [
        ast.unparse(node.func)
        for node in ast.walk(BODIES)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "save"
    ]
    assert saves
    assert set(saves) == {"nnsight.save"}


def test_13_only_the_proof_uses_nnsights_cache():
    # saved from a server it can only be read by full keys; there it stays
    users = [module.__name__ for module in MODULES if "run.cache" in source(module)]
    assert users == ["volvelle.models.traces.prove"]


def test_14_what_a_token_callback_raises_ends_the_generation_as_it_is(small):
    class EnoughError(Exception):
        pass

    def two(_row, step, _token):
        if step == 1:
            raise EnoughError

    with pytest.raises(EnoughError):
        small.generate("hello", max_new_tokens=20, on_token=two)
    assert len(small.generate("hello", max_new_tokens=4).ids) == 4


def test_the_run_stops_behind_the_deepest_point(small):
    ran = []
    hf = tiny.hf("llama")
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name, module in hf.named_modules()
        if name in ("model.layers.0", "model.layers.1", "model.layers.2", "lm_head", "model.norm")
    ]
    try:
        small.capture("hello", ["resid_post.1", "resid_post.0"])
    finally:
        for hook in hooks:
            hook.remove()
    assert ran == ["model.layers.0", "model.layers.1"]


def test_all_layers_are_read_without_computing_logits(small):
    ran = []
    hook = tiny.hf("llama").lm_head.register_forward_pre_hook(lambda *_: ran.append(1))
    try:
        small.capture("hello", [f"resid_post.{layer}" for layer in range(4)])
    finally:
        hook.remove()
    assert not ran


@pytest.mark.parametrize("module", SHIPPED, ids=lambda module: module.__name__)
def test_what_travels_is_torch_and_nnsight_and_has_no_classes(module):
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        assert not isinstance(node, ast.ClassDef)
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    plain = {"__future__", "typing", "collections.abc"}
    ours = {name for name in imported if name.startswith("volvelle.")}
    if module in MODULES:
        assert imported - plain - ours <= {"nnsight", "torch"}
        assert ours <= {other.__name__ for other in SHIPPED}
    else:
        assert imported - plain - ours <= {"torch"}
        assert all(name.startswith("volvelle.formulas.") for name in ours)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_everything_a_trace_reaches_travels(module):
    blocks = traces(ast.parse(source(module)))
    names = {n.id for node in blocks for n in ast.walk(node) if isinstance(n, ast.Name)}
    reached = {name: vars(module)[name] for name in names & set(vars(module))}
    functions = {name for name, value in reached.items() if inspect.isfunction(value)}
    assert {reached[name].__module__ for name in functions} <= {m.__name__ for m in SHIPPED}
    others = {name: value for name, value in reached.items() if name not in functions}
    plain = (int, float, str)
    assert all(isinstance(v, plain) or inspect.ismodule(v) for v in others.values()), others


def test_the_tokenizer_of_a_lazy_model_is_never_guessed(tmp_path, monkeypatch):
    # transformers 5.23: nnsight reads the pipeline's flags off a string and finds none
    from nnsight import TransformersModel

    import volvelle as vv

    tiny.hf("llama").save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    monkeypatch.setattr(TransformersModel, "_loaded_preprocessors", lambda _self: set())
    monkeypatch.setattr("nnsight.modeling.huggingface._ID_CACHE", {str(tmp_path): str(tmp_path)})
    lazy = vv.load(tmp_path, remote="http://localhost:1")
    assert lazy.nnsight.tokenizer is lazy.tokenizer
    assert lazy.tokens("hi").ids.tolist() == tiny.tokenizer()("hi")["input_ids"]
    assert next(lazy.nnsight._module.parameters()).device.type == "meta"
