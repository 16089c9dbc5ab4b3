"""Real prose of any length that every Python brings: its own documentation."""

from __future__ import annotations

from pydoc_data.topics import topics
from typing import Any


def corpus() -> str:
    """Return the language reference, some 700 kB."""
    return "\n\n".join(topics[name] for name in sorted(topics))


def text_of(tokenizer: Any, n_tokens: int) -> str:
    """Return the corpus' beginning, of exactly this many tokens."""
    return texts_of(tokenizer, n_tokens, 1)[0]


def texts_of(tokenizer: Any, n_tokens: int, count: int) -> list[str]:
    """Return texts of exactly this many tokens that begin differently.

    Different beginnings matter: a model that keeps what it computed for a prefix would
    otherwise be timed at doing nothing.
    """
    ids = tokenizer(corpus(), add_special_tokens=False)["input_ids"]
    found: list[str] = []
    start = 0
    while len(found) < count:
        if start + n_tokens > len(ids):
            raise ValueError(f"the corpus holds no {count} texts of {n_tokens} tokens")
        text = tokenizer.decode(ids[start : start + n_tokens])
        if len(tokenizer(text, add_special_tokens=False)["input_ids"]) == n_tokens:
            found.append(text)
        start += max(n_tokens, 64)
    return found
