"""What the attention and the mlp of a block add, and the stream between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import every, plain_steering, tiny

import volvelle as vv
from volvelle.models.verbs.score import score

TEXTS = ["hello there", "a longer text"]
# The module whose output is what the attention computes, and what reads the stream behind it.
SEQUENTIAL = {
    "llama": ("self_attn", "post_attention_layernorm"),
    "gpt2": ("attn", "ln_2"),
    "gemma2": ("self_attn", "pre_feedforward_layernorm"),
    "olmo2": ("self_attn", "mlp"),
    "opt": ("self_attn", "final_layer_norm"),
    "bloom": ("self_attention.dense", "post_attention_layernorm"),
}
NORMED = ("gemma2", "olmo2")
PARALLEL = ("gpt_neox", "gptj", "falcon", "cohere", "phi")
EVERYWHERE = vv.Where(special=True, first=True)


def family(name):
    return tiny.hf(name) if name in tiny.FAMILIES else every.hf(name)


def wrapped(name):
    return vv.wrap(family(name), tiny.tokenizer(), name=name)


def read(model, *kinds, layer=1):
    found = model.capture(TEXTS, [f"{kind}.{layer}" for kind in kinds])
    return [found[f"{kind}.{layer}"] for kind in kinds]


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def passed(name, path, side, layer=1):
    """What hooks of torch alone see of the first text, at a module of a block."""
    hf, kept = family(name), []
    module = plain_steering.block(hf, layer).get_submodule(path)

    def before(_, args, kwargs):
        kept.append(args[0] if args else next(iter(kwargs.values())))

    def after(_, __, output):
        kept.append(output[0] if isinstance(output, tuple) else output)

    handle = (
        module.register_forward_pre_hook(before, with_kwargs=True)
        if side == "input"
        else module.register_forward_hook(after)
    )
    try:
        with torch.no_grad():
            hf(input_ids=torch.tensor([tiny.tokenizer()(TEXTS[0])["input_ids"]]), use_cache=False)
    finally:
        handle.remove()
    return kept[0].reshape(1, -1, kept[0].shape[-1])[0].clone().numpy()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_stream_is_what_attention_and_mlp_add_to_it(name):
    pre, attn, mid, mlp, post = read(
        wrapped(name), "resid_pre", "attn_out_post", "resid_mid", "mlp_out_post", "resid_post"
    )
    close(pre + attn, mid)
    close(mid + mlp, post)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_each_is_what_hooks_of_torch_see_there(name):
    attention, behind = SEQUENTIAL[name]
    out, mid, added = read(wrapped(name), "attn_out", "resid_mid", "attn_out_post")
    n = len(TEXTS[0])
    close(out[0, :n], passed(name, attention, "output"))
    close(mid[0, :n], passed(name, behind, "input"))
    assert (np.abs(added - out).max() > 0.1) == (name in NORMED)


@pytest.mark.parametrize("name", PARALLEL)
def test_parallel_blocks_have_their_own_sum_and_no_middle(name):
    model = wrapped(name)
    assert model.check().refused == ()
    pre, attn, mlp, post = read(model, "resid_pre", "attn_out_post", "mlp_out_post", "resid_post")
    close(pre + attn + mlp, post)
    with pytest.raises(ValueError, match=rf"{name} has no resid_mid.1: "):
        model.capture("hello", "resid_mid.1")


def test_what_lies_at_one_place_is_told_why_it_is_missing():
    with pytest.raises(ValueError, match="attention and mlp of a block read the same state"):
        wrapped("gpt_neox").capture("hello", "resid_mid.1")


@pytest.mark.parametrize("kind", ["attn_out", "attn_out_post", "resid_mid"])
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_steer_there_is_the_push_that_hooks_make(name, kind):
    vector = torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(3))
    steer = vv.Steer(
        vv.Direction(vector.numpy(), "d", f"{kind}.1"), 1.0, unit="raw", where=EVERYWHERE
    )
    model = wrapped(name)
    found = model.next_token(TEXTS[0], steer)[0]
    plain = model.next_token(TEXTS[0])[0]
    # what is added at any of the three is added to the stream behind the attention, but for what
    # a norm makes of it
    if kind == "attn_out" and name in NORMED:
        assert np.abs(found - plain).max() > 0.01
        return
    hf = family(name)
    behind = plain_steering.block(hf, 1).get_submodule(SEQUENTIAL[name][1])

    def push(_, args, kwargs):
        # in place: the block adds to this very tensor afterwards
        (args[0] if args else next(iter(kwargs.values()))).add_(vector)

    handle = behind.register_forward_pre_hook(push, with_kwargs=True)
    try:
        with torch.no_grad():
            ids = torch.tensor([tiny.tokenizer()(TEXTS[0])["input_ids"]])
            logits = hf(input_ids=ids, use_cache=False).logits[0, -1]
    finally:
        handle.remove()
    np.testing.assert_allclose(found, logits.log_softmax(-1).numpy(), atol=1e-4)


def test_scaled_residuals_are_refused_where_they_are_added_and_read_where_they_are_made():
    model = vv.wrap(every.hf("granite"), tiny.tokenizer(), name="granite")
    with pytest.raises(ValueError, match=r"attn_out_post.1: .* scaled: 0.5 of it is"):
        model.capture("hello", "attn_out_post.1")
    pre, attn, mid, mlp, post = read(
        model, "resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"
    )
    close(pre + 0.5 * attn, mid)
    close(mid + 0.5 * mlp, post)


def test_a_block_that_adds_something_else_besides_is_not_said_to_add_two_things():
    model = vv.wrap(every.hf("granitemoeshared"), tiny.tokenizer(), name="shared")
    # its experts and another mlp beside them are added together
    with pytest.raises(ValueError, match=r"mlp_out_post.1: .* does not hold, off by"):
        model.capture("hello", "mlp_out_post.1")
    model.capture("hello", "attn_out_post.1")


class LooksAhead:
    """Makes the last block of a llama mix what all tokens hold."""

    def __new__(cls):
        from transformers.models.llama.modeling_llama import LlamaDecoderLayer

        class Leaky(LlamaDecoderLayer):
            def forward(self, *args, **kwargs):
                out = super().forward(*args, **kwargs)
                return out + out.mean(1, keepdim=True)

        module = every.hf("llama")
        module.model.layers[-1].__class__ = Leaky
        return vv.wrap(module, tiny.tokenizer(), name="leaky")


def scored(model):
    return model.call(lambda: score(model, [([5, 6], [7, 8, 9])]))


def test_a_last_block_that_looks_ahead_or_at_padding_is_found_out():
    model = LooksAhead()
    proofs = model.check()
    assert {"looking ahead", "right padding"} <= set(proofs.refused)
    assert "at block 3" in str(proofs["looking ahead"])
    assert "at block 3" in str(proofs["right padding"])
    said = "leaky is not given {}.*: a token's state stays what it is when those behind it change"
    with pytest.raises(ValueError, match=said.format("resid_post.3")):
        model.capture("hello", "resid_post.3")
    with pytest.raises(ValueError, match=said.format("how likely a text is")):
        scored(model)
    steer = vv.Steer(vv.Direction(np.ones(32), "d", "resid_post.1"), 1.0, unit="raw")
    with pytest.raises(
        ValueError, match=said.format(r"(resid_post.1|text written token by token)")
    ):
        vv.steer(model, "hello", steer, placebo=0, max_new_tokens=2)


# nnsight says how it calls their module named output
@pytest.mark.filterwarnings("ignore:Module .* has a submodule named:UserWarning")
@pytest.mark.parametrize("kind", ["xlm", "flaubert", "xlnet"])
def test_those_that_look_both_ways_are_refused(kind):
    if kind == "flaubert":
        from transformers import FlaubertConfig, FlaubertWithLMHeadModel

        torch.manual_seed(0)
        sizes = {"vocab_size": 258, "emb_dim": 32, "n_layers": 2, "n_heads": 4}
        module = FlaubertWithLMHeadModel(
            FlaubertConfig(**sizes, max_position_embeddings=128, pad_index=0)
        ).eval()
    else:
        module = every.hf(kind)
    model = vv.wrap(module, tiny.tokenizer(), name=kind)
    assert "looking ahead" in model.check().refused
    with pytest.raises(ValueError, match=f"{kind} is not given resid_post.1"):
        model.capture("hello", "resid_post.1")
    with pytest.raises(ValueError, match=f"{kind} is not given how likely a text is"):
        scored(model)
