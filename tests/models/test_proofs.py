"""A model proves its points before they are offered."""

from __future__ import annotations

import numpy as np
import pytest
from models import every, sweep, tiny

import volvelle as vv

# One of each way of being built, and each that was wrong without a word.
SLICE = (
    "llama",
    "gemma3_text",
    "glm4",
    "cohere",
    "xglm",
    "lfm2",
    "granite",
    "gpt_bigcode",
    "openai-gpt",
    "mamba",
    "gemma3n_text",
    "roberta",
    "falcon_h1",
    "granitemoeshared",
)
RIGHT = ("right", "partly")
# Whose blocks scale what they add, or add a third thing.
ADDING = {
    "granite": ("attn_out_post", "mlp_out_post"),
    "falcon_h1": ("attn_out_post",),
    "granitemoeshared": ("resid_mid", "mlp_out_post"),
}


@pytest.fixture(scope="module")
def found():
    return {one.kind: one for one in sweep.all_tried(SLICE)}


def test_no_architecture_of_the_slice_is_wrong(found):
    assert {kind: one.why for kind, one in found.items() if one.outcome == "wrong"} == {}


def test_those_whose_equations_hold_are_not_refused(found):
    refused = {kind: one.refused for kind, one in found.items() if one.refused}
    assert refused.keys() == {"openai-gpt", "gemma3n_text", "roberta", *ADDING}
    assert {kind: refused[kind] for kind in ADDING} == ADDING


@pytest.mark.nightly
def test_every_causal_architecture_is_right_or_refused():
    tried = sweep.all_tried(every.kinds())
    assert [one for one in tried if one.outcome == "wrong"] == []
    assert sum(one.outcome in RIGHT for one in tried) >= 120
    known = {line.split("|")[1:3][0].strip(" `"): line for line in _rows()}
    assert {one.kind for one in tried} == set(known)
    moved = [one.kind for one in tried if f"| {one.outcome} |" not in known[one.kind]]
    assert moved == [], "python -m models.sweep, in tests, writes docs/architectures.md again"


def _rows():
    lines = sweep.TABLE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| `")]


def test_the_page_counts_its_own_rows():
    rows = _rows()
    assert len(rows) == len(every.kinds())
    right = sum(any(f"| {one} |" in row for one in RIGHT) for row in rows)
    assert f"Of {len(rows)} architectures {right} are right" in sweep.TABLE.read_text()
    assert right >= 120
    assert not any("| wrong |" in row for row in rows)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_families_whose_equations_hold_are_refused_nothing(family):
    assert tiny.wrapped(family).check().refused == ()


def test_a_state_in_four_streams_is_refused_with_its_shape():
    model = vv.wrap(every.hf("gemma3n_text"), tiny.tokenizer(), name="gemma3n")
    for point in ("resid_post.1", "resid_pre.0"):
        with pytest.raises(
            ValueError, match=r"gives \(4, 3, 8, 32\) for \(rows, tokens, d_model\)"
        ):
            model.capture(["hello there", "hello world"], point)
    steer = vv.Steer(vv.Direction(np.ones(32), "d", "resid_post.1"), 1.0, unit="raw")
    with pytest.raises(ValueError, match=r"gemma3n is not given resid_post.1"):
        model.generate("hello there", steer, max_new_tokens=2)


def test_a_scaled_residual_says_its_scale():
    model = vv.wrap(every.hf("granite"), tiny.tokenizer(), name="granite")
    assert model.capture("hello", "mlp_out.1")["mlp_out.1"].shape == (1, 5, 32)
    with pytest.raises(ValueError, match=r"mlp_out_post.1: .* scaled: 0.5 of it is"):
        model.capture("hello", "mlp_out_post.1")


def test_hybrids_have_z_where_they_have_attention():
    model = vv.wrap(every.hf("lfm2_moe"), tiny.tokenizer(), name="lfm2")
    assert model.capture("hello", "z.1")["z.1"].shape == (1, 5, 32)
    with pytest.raises(ValueError, match=r"has no z.0: .* blocks \[1, 3\] have it"):
        model.capture("hello", "z.0")


def test_a_wrong_norm_is_refused_by_how_much():
    from dataclasses import replace

    model = vv.wrap(every.hf("xglm"), tiny.tokenizer(), name="xglm")
    assert model.layout.norm == "model.layer_norm"
    model.layout = replace(model.layout, norm="")
    with pytest.raises(ValueError, match=r"final norm and unembedding .* off by \d"):
        model.unembed(np.ones(32, np.float32))
    model.layout = replace(model.layout, norm="model.layer_norm", logit_scale=0.5)
    assert "the logits are 2 times that" in str(model.check()["unembed"])


def test_the_norm_before_a_sandwich_is_not_what_is_added():
    from dataclasses import replace

    model = vv.wrap(every.hf("glm4"), tiny.tokenizer(), name="glm4")
    model.layout = replace(model.layout, mlp_post=("",) * 4)
    with pytest.raises(ValueError, match=r"mlp_out_post.1: mlp_out_post, and what is added to it"):
        model.capture("hello", "mlp_out_post.1")


# nnsight says how it calls their module named output
@pytest.mark.filterwarnings("ignore:Module .* has a submodule named:UserWarning")
def test_rows_that_padding_changes_are_refused_together_and_right_alone():
    import torch

    module = every.hf("blenderbot")
    model = vv.wrap(module, tiny.tokenizer(), name="blenderbot")
    with pytest.raises(ValueError, match="give them one at a time"):
        model.next_token(["hello", "hello there"])
    with torch.no_grad():
        ids = torch.tensor([model.tokens("hello").ids.tolist()])
        wanted = module(input_ids=ids).logits[0, -1].log_softmax(-1).numpy()
    np.testing.assert_allclose(model.next_token("hello")[0], wanted, atol=1e-3)


def test_opt_whose_blocks_are_wider_than_its_words_unembeds():
    import torch
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=258, hidden_size=32, word_embed_proj_dim=16, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=128, do_layer_norm_before=False,
        pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    module = OPTForCausalLM(config).eval()
    model = vv.wrap(module, tiny.tokenizer(), name="opt-350m")
    assert model.check()["unembed"].holds
    vector = torch.randn(32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module.lm_head(module.model.decoder.project_out(vector))
    top = int((wanted - wanted.mean()).argmax())
    assert model.unembed(vector.numpy(), k=1).promoted_ids[0, 0] == top


NOT_CAUSAL = (
    "T5ForConditionalGeneration",
    "BertForMaskedLM",
    "LlamaModel",
    "GPT2ForSequenceClassification",
)


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_what_is_no_causal_model_gets_the_sentence_of_wrap(name):
    import transformers

    kind = getattr(transformers, name)
    sizes = {"vocab_size": 258, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    sizes |= {"num_attention_heads": 4, "d_ff": 64, "d_kv": 8}
    module = kind(kind.config_class(**sizes))
    with pytest.raises(TypeError, match=f"model is {name}, expected .* causal language model"):
        vv.wrap(module, tiny.tokenizer())


def test_the_demo_model_holds_every_equation(model):
    proofs = model.check()
    assert (len(proofs), proofs.refused) == (12, ())
    assert proofs.to_pandas()["holds"].all()
    assert repr(proofs).startswith("Proofs(smollm2: 12 of 12 hold")


def test_half_precision_is_no_reason_to_refuse():
    for family in ("llama", "gemma2", "gpt_neox"):
        half = vv.wrap(every.hf(family).bfloat16(), tiny.tokenizer(), name=f"{family} in half")
        assert half.check().refused == ()
