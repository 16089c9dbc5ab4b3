"""What a model says of itself."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from volvelle.models.engine.tokens import special_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.engine.architecture import Layout

# Positions of models that state none (alibi).
DEFAULT_CONTEXT = 2048

# What configs call the number of positions.
CONTEXT = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "seq_length",
    "max_seq_len",
    "context_length",
)

# What a forward pass of RWKV takes for its past; that of several rows is mixed up between them.
STATE = "state"

# What forward passes take for it, all of them.
PASTS = ("past_key_values", "cache_params", STATE, "mems", "cache", "past_buckets_states")

# How embeddings that count positions themselves are told from others.
COUNTING = "create_position_ids_from_input_ids"


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
        for key in CONTEXT:
            # XLNet says -1: any number
            if (getattr(config, key, None) or 0) > 0:
                return int(getattr(config, key)) - self.first_position
        return DEFAULT_CONTEXT

    @cached_property
    def first_position(self) -> int:
        """Position of a text's first token; not 0 where positions follow that of padding."""
        # Roberta and its kin count from behind the padding's own, unless they are told positions
        if takes(self, "position_ids"):
            for part in self.nnsight._module.modules():  # noqa: SLF001 - as above
                if hasattr(part, COUNTING) and hasattr(part, "position_embeddings"):
                    return int(part.padding_idx) + 1
        return 0

    @property
    def padded_is_alone(self) -> bool:
        """Whether a row behind padding gives what it gives alone."""
        # a recurrent state takes the padding in, where a model does not look at the mask
        return not getattr(type(self.nnsight._module), "_is_stateful", False)  # noqa: SLF001 - as above

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


def heads_of(model: Facts) -> tuple[int, int]:
    """Return the number of attention heads and the width of one at ``z``."""
    config = model.nnsight._module.config.get_text_config()  # noqa: SLF001 - nnsight's name
    names = ("num_attention_heads", "n_head", "num_heads")
    n = next((int(getattr(config, name)) for name in names if getattr(config, name, None)), 1)
    d_head = getattr(config, "head_dim", None) or model.layout.d_model // n
    return n, int(d_head)


def takes(model: Facts, argument: str) -> bool:
    """Whether a model's forward pass has an argument, such as ``logits_to_keep``."""
    # asked of the class: nnsight puts its own forward on the instance
    forward = type(model.nnsight._module).forward  # noqa: SLF001 - nnsight's name
    return argument in inspect.signature(forward).parameters


def hold_memory(model: Facts) -> None:
    """Raise ValueError for a model that reads the whole text again with every token it writes.

    A steer acts on what is read anew, once; here it would act on all of it, in every pass.
    """
    if not any(takes(model, argument) for argument in PASTS):
        kind = type(model.nnsight._module).__name__  # noqa: SLF001 - nnsight's name
        raise ValueError(
            f"{model.name} keeps nothing of what it has read ({kind} takes no cache), so that what "
            "it writes cannot be steered token by token; expected a model with a cache. "
            "model.next_token and model.capture work on it"
        )


def together(model: Facts, lengths: Sequence[int], most: int) -> list[list[int]]:
    """Divide rows into those that run together.

    Parameters
    ----------
    model : Facts
    lengths : sequence of int
        Tokens of each row.
    most : int
        Rows that may run together.

    Returns
    -------
    list of list of int
        Numbers of rows, in their order; of one length where padding would change them, one by one
        where equal rows together do not write what each writes.
    """
    if takes(model, STATE):
        most = 1
    kinds: dict[int, list[int]] = {}
    for n, length in enumerate(lengths):
        kinds.setdefault(0 if model.padded_is_alone else length, []).append(n)
    return [
        rows[start : start + most] for rows in kinds.values() for start in range(0, len(rows), most)
    ]
