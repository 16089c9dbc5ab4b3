"""Modules that nobody reads run without nnsight's wrapper, and get it back."""

import pytest
from models import tiny

import volvelle as vv
from volvelle.models.engine.lean import unwrapped_but


def wrapped_paths(module):
    return {path for path, child in module.named_modules() if "forward" in child.__dict__}


@pytest.fixture
def tree():
    return tiny.wrapped("llama").nnsight._module


def test_all_but_the_named_modules_and_the_root_are_bare_inside(tree):
    before = wrapped_paths(tree)
    assert len(before) > 40
    with unwrapped_but(tree, {"model.layers.2"}):
        assert wrapped_paths(tree) == {"", "model.layers.2"}
    assert wrapped_paths(tree) == before


def test_the_wrappers_come_back_after_an_error(tree):
    before = wrapped_paths(tree)
    with pytest.raises(InterruptedError), unwrapped_but(tree, ()):
        raise InterruptedError
    assert wrapped_paths(tree) == before


def test_a_forward_that_is_not_nnsights_stays(tree):
    child = tree.model.layers[0].mlp
    theirs = child.__dict__["forward"]
    child.__dict__["forward"] = mine = lambda x: x
    try:
        with unwrapped_but(tree, ()):
            assert child.__dict__["forward"] is mine
        assert child.__dict__["forward"] is mine
    finally:
        child.__dict__["forward"] = theirs


def test_a_trace_of_ones_own_reads_any_module_after_a_generation():
    model = tiny.wrapped("llama")
    model.generate("she", max_new_tokens=2)

    def read():
        import nnsight
        import torch

        with torch.no_grad(), model.nnsight.trace("she"):
            states = nnsight.save([layer.mlp.output for layer in model.nnsight.model.layers])
        return states  # noqa: RET504 - handed back by name

    assert len(model.call(read)) == 4
    assert vv.__version__
