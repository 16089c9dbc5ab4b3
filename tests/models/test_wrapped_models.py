"""Models that others have put something around: adapters, compilation, int8."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from models import plain_steering, tiny

import volvelle as vv

PROMPT = "hello there"
POINTS = ("resid_post.1", "mlp_out.1", "z.2")


def fresh():
    return copy.deepcopy(tiny.hf("llama"))


def push():
    return vv.Steer(
        vv.Direction(np.linspace(-2, 2, tiny.WIDTH), "any", "resid_post.1"), 1.0, unit="raw"
    )


def lora():
    """A model with an adapter that changes much, and the same with the adapter merged."""
    import peft
    import torch

    kind = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    torch.manual_seed(0)
    adapted = peft.get_peft_model(fresh(), kind).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    return adapted, copy.deepcopy(adapted).merge_and_unload()


def same(model, plain):
    """Hold a wrapped model against a plain one of the same numbers, by hand."""
    import torch

    ids = tiny.tokenizer()(PROMPT)["input_ids"]
    with torch.no_grad():
        out = plain(input_ids=torch.tensor([ids]), output_hidden_states=True)
    wanted = out.logits[0, -1].log_softmax(-1).numpy()
    np.testing.assert_allclose(model.next_token(PROMPT)[0], wanted, atol=1e-4)
    captured = model.capture(PROMPT, list(POINTS))
    state = out.hidden_states[2][0].numpy()
    np.testing.assert_allclose(captured["resid_post.1"][0], state, atol=1e-4)
    written, _ = plain_steering.greedy(plain, ids, 6)
    assert model.generate(PROMPT, max_new_tokens=6).ids.tolist() == written
    vector = torch.from_numpy(np.array(push().direction.vector, dtype=np.float32))
    edits = [(1, plain_steering.later_than_first(plain_steering.added(vector)))]
    steered, steps = plain_steering.greedy(plain, ids, 6, edits)
    assert steered != written
    found = model.generate(PROMPT, push(), max_new_tokens=6)
    assert found.ids.tolist() == steered
    likely = [step[token] for step, token in zip(steps, steered, strict=True)]
    np.testing.assert_allclose(found.logprobs, likely, atol=1e-4)
    run = vv.steer(model, PROMPT, push(), strengths=(1.0,), placebo=1, max_new_tokens=6)
    row = next(row for row in run.rows if row.strength == 1.0)
    assert row.ids.tolist() == steered


@pytest.mark.parametrize("given", ["peft's", "nnsight's"])
def test_a_lora_model_reads_writes_and_is_steered_with_its_adapter(given):
    from nnsight import TransformersModel

    adapted, merged = lora()
    if given == "nnsight's":
        adapted = TransformersModel(adapted, tokenizer=tiny.tokenizer(), task="text-generation")
    same(vv.wrap(adapted, tiny.tokenizer(), name="lora"), merged)


def test_an_adapter_that_is_switched_off_is_off():
    adapted, _ = lora()
    model = vv.wrap(adapted, tiny.tokenizer(), name="lora")
    base = vv.wrap(fresh(), tiny.tokenizer(), name="base")
    with adapted.disable_adapter():
        off = model.next_token(PROMPT)
    np.testing.assert_allclose(off, base.next_token(PROMPT), atol=1e-5)
    assert np.abs(model.next_token(PROMPT) - off).max() > 0.1


def test_an_adapter_of_virtual_tokens_is_refused():
    import peft

    kind = peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    with pytest.raises(ValueError, match=r"kind PROMPT_TUNING.*get_base_model\(\)"):
        vv.wrap(peft.get_peft_model(fresh(), kind), tiny.tokenizer())


def test_a_compiled_model_runs_uncompiled():
    import torch

    module = fresh()
    model = vv.wrap(torch.compile(module), tiny.tokenizer(), name="compiled")
    assert model.nnsight._module is module
    same(model, tiny.hf("llama"))


def test_a_model_compiled_in_place_runs_uncompiled_and_stays_compiled():
    module = fresh()
    module.compile()
    module.model.layers[1].compile()
    before = module._compiled_call_impl
    same(vv.wrap(module, tiny.tokenizer(), name="compiled"), tiny.hf("llama"))
    assert module._compiled_call_impl is before


def test_a_model_with_one_compiled_block_is_refused():
    import torch

    module = fresh()
    module.model.layers[1] = torch.compile(module.model.layers[1])
    with pytest.raises(ValueError, match=r"model\.layers\.1 of the model is Llama.* compiled"):
        vv.wrap(module, tiny.tokenizer())


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_model_in_dynamic_int8_is_refused():
    import torch

    quantised = torch.ao.quantization.quantize_dynamic(fresh(), {torch.nn.Linear})
    with pytest.raises(
        ValueError, match=r"q_proj of the model is Linear of dynamic int8.*expected"
    ):
        vv.wrap(quantised, tiny.tokenizer(), name="int8")
