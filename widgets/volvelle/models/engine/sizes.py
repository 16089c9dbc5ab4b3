"""Whether texts are of a size that a model reads: before they are split, and before they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Characters of one text: a third of a million tokens, which take some five seconds to split.
MOST_CHARACTERS = 1_000_000
# Texts that one run writes, and next words that it asks for.
MOST_TEXTS = 50_000
MOST_WORDS = 1_000_000
# No tokenizer gives so few tokens for so many characters that its vocabulary need be looked at.
SHORT = 16


class Reader(Protocol):
    """What is asked of a model: `facts.Facts` has it."""

    name: str
    tokenizer: Any
    nnsight: Any

    @property
    def context(self) -> int:
        """Tokens it reads at once."""
        ...

    @property
    def vocabulary(self) -> int:
        """Tokens it can write."""
        ...


def check_characters(text: str, what: str = "text") -> None:
    """Raise ValueError for a text that is too long to be split into tokens."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"{what} has {len(text):,} characters, and at most {MOST_CHARACTERS:,} are split into "
            "tokens at once; cut it, and give a list of texts where one is taken"
        )


def fewest_tokens(tokenizer: Any, n_characters: int, most: int) -> tuple[int, int]:
    """Return how many tokens so many characters are at the least, and characters of the longest.

    Counted only where they may be more than `most`. What a tokenizer throws away, or calls
    unknown, is counted as if it were kept: of a text so long that is a slip, not a prompt.
    """
    if n_characters <= most * SHORT:
        return 0, SHORT
    longest = max(map(len, tokenizer.get_vocab()), default=1)
    return -(-n_characters // longest), longest


def check_before(model: Reader, text: object, what: str) -> None:
    """Raise ValueError for a text that cannot fit the context, before it is split into tokens."""
    if not isinstance(text, str):
        return
    n, longest = fewest_tokens(model.tokenizer, len(text), model.context)
    if n > model.context:
        raise ValueError(
            f"{what} has {len(text):,} characters, which are {n:,} tokens or more (none is longer "
            f"than {longest}), and {model.name} reads {model.context:,} at once; give a shorter "
            "one. vv.encode and model.capture_windows run longer texts in windows"
        )


def n_ids(model: Reader) -> int:
    """Return how many tokens the model can read: the rows of its embedding."""
    embedding = model.nnsight._module.get_input_embeddings()  # noqa: SLF001 - nnsight's name
    weight = getattr(embedding, "weight", None)
    return model.vocabulary if weight is None else int(weight.shape[0])


def check_ids(model: Reader, ids: np.ndarray | Sequence[int], what: str = "text") -> None:
    """Raise ValueError for token ids that the model has no embedding for."""
    listed, known = np.asarray(ids), n_ids(model)
    if not listed.size or (listed.min() >= 0 and listed.max() < known):
        return
    at = int(np.flatnonzero((listed < 0) | (listed >= known))[0])
    raise ValueError(
        f"{what} holds token id {int(listed[at])} at place {at}, {model.name} knows "
        f"0...{known - 1:,}; ids of another model's tokenizer mean other words here"
    )


def check_rows(n: int, most: int, what: str, factors: dict[str, int]) -> None:
    """Raise ValueError for more rows than one run is meant to have, naming what they are of."""
    if n > most:
        told = ", ".join(f"{count:,} {name}" for name, count in factors.items())
        raise ValueError(
            f"{n:,} {what} would be run, at most {most:,} are: {told}. Ask for fewer of one of "
            "these, or run several times"
        )


def check_context(
    model: Reader, lengths: Iterable[int], what: str = "prompt", behind: int = 0
) -> None:
    """Raise ValueError for rows of more tokens than the model reads at once.

    Parameters
    ----------
    model : Reader
    lengths : iterable of int
        Tokens of each row.
    what : str
        The argument they came in.
    behind : int
        Tokens that are read behind each: of a watched answer all but the last.
    """
    for n, length in enumerate(lengths):
        if length + behind > model.context:
            more = f" and {behind:,} of a watched answer behind them" if behind else ""
            raise ValueError(
                f"{what}: number {n} has {length:,} tokens{more}, {model.name} reads "
                f"{model.context:,} at once; give a shorter one"
            )
