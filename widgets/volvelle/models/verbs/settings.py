"""What a checkpoint may say about writing, field by field of transformers' GenerationConfig.

Tokens are drawn in the trace and forced on the generation loop, so nothing of a checkpoint's own
settings may choose tokens, change their probabilities, stop early or run the model another way.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from volvelle.models.engine.engine import Engine

# Fields that are kept as the checkpoint has them, and what for.
HONOURED = {
    "eos_token_id": "what ends a text, beside the tokenizer's own (`Facts.eos_ids`)",
    "pad_token_id": "what fills short rows, unless the tokenizer says it; never seen by the model",
    "bos_token_id": "begins an empty prompt, which is refused; the tokenizer adds it to others",
    "decoder_start_token_id": "of models with an encoder, which are not read",
    "transformers_version": "who wrote the file",
    "_from_model_config": "whether there is a file",
}

# Fields that are always told, whatever a checkpoint says.
TOLD: dict[str, Any] = {
    # keys and values of what was read are kept: each step reads one token, which is what a
    # steer's places are counted by
    "use_cache": True,
    "do_sample": False,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
}

# Fields that are told where a checkpoint says something else: the value at which each does
# nothing. A server of another version may not know all of them, so that none is told in vain.
NEUTRAL: dict[str, Any] = {
    # length and end; `max_new_tokens` is the verb's
    "max_length": None,
    "max_new_tokens": None,
    "min_length": 0,
    "min_new_tokens": None,
    "early_stopping": False,
    "max_time": None,
    "stop_strings": None,
    "exponential_decay_length_penalty": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    # which tokens, and how likely
    "bad_words_ids": None,
    "begin_suppress_tokens": None,
    "suppress_tokens": None,
    "sequence_bias": None,
    "constraints": None,
    "force_words_ids": None,
    "guidance_scale": None,
    "watermarking_config": None,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "diversity_penalty": 0.0,
    "length_penalty": 1.0,
    "remove_invalid_values": False,
    "renormalize_logits": False,
    "min_p": None,
    "top_h": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    # another way to search
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "penalty_alpha": None,
    "dola_layers": None,
    "low_memory": None,
    # guessing ahead, in passes of other widths
    "is_assistant": False,
    "assistant_confidence_threshold": 0.4,
    "assistant_early_exit": None,
    "assistant_ensemble_weight": None,
    "assistant_lookbehind": 10,
    "target_lookbehind": 10,
    "num_assistant_tokens": 20,
    "num_assistant_tokens_schedule": "constant",
    "max_matching_ngram_size": None,
    "prompt_lookup_num_tokens": None,
    "speculation_type": None,
    "use_mtp": False,
    # another way to run
    "token_healing": False,
    "prefill_chunk_size": None,
    "cache_implementation": None,
    "cache_config": None,
    "max_cache_len": None,
    "compile_config": None,
    "disable_compile": False,
    "continuous_batching_config": None,
    # what comes back
    "output_attentions": False,
    "output_hidden_states": False,
    "output_logits": None,
    "output_scores": False,
    "return_dict_in_generate": False,
}

# Fields that transformers itself refuses before it looks at what it is told.
REFUSED_THERE = ("num_return_sequences",)


def writing_settings(model: Engine, n: int) -> dict[str, Any]:
    """Return what transformers' generation loop is told.

    Parameters
    ----------
    model : Engine
    n : int
        Tokens to write.

    Returns
    -------
    dict
        Arguments of ``generate``: what counts here, and each field of the checkpoint's that would
        do something, at the value at which it does nothing.

    Raises
    ------
    ValueError
        Where the checkpoint sets a field of transformers that is not known here, and for a model
        on a server, one of `REFUSED_THERE`.
    """
    theirs = getattr(model.nnsight._module, "generation_config", None)  # noqa: SLF001 - nnsight's name
    told = dict(TOLD)
    for name in [] if theirs is None else fields(type(theirs)):
        value = getattr(theirs, name, None)
        if value is None or name in HONOURED or name in TOLD:
            continue
        if name not in NEUTRAL:
            raise ValueError(
                f"{model.name}'s generation_config sets {name}={value!r}, and volvelle does not "
                "know what that does to what is written; it knows the fields that transformers "
                "5.22 has. Set it to None where it is not needed: "
                f"model.nnsight._module.generation_config.{name} = None"
            )
        if value == NEUTRAL[name]:
            continue
        if name in REFUSED_THERE and model.remote:
            raise ValueError(
                f"{model.name}'s generation_config sets {name}={value!r}, which transformers on "
                f"the server refuses whatever it is told; expected {NEUTRAL[name]}. Have the file "
                "mended, or load the model here (remote=False)"
            )
        told[name] = NEUTRAL[name]
    told["max_new_tokens"] = n
    told["eos_token_id"] = model.eos_ids or None
    told["pad_token_id"] = model.pad_id
    return told


@contextmanager
def without_theirs(model: Engine) -> Iterator[None]:
    """Give a model that is here neutral settings for a while.

    transformers checks a checkpoint's settings by themselves, before what it is told, and refuses
    some of those that would be told away.
    """
    module = model.nnsight._module  # noqa: SLF001 - nnsight's name
    theirs = getattr(module, "generation_config", None)
    if model.remote or theirs is None:
        yield
        return
    ours = copy.copy(theirs)
    for name in fields(type(theirs)):
        if name in TOLD or name in NEUTRAL:
            setattr(ours, name, (TOLD | NEUTRAL)[name])
    module.generation_config = ours
    try:
        yield
    finally:
        module.generation_config = theirs


def fields(kind: type) -> list[str]:
    """Return the fields of transformers' GenerationConfig, without what a checkpoint added."""
    return sorted(vars(kind()))
