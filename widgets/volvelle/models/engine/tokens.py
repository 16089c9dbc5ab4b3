"""Tokens as a reader sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.arguments.texts import clean
from volvelle.models.engine.sizes import check_characters
from volvelle.progress import aside, look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What a tokenizer's decoder writes for bytes that are no whole character.
PIECE = "\N{REPLACEMENT CHARACTER}"

# Marks that the models which have them saw before every text (Llama, Mistral, Gemma).
ALWAYS = ("<s>", "<bos>", "<|begin_of_text|>")

# Characters that are split before anybody has waited for it.
SOON = 20_000
# Tokens that are gone through between two looks at Stop.
LOOKS = 4096

# Letters that a tokenizer may have left out between two tokens.
REACH = 8


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one text.

    Attributes
    ----------
    ids : array, int64, shape (n_tokens,)
    strings : tuple of str
        What a reader sees. Of a character split over several tokens the first carries the
        whole character and the others are empty, so that the strings join to the text; tokens
        the tokenizer added (a BOS) carry their name.
    offsets : array, int64, shape (n_tokens, 2)
        Start and stop in the text, in characters. The pieces of one character share theirs.
    special : array, bool, shape (n_tokens,)
        BOS, EOS, chat markers: what the tokenizer calls special.
    glyph : array, int64, shape (n_tokens,)
        Group of each token; pieces of one character share a group.
    text : str
        The text they came from, as it was read: `clean`.
    """

    ids: Annotated[np.ndarray, Axes("n_tokens", kind="i")]
    strings: Annotated[tuple[str, ...], Axes("n_tokens")]
    offsets: Annotated[np.ndarray, Axes("n_tokens", 2, kind="i")]
    special: Annotated[np.ndarray, Axes("n_tokens", kind="b")]
    glyph: Annotated[np.ndarray, Axes("n_tokens", kind="i")]
    text: str = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.strings)

    def __getitem__(self, index: slice) -> Tokens:
        """Return a stretch of the tokens; offsets stay those of the whole text."""
        return Tokens(
            self.ids[index],
            self.strings[index],
            self.offsets[index],
            self.special[index],
            self.glyph[index],
            self.text,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """One readable string for each token by itself: a piece says which of how many."""
        labels = list(self.strings)
        first = np.flatnonzero(np.diff(self.glyph, prepend=-1))
        sizes = np.diff(first, append=len(self.glyph))
        for start, size in zip(first[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            for n in range(size):
                labels[start + n] = f"{self.strings[start]} ({n + 1}/{size})"
        return tuple(labels)

    def __repr__(self) -> str:
        shown = "|".join(self.strings[:12]).replace("\n", "\\n")
        return f"Tokens({len(self)}: {shown}{'|...' if len(self) > 12 else ''})"


def tokenize(tokenizer: Any, text: str, *, adding: bool = True, name: str = "text") -> Tokens:
    """Split a text into the tokens the model is given.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    text : str
        Special tokens written out in it are read as such; those the tokenizer adds by itself
        (a BOS) are added. It is `clean` first, as no tokenizer reads halves of characters:
        the offsets are those in the text of the tokens returned.
    adding : bool
        Whether they are; a chat's template has written its own.
    name : str
        The argument it came in, for errors.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} is {type(text).__name__}, expected str")
    check_characters(text, name)
    text = clean(text)
    if not getattr(tokenizer, "is_fast", False):
        ids = split(tokenizer, text, add_special_tokens=adding)["input_ids"]
        return tokens_of_ids(tokenizer, ids, text)
    encoded = split(tokenizer, text, add_special_tokens=adding, return_offsets_mapping=True)
    ids = np.asarray(encoded["input_ids"], dtype=np.int64)
    offsets = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    return _assemble(tokenizer, ids, offsets, text)


def split(tokenizer: Any, text: str, **options: Any) -> Any:
    """Return what a tokenizer makes of a text; of a long one so that Stop and Ctrl-C are heard.

    Raises
    ------
    ValueError
        For a text of more than `sizes.MOST_CHARACTERS`.
    """
    check_characters(text)
    # silences "sequence longer than the maximum": long texts are run in windows
    options["verbose"] = False
    if len(text) <= SOON:
        return tokenizer(text, **options)
    return aside(lambda: tokenizer(text, **options))


def tokens_of_ids(tokenizer: Any, ids: Sequence[int], text: str | None = None) -> Tokens:
    """Return the tokens of ids, such as generated ones, whose text is read off the decoder.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    ids : sequence of int
    text : str, optional
        The text the ids came from, where it is known.
    """
    ids = [int(i) for i in ids]
    pieces: list[str] = []
    groups: list[tuple[int, int]] = []
    before = start = 0
    for stop in range(1, len(ids) + 1):
        if stop % 256 == 0:  # two calls of the decoder each
            look()
        piece = _added(tokenizer, ids[before:start], ids[start:stop])
        # four bytes are the longest character: what is still broken then is no character
        if _broken(tokenizer, piece) and stop - start < 4 and stop < len(ids):
            continue
        pieces.append(piece)
        groups.append((start, stop))
        before, start = start, stop
    whole = "".join(pieces) if text is None else text
    offsets = np.zeros((len(ids), 2), dtype=np.int64)
    for (a, b), span in zip(groups, _spans(pieces, whole), strict=True):
        offsets[a:b] = span
    return _assemble(tokenizer, np.asarray(ids, dtype=np.int64), offsets, whole)


def string_of(tokenizer: Any, token: int) -> str:
    """Return one token as it stands within a text: with its space, where it has one."""
    anchor = tokenizer("a", add_special_tokens=False)["input_ids"][-1:]
    return _added(tokenizer, [int(i) for i in anchor], [int(token)])


def special_ids(tokenizer: Any) -> set[int]:
    """Return BOS, EOS and chat markers, those too that only the list of added tokens calls special.

    Llama 3 ships its header marks that way.
    """
    listed = getattr(tokenizer, "added_tokens_decoder", None) or {}
    marked = {int(i) for i, token in listed.items() if getattr(token, "special", False)}
    return marked | {int(i) for i in tokenizer.all_special_ids}


def bos_trouble(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return what is wrong with how a text's tokens begin, and the way out; "" for nothing.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    ids : sequence of int
        Of a text that was given as a string.
    """
    bos, mark = tokenizer.bos_token_id, str(tokenizer.bos_token)
    if bos is None or not len(ids):
        return ""
    if list(ids[:2]) == [bos, bos]:
        return (
            f"a text begins with {mark!r}, and the tokenizer puts another before it, which moves "
            "every number. Give its ids, tokenizer(text, add_special_tokens=False)['input_ids'], "
            "or the bare message with chat=True"
        )
    if ids[0] != bos and mark in ALWAYS and bos != tokenizer.eos_token_id:
        return (
            f"the tokenizer has {mark!r} and does not put it before a text, as models of its kind "
            "were trained to read, which moves every number. Set tokenizer.add_bos_token = True, "
            f"load the tokenizer of the original checkpoint, or begin texts with {mark!r}"
        )
    return ""


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    # vocabularies of tokenizers in Python hold what anyone put there
    return clean(
        tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )


def _added(tokenizer: Any, before: list[int], ids: list[int]) -> str:
    """Return what tokens add to the text of those before them.

    Decoders of Llama 2's kind drop the space that begins a text: a token by itself loses it.
    """
    if not before:
        return _decoded(tokenizer, ids)
    shared, whole = _decoded(tokenizer, before), _decoded(tokenizer, [*before, *ids])
    return whole[len(shared) :] if whole.startswith(shared) else _decoded(tokenizer, ids)


def _broken(tokenizer: Any, piece: str) -> bool:
    """Whether bytes are no whole character yet; decoders in Python may leave them out."""
    return piece.endswith(PIECE) or (not piece and not getattr(tokenizer, "is_fast", False))


def _spans(pieces: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    """Lay pieces on the text they were decoded from, which a tokenizer may have normalised.

    A piece that is not where the last one ended, but for white space and case, is looked for
    within the next few letters; one that is nowhere gets no letter.
    """
    done, lowered = 0, text.lower()
    # a letter may become two in lower case: then case counts
    lowered = lowered if len(lowered) == len(text) else text
    for piece in pieces:
        if text.startswith(piece, done):
            yield done, done + len(piece)
            done += len(piece)
            continue
        core = piece.strip().removesuffix("@@").removeprefix("##").lower()  # marks of a joint
        at = lowered.find(core, done, done + len(core) + REACH) if core else -1
        if at < 0:
            yield done, done
            continue
        yield done, at + len(core)
        done = at + len(core)


def _assemble(tokenizer: Any, ids: np.ndarray, offsets: np.ndarray, text: str) -> Tokens:
    special = np.isin(ids, np.fromiter(special_ids(tokenizer), dtype=np.int64))
    n = len(ids)
    # lists: numpy's own numbers are slow one by one, and there may be a third of a million
    starts, stops = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    marked = special.tolist()
    # pieces of one character: byte-level tokens whose spans overlap
    first: list[int] = []
    reached = -1
    for i in range(n):
        if i % LOOKS == 0:
            look()
        if starts[i] == stops[i] or starts[i] >= reached:
            first.append(i)
        reached = max(reached, stops[i])
    strings = [""] * n
    written = 0
    for number, (a, b) in enumerate(pairwise([*first, n])):
        if number % LOOKS == 0:
            look()
        if starts[a] == stops[a]:
            own = tokenizer.convert_ids_to_tokens(int(ids[a])) if marked[a] else ""
            strings[a] = clean(str(own))
            continue
        stop = max(stops[a:b])
        # what a normaliser swallowed between two tokens belongs to the later one
        strings[a] = text[written:stop]
        starts[a:b] = [min(written, starts[a])] * (b - a)
        stops[a:b] = [stop] * (b - a)
        written = stop
    glyph = np.repeat(np.arange(len(first)), np.diff([*first, n])).astype(np.int64)
    joined = np.stack([starts, stops], axis=1).astype(np.int64) if n else offsets
    return Tokens(ids, tuple(strings), joined, special, glyph, text)
