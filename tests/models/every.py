"""Every causal architecture of transformers, built tiny."""

from __future__ import annotations

import re

WIDTH = 32
LAYERS = 4
VOCABULARY = 258

# What an attribute of a configuration is made, by the end of its name; the first that matches.
MIXED = ["global", "local"] * (LAYERS // 2)
SIZES: tuple[tuple[str, int], ...] = (
    (r"type_vocab_size", 2),
    (r"vocab(ulary)?_size(_per_layer_input)?|d_vocab|audio_vocab_size", VOCABULARY),
    (
        r"(max_position_embeddings|n_positions|n_ctx|max_seq_len|max_sequence_length|seq_length)",
        128,
    ),
    (r"(max_target_positions|max_source_positions|context_length)", 128),
    (r"(sliding_window|window_size|attention_window_size|sliding_window_size)", 64),
    (r"hidden_size_per_layer_input", 8),
    (r"(moe_|expert_|shared_expert_|mlp_|block_)?(intermediate_size|ffn_hidden_size|ffn_dim)", 64),
    (r"\w*(intermediate_size|ffn_dim|ffn_hidden_size|mlp_dim|n_inner|d_ff)\w*", 64),
    (r"(hidden_size|d_model|n_embd|embedding_size|dim|emb_dim|word_embed_proj_dim)", WIDTH),
    (r"(embed_dim|width|dim_model|lru_width|attention_hidden_size|mamba_d_ssm)", WIDTH),
    (r"(num_hidden_layers|n_layers?|num_layers|encoder_layers|decoder_layers|depth)", LAYERS),
    (r"(num_decoder_layers|num_encoder_layers)", LAYERS),
    (r"(num_attention_heads|n_heads?|num_heads|encoder_attention_heads)", 4),
    (r"(decoder_attention_heads|num_(encoder|decoder)_attention_heads)", 4),
    (r"(num_key_value_heads|n_kv_heads|num_kv_heads|multi_query_group_num)", 2),
    (r"(head_dim|global_head_dim|v_head_dim|qk_nope_head_dim|qk_rope_head_dim|dim_head)", 8),
    (r"qk_head_dim", 16),
    (r"\w*(q_lora_rank|kv_lora_rank|lora_rank)", 16),
    (r"rotary_dim|kv_channels", 8),
    (r"(num_experts|num_local_experts|n_routed_experts|moe_num_experts|num_moe_experts)", 4),
    (r"(num_experts_per_tok\w*|moe_k|top_k_experts|moe_top_k|experts_per_token|moe_topk)", 2),
    (r"(n_shared_experts|num_shared_experts|n_group|topk_group|zero_expert_num)", 1),
    (r"(first_k_dense_replace|moe_layer_start_index)", 1),
    (r"(mamba_n_heads|linear_num_key_heads|linear_num_value_heads|mamba_num_heads)", 8),
    (r"(mamba_d_head|linear_key_head_dim|linear_value_head_dim|mamba_head_dim)", 8),
    (r"(mamba_d_state|ssm_state_size|state_size|mamba_n_groups|n_groups)", 8),
    (r"num_kv_shared_layers|num_nextn_predict_layers|pad_token_id", 0),
    (r"(laurel_rank|time_step_rank|mamba_dt_rank)", 4),
    (r"chunk_size|mamba_chunk_size", 16),
    (r"eos_token_id|decoder_start_token_id", 1),
    (r"(index_n_heads|index_head_dim|index_topk)", 16),
)

# What a type needs beyond that.
MORE: dict[str, dict[str, object]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "cwm": {"bos_token_id": 1},
    "granite": {"residual_multiplier": 0.5, "logits_scaling": 8.0, "embedding_multiplier": 3.0},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "attention_layers": MIXED},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "ministral": {"head_dim": 8},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "modernbert-decoder": {"bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1},
    "nemotron": {"head_dim": 8, "num_key_value_heads": 4},
    "zaya": {"num_experts_per_tok": 1},
    "xlnet": {"d_head": 8},
    "xmod": {"default_language": "en_XX"},
    "reformer": {"axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 16]},
    "laguna": {"num_attention_heads_per_layer": [4] * LAYERS},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "bailing_hybrid": {"head_dim": 16, "partial_rotary_factor": 0.5, "num_expert_group": 1},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "cohere_compass_text": {
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 1e4}
            for kind in ("full_attention", "sliding_attention")
        }
    },
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 64,
        "indexer_compress_ratio": 4,
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "xlstm": {"embedding_dim": WIDTH, "hidden_size": WIDTH, "num_heads": 4},
    "zamba": {"attention_hidden_size": 64, "attention_head_dim": 16, "mamba_dt_rank": 2},
    "zamba2": {
        "n_mamba_heads": 8,
        "mamba_headdim": 8,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "layers_block_type": ["mamba", "hybrid"] * 2,
        "hybrid_layer_ids": [1, 3],
    },
}


def sized(name: str) -> int | None:
    """What an attribute of this name is made, or None."""
    return next((size for pattern, size in SIZES if re.fullmatch(pattern, name)), None)


def small(told: dict, kind: str) -> dict:
    """A configuration, as a dict, with everything in it made small."""
    made = {}
    layers = {told.get(name) for name in ("num_hidden_layers", "num_layers", "n_layer")} - {None}
    for name, value in told.items():
        size = sized(name)
        if name == "per_layer_config":
            made[name] = None  # it names layers that there are none of
        elif isinstance(value, dict) and name.endswith("_config"):
            made[name] = small(value, kind)
        elif isinstance(value, list) and len(value) in layers:
            made[name] = spread([size or item for item in value])
        elif name == "num_key_value_heads" and told.get("kv_lora_rank"):
            made[name] = 4
        elif size is not None and isinstance(value, int) and not isinstance(value, bool):
            made[name] = min(size, value) if name.startswith(("num_key", "num_kv")) else size
        else:
            made[name] = value
    return made


def spread(kinds: list) -> list:
    """Four layers in which every kind of layer comes."""
    each = [kind for n, kind in enumerate(kinds) if kinds.index(kind) == n]
    return (each + list(kinds[len(each) :]) + each * LAYERS)[:LAYERS]


def config(kind: str):
    """A small configuration of a model type."""
    from transformers import AutoConfig

    told = small(AutoConfig.for_model(kind).to_dict(), kind) | MORE.get(kind, {})
    told.pop("model_type", None)
    for name in ("bos_token_id", "sep_token_id", "cls_token_id"):
        if isinstance(told.get(name), int):
            told[name] = 1
    return AutoConfig.for_model(kind, **told)


def kinds() -> list[str]:
    """Every model type that transformers maps to a causal language model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def hf(kind: str):
    """A random model of a type, in evaluation mode."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    made = config(kind)
    if hasattr(made, "is_decoder") and not made.is_encoder_decoder:
        made.is_decoder = True
    made._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(made).eval()
    # at the usual 0.02 every state is nearly the embedding, and mistakes would not show
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    return model
