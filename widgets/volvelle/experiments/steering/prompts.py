"""Prompts: a text, tokens, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import TemplateError

from volvelle.names import unknown

if TYPE_CHECKING:
    from volvelle.models.model import Model

# Templates take any word for a role and write it out, where a slip would go unseen.
ROLES = ("system", "user", "assistant", "tool", "developer")
# The entries of a single prompt that is a list.
ONE = (Mapping, int, np.integer)


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt as the model read it, template included.

    Attributes
    ----------
    text : str
    ids : int array, shape (n,)
    strings : tuple of str
        Its tokens as a reader sees them.
    """

    text: str
    ids: np.ndarray = field(repr=False)
    strings: tuple[str, ...] = field(repr=False)


def several(given: Any) -> list[Any]:
    """Return a list of prompts from one or several.

    A list of ids or of messages is one prompt; a list of texts, of ids or of chats is several.
    """
    if given is None:
        return []
    if isinstance(given, (list, tuple)) and given and not isinstance(given[0], ONE):
        return list(given)
    return [given]


def read_prompt(model: Model, given: Any, *, chat: bool = False) -> Prompt:
    """Return one prompt as the model reads it; see `prompt_ids`."""
    ids = prompt_ids(model, given, chat=chat)
    strings = tuple(model.tokens(ids).strings)
    return Prompt(model.tokenizer.decode(ids), np.asarray(ids, dtype=np.int64), strings)


def prompt_ids(model: Model, prompt: Any, *, chat: bool = False) -> list[int]:
    """Return the ids of a prompt.

    Parameters
    ----------
    model : Model
    prompt : str, Tokens, sequence of int, or sequence of dict
        Dicts are chat messages with ``role`` and ``content``, put in the model's template.
    chat : bool
        Put a text in the template as the user's turn.

    Raises
    ------
    ValueError
        For messages without role or content, roles no template knows, messages the model's
        template refuses, and models without a template.
    TypeError
        For messages whose content is no text.
    """
    if isinstance(prompt, Mapping):
        prompt = [prompt]
    if not (isinstance(prompt, (list, tuple)) and prompt and isinstance(prompt[0], Mapping)):
        return model.prompt_ids(prompt, chat=chat)
    for message in prompt:
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise ValueError(f"message {message!r} lacks 'role' or 'content'")
        if message["role"] not in ROLES:
            raise ValueError(unknown("role of a message", str(message["role"]), ROLES))
        if not isinstance(message["content"], str):
            raise TypeError(f"content of message {message!r} is no text")
    if not getattr(model.tokenizer, "chat_template", None):
        raise ValueError(f"{model.name}'s tokenizer has no chat template; give the prompt as text")
    try:
        text = model.tokenizer.apply_chat_template(
            [dict(message) for message in prompt], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:
        raise ValueError(f"{model.name}'s chat template refuses the messages: {error}") from error
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])
