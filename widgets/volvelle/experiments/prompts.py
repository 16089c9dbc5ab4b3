"""Prompts: a text, tokens, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def prompt_ids(model: Any, prompt: Any, *, chat: bool = False) -> list[int]:
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
        For messages without role or content, and models without a template.
    """
    if not (isinstance(prompt, (list, tuple)) and prompt and isinstance(prompt[0], Mapping)):
        return model.prompt_ids(prompt, chat=chat)
    for message in prompt:
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise ValueError(f"message {message!r} lacks 'role' or 'content'")
    if not getattr(model.tokenizer, "chat_template", None):
        raise ValueError(f"{model.name}'s tokenizer has no chat template; give the prompt as text")
    text = model.tokenizer.apply_chat_template(
        [dict(message) for message in prompt], tokenize=False, add_generation_prompt=True
    )
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])
