"""Whether the tokens of a model look back only."""

from __future__ import annotations

from typing import Any

# Gemma's: all tokens (True, "all"), or those of pictures alone ("vision").
FORWARD = "use_bidirectional_attention"


def check_causal(module: Any, name: str) -> None:
    """Refuse a model whose tokens look at those behind them.

    Parameters
    ----------
    module : torch.nn.Module
        A model of transformers.
    name : str
        For messages.

    Raises
    ------
    ValueError
        With the field of its config that says so.
    """
    config = module.config.get_text_config()
    field, value = FORWARD, getattr(config, FORWARD, None)
    if value not in (True, "all"):
        # GPT-NeoX's config has the field, and nothing of the model reads it
        field, value = "is_decoder", getattr(config, "is_decoder", None)
        if value is not False or not any(hasattr(one, "is_decoder") for one in module.modules()):
            return
    wanted = field == "is_decoder"
    raise ValueError(
        f"{name}'s tokens look at those behind them (config.{field} is {value!r}), so that a state "
        "would change with the text and the padding that follow; expected a causal model. Where it "
        f"was trained as one, set config.{field} = {wanted} before it is loaded"
    )
