"""What the owner of a model does with it does not change what is measured."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv

PROMPT = "hello there"


def dropping(**more):
    """A model with dropout, in training."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 258, "n_embd": tiny.WIDTH, "n_layer": 4, "n_head": 4}
    rates = {"resid_pdrop": 0.1, "attn_pdrop": 0.1, "embd_pdrop": 0.1}
    ends = {"n_positions": 128, "bos_token_id": 1, "eos_token_id": 1}
    module = GPT2LMHeadModel(GPT2Config(**sizes, **rates, **ends, **more))
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    return module.train()


def expected(module):
    """The next token's log-probabilities of the same model, in evaluation."""
    import copy

    import torch

    ids = torch.tensor([tiny.tokenizer()(PROMPT)["input_ids"]])
    with torch.no_grad():
        logits = copy.deepcopy(module).eval()(input_ids=ids, return_dict=True).logits
    return logits[0, -1].log_softmax(-1).numpy()


@pytest.mark.parametrize("when", ["before wrap", "after wrap", "under nnsight"])
def test_a_model_in_training_is_measured_without_dropout(when):
    from nnsight import TransformersModel

    module = dropping()
    wanted = expected(module)
    module.train(when != "after wrap")
    given = module
    if when == "under nnsight":
        given = TransformersModel(module, tokenizer=tiny.tokenizer(), task="text-generation")
    model = vv.wrap(given, tiny.tokenizer(), name="dropping")
    module.train()
    np.testing.assert_allclose(model.next_token(PROMPT)[0], wanted, atol=1e-5)
    np.testing.assert_array_equal(model.next_token(PROMPT), model.next_token(PROMPT))
    first, second = (model.generate(PROMPT, max_new_tokens=6) for _ in range(2))
    assert first.ids.tolist() == second.ids.tolist()
    assert first.ids[0] == wanted.argmax()
    np.testing.assert_array_equal(first.logprobs, second.logprobs)
    states = [model.capture(PROMPT, "resid_post.2")["resid_post.2"] for _ in range(2)]
    np.testing.assert_array_equal(*states)


def test_the_training_flags_come_back_one_by_one():
    module = dropping()
    module.transformer.h[1].eval()
    before = {name: one.training for name, one in module.named_modules()}
    model = vv.wrap(module, tiny.tokenizer(), name="dropping")
    model.next_token(PROMPT)
    model.generate(PROMPT, max_new_tokens=2)
    with pytest.raises(ZeroDivisionError):
        model.generate(PROMPT, max_new_tokens=2, on_token=lambda *_: 1 / 0)
    assert {name: one.training for name, one in module.named_modules()} == before


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_config_that_asks_for_tuples_changes_nothing(family, monkeypatch):
    module = tiny.hf(family)
    wanted = expected(module)
    model = vv.wrap(module, tiny.tokenizer(), name=family)
    written = model.generate(PROMPT, max_new_tokens=4).ids.tolist()
    state = model.capture(PROMPT, "resid_post.3")["resid_post.3"]
    monkeypatch.setattr(module.config, "return_dict", False)
    np.testing.assert_allclose(model.next_token(PROMPT)[0], wanted, atol=1e-5)
    assert model.generate(PROMPT, max_new_tokens=4).ids.tolist() == written
    np.testing.assert_array_equal(model.capture(PROMPT, "resid_post.3")["resid_post.3"], state)
    assert module.config.return_dict is False
