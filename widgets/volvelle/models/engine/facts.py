"""What a model says of itself."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from volvelle.models.engine.tokens import special_ids

if TYPE_CHECKING:
    from volvelle.models.engine.architecture import Layout

# Positions of models that state none (alibi).
DEFAULT_CONTEXT = 2048


class Facts:
    """Sizes and ids of a model under nnsight: the read-only half of `Model`."""

    def __init__(self, lm: Any, layout: Layout) -> None:
        self.nnsight = lm
        self.layout = layout
        self.name = layout.name
        self.tokenizer = lm.tokenizer

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return self.layout.n_layers

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.layout.d_model

    @property
    def context(self) -> int:
        """Tokens the model reads at once."""
        config = self.nnsight._module.config.get_text_config()  # noqa: SLF001 - nnsight's name
        for key in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"):
            if getattr(config, key, None):
                return int(getattr(config, key))
        return DEFAULT_CONTEXT

    @property
    def pad_id(self) -> int:
        """Token that fills short rows."""
        for wanted in (self.tokenizer.pad_token_id, *self.eos_ids):
            if wanted is not None:
                return int(wanted)
        return 0

    @property
    def eos_ids(self) -> list[int]:
        """Tokens that end a text."""
        config = getattr(self.nnsight._module, "generation_config", None)  # noqa: SLF001 - as above
        given = getattr(config, "eos_token_id", None)
        ids = list(given) if isinstance(given, (list, tuple)) else [given]
        return sorted({int(i) for i in (*ids, self.tokenizer.eos_token_id) if i is not None})

    @property
    def vocabulary(self) -> int:
        """Number of tokens the model can write."""
        return int(self.nnsight._module.get_output_embeddings().weight.shape[0])  # noqa: SLF001

    @property
    def special_ids(self) -> list[int]:
        """Tokens the tokenizer calls special, chat markers among them."""
        return sorted(special_ids(self.tokenizer))


def takes(model: Facts, argument: str) -> bool:
    """Whether a model's forward pass has an argument, such as ``logits_to_keep``."""
    # asked of the class: nnsight puts its own forward on the instance
    forward = type(model.nnsight._module).forward  # noqa: SLF001 - nnsight's name
    return argument in inspect.signature(forward).parameters
