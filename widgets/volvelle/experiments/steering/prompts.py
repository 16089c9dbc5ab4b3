"""Prompts: a text, tokens, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.arguments import plain
from volvelle.arguments.said import came
from volvelle.models.engine.chats import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.model import Model

# The entries of a single prompt that is a list.
ONE = (Mapping, int, np.integer)


@dataclass(frozen=True, eq=False)
class PromptCard:
    """A prompt as the model read it, template included.

    Attributes
    ----------
    text : str
    ids : int array, shape (n,)
    strings : tuple of str
        Its tokens as a reader sees them.
    turns : tuple of str
        Whose each token of a chat is: a role; ``"template"`` of what the chat template writes
        around the messages; ``"hidden"`` of a system prompt that it puts there by itself. Empty
        where the prompt was no chat.
    """

    text: str
    ids: Annotated[np.ndarray, Axes("n", kind="i")] = field(repr=False)
    strings: Annotated[tuple[str, ...], Axes("n")] = field(repr=False)
    turns: tuple[str, ...] = field(default=(), repr=False)


def several(given: Any) -> list[Any]:
    """Return a list of prompts from one or several.

    A list of ids or of messages is one prompt; a list of texts, of ids or of chats is several.
    """
    if given is None:
        return []
    if not hasattr(given, "ids") and hasattr(given, "tolist"):
        # an array or a column of texts
        if (listed := plain.listed(given)) is None:
            raise TypeError(came("prompt", given, "a prompt or a list of them"))
        given = listed
    if isinstance(given, (list, tuple)) and given and not isinstance(given[0], ONE):
        return list(given)
    return [given]


def check_distinct(prompts: Sequence[Sequence[int]], name: str) -> None:
    """Refuse a prompt that comes twice: it adds nothing but a narrower interval."""
    seen: dict[tuple[int, ...], int] = {}
    for n, ids in enumerate(prompts):
        first = seen.setdefault(tuple(ids), n)
        if first != n:
            raise ValueError(f"{name}: numbers {first} and {n} are the same text; give it once")


def read_prompt(model: Model, ids: Sequence[int]) -> PromptCard:
    """Return a prompt for its readers, from what `Model.prompt_ids` gives."""
    return PromptCard(
        text=model.tokenizer.decode(ids),
        ids=np.asarray(ids, dtype=np.int64),
        strings=tuple(model.tokens(ids).strings),
        turns=labels_of(ids),
    )
