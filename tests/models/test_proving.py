"""When a model is proven: once for what it is, and again when it is something else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from models import every, tiny

import volvelle as vv
from volvelle.models.engine import proving
from volvelle.models.work.worker import Cancelled


@pytest.fixture
def proven(monkeypatch):
    """Names of the models that are proven from here on, of none of which anything is known."""
    names, real = [], proving.prove
    monkeypatch.setattr(proving, "PROVEN", {})
    monkeypatch.setattr(
        proving, "prove", lambda model, run: names.append(model.name) or real(model, run)
    )
    return names


def wrapped(module, name):
    return vv.wrap(module, tiny.tokenizer(), name=name)


def test_a_model_is_proven_once_and_only_when_a_point_is_asked_for(proven):
    model = wrapped(every.hf("llama"), "once")
    model.next_token("hello")
    assert proven == []
    for point in ("resid_post.1", "z.1", "resid_post.1"):
        model.capture("hello", point)
    assert proven == ["once"]


def test_it_costs_three_passes_and_less_than_a_hundred_tokens(proven):
    module, read = every.hf("llama"), []
    handle = module.model.embed_tokens.register_forward_hook(
        lambda _, ids, __: read.append(ids[0].numel())
    )
    try:
        wrapped(module, "counted").check()
    finally:
        handle.remove()
    assert len(read) == 3
    assert sum(read) == 80


def test_the_same_model_wrapped_again_is_known_and_called_by_its_new_name(proven):
    module = every.hf("granite")
    wrapped(module, "first").check()
    again = wrapped(copy.deepcopy(module), "second")
    with pytest.raises(ValueError, match=r"second is not given mlp_out_post.1"):
        again.capture("hello", "mlp_out_post.1")
    assert again.check().model == "second"
    wrapped(module, "third").check()
    assert proven == ["first"]


def by_hand(module):
    module.model.layers[2].mlp.up_proj.weight.data += 0.1


def by_training(module):
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    module(input_ids=torch.arange(3, 9)[None]).logits.sum().backward()
    optimizer.step()


def by_another_precision(module):
    module.bfloat16()


@pytest.mark.parametrize("change", [by_hand, by_training, by_another_precision])
def test_weights_that_change_in_place_are_proven_again(proven, change):
    module = every.hf("llama")
    model = wrapped(module, "changed")
    model.check()
    change(module)
    model.capture("hello", "resid_post.1")
    assert proven == ["changed", "changed"]


def test_an_adapter_that_is_merged_is_proven_again_and_one_taken_back_is_known(proven):
    import peft

    kind = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(every.hf("llama"), kind).eval()
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.2)
    model = wrapped(adapted, "adapted")
    assert model.check().refused == ()
    before = {name: weight.clone() for name, weight in adapted.named_parameters()}
    adapted.merge_adapter()
    assert model.check().refused == ()
    assert proven == ["adapted", "adapted"]
    adapted.unmerge_adapter()
    with torch.no_grad():  # taking it out again rounds
        for name, weight in adapted.named_parameters():
            weight.copy_(before[name])
    model.check()
    assert proven == ["adapted", "adapted"]


# nnsight says how it calls their module named output
@pytest.mark.filterwarnings("ignore:Module .* has a submodule named:UserWarning")
def test_a_setting_that_changes_after_wrapping_is_seen():
    model = wrapped(every.hf("gemma3_text"), "gemma3")
    assert model.check().refused == ()
    model.nnsight._module.config.use_bidirectional_attention = True
    assert "looking ahead" in model.check().refused
    with pytest.raises(ValueError, match=r"gemma3 is not given resid_post.1: a token"):
        model.capture("hello", "resid_post.1")


def test_what_a_stopped_job_left_unfinished_is_not_remembered(proven):
    model = wrapped(every.hf("llama"), "stopped")

    def stopped():
        model.worker.job.cancel()
        model.check()

    job = model.submit(stopped)
    with pytest.raises(Cancelled):
        job.result(60)
    assert proving.PROVEN == {}
    assert model.check().refused == ()


def test_what_was_measured_of_other_weights_is_measured_again():
    module = every.hf("llama")
    model = wrapped(module, "trained")
    before = model.norm("resid_post.2")
    model.capture("hello there", "resid_post.2", reuse=True)
    module.model.layers[1].mlp.down_proj.weight.data *= 3
    fresh = wrapped(module, "fresh")
    found = model.capture("hello there", "resid_post.2", reuse=True)["resid_post.2"]
    np.testing.assert_array_equal(
        found, fresh.capture("hello there", "resid_post.2")["resid_post.2"]
    )
    assert model.norm("resid_post.2") == fresh.norm("resid_post.2") > 1.1 * before
