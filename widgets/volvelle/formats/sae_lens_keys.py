"""Every key of a sae-lens configuration: used, left out for a reason that stands here, or refused.

Source: the configuration classes of sae-lens 1 to 6.54, and the folders that they wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volvelle.formats.left_over import refuse_left_over

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the reader takes from the file.
USED = _words(
    "architecture d_in d_sae k apply_b_dec_to_input normalize_activations norm_scaling_factor "
    "rescale_acts_by_decoder_norm reshape_activations activation_fn activation_fn_str "
    "activation_fn_kwargs finetuning_scaling_factor uses_scaling_factor "
    "hook_name hook_point hf_hook_name metadata"
)

# Why a key changes no number here -> the keys. What is known of the model stays in `sae.metadata`.
LEFT_OUT: dict[str, frozenset[str]] = {
    "every SAE is kept as float32 on the CPU": _words("dtype device"),
    "the hook's name says it": _words("hook_layer hook_point_layer hook_eval hook_point_eval"),
    "notes on the model and the texts, not on the SAE": _words(
        "model_name model_class_name model_kwargs model_from_pretrained_kwargs prepend_bos "
        "context_size seqpos_slice exclude_special_tokens dataset_path dataset_trust_remote_code "
        "is_dataset_tokenized disable_concat_sequences sequence_separator_token streaming "
        "neuronpedia_id sae_lens_version sae_lens_training_version"
    ),
    "notes on the training, done by the time the file is written": _words(
        # where activations came from
        "use_cached_activations cached_activations_path new_cached_activations_path "
        "n_batches_in_buffer tokens_per_buffer store_batch_size store_batch_size_prompts "
        "train_batch_size train_batch_size_tokens train_batch_size_samples training_tokens "
        "total_training_tokens total_training_steps total_training_samples finetuning_tokens "
        "finetuning_method act_store_device activations_mixing_fraction "
        # how it began
        "seed b_dec_init_method expansion_factor from_pretrained_path normalize_sae_decoder "
        "decoder_init_norm decoder_orthogonal_init decoder_heuristic_init "
        "decoder_heuristic_init_norm init_encoder_as_decoder_transpose jumprelu_init_threshold "
        # what was minimised, and how
        "l1_coefficient l1_warm_up_steps lp_norm l0_coefficient l0_warm_up_steps target_l0 "
        "mse_loss_normalization scale_sparsity_penalty_by_decoder_norm aux_loss_coefficient "
        "pre_act_loss_coefficient jumprelu_bandwidth jumprelu_sparsity_loss_mode "
        "jumprelu_tanh_scale jumprelu_ste_to_input noise_scale use_sparse_activations "
        "topk_threshold_lr lr lr_end lr_scheduler_name lr_warm_up_steps lr_decay_steps "
        "n_restart_cycles adam_beta1 adam_beta2 use_ghost_grads autocast autocast_lm compile_llm "
        "llm_compilation_mode compile_sae sae_compilation_mode "
        # dead features
        "feature_sampling_window feature_sampling_method resample_batches feature_reinit_scale "
        "dead_feature_window dead_feature_threshold dead_feature_estimation_method "
        # what was written down meanwhile
        "n_eval_batches eval_batch_size_prompts log_to_wandb log_activations_store_to_wandb "
        "log_optimizer_state_to_wandb wandb_project wandb_id wandb_entity wandb_log_frequency "
        "eval_every_n_wandb_logs run_name logger resume resume_from_checkpoint n_checkpoints "
        "checkpoint_path save_final_checkpoint output_path verbose"
    ),
}

# The function of activation that each architecture is; it may be left unsaid.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "standard": ("relu",),
    "topk": ("topk", "relu"),
    "abstopk": (),
    "jumprelu": ("jumprelu", "relu"),
    "gated": ("relu",),
}


@dataclass(frozen=True)
class Rule:
    """A key that matters unless its value is harmless.

    Attributes
    ----------
    keys : tuple of str
        Its spellings.
    harmless : callable(value, facts) -> bool
        `facts` are the other keys, and the ``architecture`` that is read.
    means : str
        What any other value means, and the way out.
    """

    keys: tuple[str, ...]
    harmless: Callable[[Any, Mapping[str, Any]], bool]
    means: str


def _same_as(*keys: str) -> Callable[[Any, Mapping[str, Any]], bool]:
    return lambda value, facts: value is None or value in [facts.get(key) for key in keys]


def _unset(value: Any, _: Mapping[str, Any]) -> bool:
    return value is None or value is False


_ELSEWHERE = (
    "it writes at another place than it reads, and volvelle reads SAEs, which write where they "
    "read; for its directions alone take vv.Dictionary(W_dec, names, point='mlp_out.3')"
)

RULES: tuple[Rule, ...] = (
    Rule(
        ("hook_head_index", "hook_point_head_index"),
        lambda value, _: value is None,
        "it reads one attention head, and a point holds all of them; cut the head's states out "
        "yourself and encode them with SAE.load(tensors, point='z.3')",
    ),
    Rule(("is_transcoder",), _unset, _ELSEWHERE),
    Rule(("d_out",), _same_as("d_in"), _ELSEWHERE),
    Rule(
        ("hook_name_out", "hook_point_out", "out_hook_point"),
        _same_as("hook_name", "hook_point"),
        _ELSEWHERE,
    ),
    Rule(("hf_hook_name_out",), _same_as("hf_hook_name"), _ELSEWHERE),
    Rule(
        ("hook_layer_out", "out_hook_point_layer"),
        _same_as("hook_layer", "hook_point_layer"),
        _ELSEWHERE,
    ),
    Rule(
        ("activation_fn", "activation_fn_str"),
        lambda value, facts: not value or value in ACTIVATIONS.get(facts["architecture"], ()),
        "that is not the activation function of its architecture, and none other is read; where "
        "the architecture is told wrong, write SAE.load(..., architecture='topk') or another",
    ),
    Rule(
        ("activation_fn_kwargs",),
        lambda value, _: not value or set(value) <= {"k"},
        "only k is read of it",
    ),
    Rule(
        ("k",),
        lambda value, facts: value is None or "topk" in facts["architecture"],
        "its architecture has no k; if it keeps the k largest activations of a token, write "
        "SAE.load(..., architecture='topk')",
    ),
    Rule(
        ("rescale_acts_by_decoder_norm",),
        lambda value, facts: not value or "topk" in facts["architecture"],
        "only topk and abstopk SAEs are rescaled on reading; save it again with a version of "
        "sae-lens that folds it in",
    ),
    Rule(
        ("reshape_activations",),
        lambda value, _: value in (None, "none", "hook_z"),
        "read are 'none' and 'hook_z'; reshape the states yourself and encode them with "
        "SAE.load(tensors, point='z.3')",
    ),
    Rule(
        ("norm_scaling_factor",),
        lambda value, facts: value is None or bool(facts.get("scaled")),
        "normalize_activations does not say that inputs are scaled; fold it into the weights, or "
        "write normalize_activations='expected_average_only_in' into the configuration",
    ),
)


def check_keys(
    cfg: Mapping[str, Any],
    architecture: str,
    *,
    scaled: bool,
    source: str,
    ignore: Collection[str] = (),
) -> None:
    """Raise ValueError for a key, or a value of one, that would be lost.

    Parameters
    ----------
    cfg : mapping
        As the file has it. Its ``metadata`` are notes, kept as they are, in which only what a
        rule names can be refused.
    architecture : str
        As which it is read.
    scaled : bool
        Whether inputs are scaled by a constant (``expected_average_only_in``).
    source : str
        What the message calls the file.
    ignore : collection of str
        Keys that the caller says do not matter.
    """
    metadata = cfg.get("metadata")
    notes: dict[str, Any] = dict(metadata) if isinstance(metadata, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
    facts = {**notes, **cfg, "architecture": architecture, "scaled": scaled}
    told = [(key, value, "") for key, value in cfg.items()]
    told += [(key, value, "metadata.") for key, value in notes.items() if key in _NOTED]
    for key, value, where in told:
        rule = _RULE.get(key)
        if rule and key not in ignore and not rule.harmless(value, facts):
            raise ValueError(
                f"{source} says {where}{key}={value!r:.60}, read as a {architecture} SAE: "
                f"{rule.means}. If you know that it does not matter, "
                f"write SAE.load(..., ignore=[{key!r}])"
            )
    known = USED.union(_RULE, *LEFT_OUT.values())
    refuse_left_over(cfg, known, kind="key", source=source, reasons={}, ignore=ignore)


_RULE = {key: rule for rule in RULES for key in rule.keys}
# Of the notes, those that say what the SAE is; its training may have had a k, or another function.
_NOTED = frozenset(key for rule in RULES[:6] for key in rule.keys)
