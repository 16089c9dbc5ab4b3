"""The model of transformers inside what others put around it: adapters, compilation."""

from __future__ import annotations

from typing import Any

# Where torch.compile keeps what it was given.
COMPILED = "_orig_mod"

# Where torch's layers lie whose inputs are rounded on one scale for a whole batch.
DYNAMIC = "torch.ao.nn.quantized.dynamic"


def bare(module: Any) -> Any:
    """Return the causal model that a wrapper runs.

    Parameters
    ----------
    module : torch.nn.Module
        A model of transformers; one that PEFT has put adapters into (LoRA and its kin), which stay
        in it and work; one that `torch.compile` returned, whose original runs, uncompiled.

    Raises
    ------
    ValueError
        Where an adapter adds tokens of its own to what is read, where a part of a model is
        compiled by itself, and for dynamic int8.
    """
    module = getattr(module, COMPILED, module)
    if hasattr(module, "peft_config") and hasattr(module, "get_base_model"):
        adapter = module.active_peft_config
        if adapter.is_prompt_learning:
            kind = str(getattr(adapter.peft_type, "value", adapter.peft_type))
            raise ValueError(
                f"model has an adapter of PEFT's kind {kind}, which puts vectors before every text "
                "that are no tokens, so that positions would be those of another text; expected "
                "one that changes weights, such as LORA. model.get_base_model() is the model "
                "without it"
            )
        module = getattr(module.get_base_model(), COMPILED, module.get_base_model())
    for path, part in module.named_modules():
        place, _, name = path.rpartition(".")
        if name == COMPILED:
            raise ValueError(
                f"{place} of the model is {type(part).__name__} compiled by torch.compile, which "
                "leaves no place to read or write; expected a model that is not, or that is "
                f"compiled as a whole. Put the original back: model.{place} = model.{path}, and "
                f"model.{place}.compile() instead of torch.compile(model.{place})"
            )
        if type(part).__module__.startswith(DYNAMIC):
            raise ValueError(
                f"{path} of the model is {type(part).__name__} of dynamic int8, which rounds a "
                "text by what is read beside it, so that no number belongs to one text; expected "
                "weights in float, or quantised by themselves (bitsandbytes, GPTQ, AWQ). Wrap the "
                "model before torch.ao.quantization.quantize_dynamic"
            )
    return module
