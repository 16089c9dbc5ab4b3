"""Chat templates of the families there are, each in the fewest words that do what it does."""

from __future__ import annotations

import copy


def _chatml(before: str = "") -> str:
    """Turns of ChatML, with what stands before the first."""
    return (
        before
        + "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


TEMPLATES = {
    "chatml": _chatml(),
    # a system prompt where none is given (SmolLM2, Qwen2.5)
    "chatml default": _chatml(
        "{% if messages[0].role != 'system' %}<|im_start|>system\n"
        "You are the user's kind assistant.<|im_end|>\n{% endif %}"
    ),
    # dates before every system prompt, ends of messages cut
    "llama 3": (
        "<bos>{% set told = '' %}{% if messages[0].role == 'system' %}"
        "{% set told = messages[0].content|trim %}{% set messages = messages[1:] %}{% endif %}"
        "<|start|>system<|end|>\n\nCutting Knowledge Date: December 2023\n\n{{ told }}<|eot|>"
        "{% for m in messages %}<|start|>{{ m.role }}<|end|>\n\n{{ m.content|trim }}<|eot|>"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant<|end|>\n\n{% endif %}"
    ),
    # no system prompt, and another word for the assistant
    "gemma": (
        "<bos>{% if messages[0].role == 'system' %}"
        "{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ m.content|trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    # the system prompt within the first question; an answer has no mark before it
    "mistral": (
        "<bos>{% if messages[0].role == 'system' %}{% set told = messages[0].content + '\n\n' %}"
        "{% set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}"
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ told if loop.first }}"
        "{{ m.content }} [/INST]{% else %} {{ m.content }}<eos>{% endif %}{% endfor %}"
    ),
    # no special tokens at all
    "vicuna": (
        "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
        "{% set messages = messages[1:] %}"
        "{% else %}A chat between a user and an assistant.{% endif %}"
        "{% for m in messages %}{{ ' USER: ' if m.role == 'user' else ' ASSISTANT: ' }}"
        "{{ m.content }}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
    ),
    # earlier thinking is cut out, and the answer begins with thinking
    "deepseek": (
        "<bos>{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
        "{% elif m.role == 'assistant' %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<eos>"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
    ),
    # the last answer is written anew with its thinking, earlier ones without
    "qwen 3": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
        "{% set thought = '' %}{% set said = m.content %}{% if '</think>' in said %}"
        "{% set thought = said.split('</think>')[0].split('<think>')[-1] %}"
        "{% set said = said.split('</think>')[-1].lstrip('\n') %}{% endif %}"
        "{% if loop.last %}<think>\n{{ thought.strip('\n') }}\n</think>\n\n{{ said }}"
        "{% else %}{{ said }}{% endif %}{% else %}{{ m.content }}{% endif %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    # words of its own in place of the messages'
    "rewriting": "{% for m in messages %}<bos>{{ m.content|replace('a', 'oh') }}{% endfor %}",
}
MARKS = (
    *("<bos>", "<eos>", "<|im_start|>", "<|im_end|>", "<|start|>", "<|end|>", "<|eot|>"),
    *("<start_of_turn>", "<end_of_turn>", "<|User|>", "<|Assistant|>"),
)


def tokenizer(template: str, before, *, think: bool = False):
    """A tokenizer with a template of `TEMPLATES`, and its marks as special tokens.

    Parameters
    ----------
    template : str
    before : transformers tokenizer
        Copied.
    think : bool
        Whether `<think>` and `</think>` are tokens of their own, not special.
    """
    from tokenizers import AddedToken

    found = copy.deepcopy(before)
    special = [AddedToken(mark, special=True, normalized=False) for mark in MARKS]
    found.backend_tokenizer.add_special_tokens(special)
    if think:
        marks = [AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")]
        found.backend_tokenizer.add_tokens(marks)
    found.chat_template = TEMPLATES[template]
    return found
