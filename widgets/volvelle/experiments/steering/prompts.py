"""Prompts: a text, tokens, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from volvelle.names import unknown

if TYPE_CHECKING:
    from volvelle.models.model import Model

# Templates take any word for a role and write it out, where a slip would go unseen.
ROLES = ("system", "user", "assistant", "tool", "developer")


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
