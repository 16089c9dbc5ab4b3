"""Tiny random models of every architecture family, and a byte-level tokenizer for them."""

from __future__ import annotations

import copy
import functools

import numpy as np

WIDTH = 32
LAYERS = 4

# model_type -> what its config calls layers, width and heads, beyond the usual names
FAMILIES = {
    "gpt2": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 128},
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "sliding_window": 64, "query_pre_attn_scalar": 8},
    "gpt_neox": {"rotary_pct": 0.25},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": WIDTH},
    "mistral": {"sliding_window": None},
    "mixtral": {"num_local_experts": 2, "num_experts_per_tok": 1},
    "phi3": {"pad_token_id": 0},
    "olmo2": {},
    "bloom": {"n_layer": LAYERS, "n_head": 4},
    "gptj": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 128, "rotary_dim": 8},
    "falcon": {},
}


@functools.cache
def tokenizer():
    """One token per byte, so that any character beyond ASCII is split over several."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<end>": 1} | {letter: n + 2 for n, letter in enumerate(letters)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<end>")


@functools.cache
def hf(family: str, **changes):
    """A random causal model of a family, in evaluation mode; changes are of its config."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    usual = {
        "vocab_size": 258,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    if family in ("gpt2", "gptj", "bloom"):
        usual = {k: usual[k] for k in ("vocab_size", "bos_token_id", "eos_token_id", "hidden_size")}
        if family != "bloom":
            del usual["hidden_size"]
    config = AutoConfig.for_model(family, **(usual | FAMILIES[family] | changes))
    model = AutoModelForCausalLM.from_config(config).eval()
    # at the usual 0.02 every state is nearly the embedding, and mistakes would not show
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    return model


def wrapped(family: str):
    import volvelle as vv

    return vv.wrap(hf(family), tokenizer(), name=family)


def direction(seed: int = 0, layer: int = 1):
    """A random direction of the tiny models' width, behind a block."""
    import volvelle as vv

    vector = np.random.default_rng(seed).standard_normal(WIDTH)
    return vv.Direction(vector, f"v{seed}", f"resid_post.{layer}")


def taken_for_remote(model):
    """Return the same model under the same traces, taken for one on a server."""
    remote = copy.copy(model)
    remote.remote = "http://localhost:1"
    return remote
