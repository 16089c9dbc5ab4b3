"""What emotion circles are fitted to: shipped texts, a user's texts, pairs of texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from volvelle.names import unknown

SLOT = "{w}"


@cache
def _asset(name: str) -> Any:
    text = (files("volvelle.assets.emotions") / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)


def russell(*, confirmed: bool = False) -> dict[str, float]:
    """Return Russell's angles, degrees per word (0 pleasure, 90 arousal).

    Parameters
    ----------
    confirmed : bool
        Only the 15 words whose angle stands in two transcriptions of the paper; the other 13
        are from memory (see the card in ``assets/emotions``).

    Source: Russell (1980), A circumplex model of affect, JPSP 39(6).
    """
    words = _asset("russell")["words"]
    return {w["word"]: float(w["degrees"]) for w in words if w["confirmed"] or not confirmed}


def default_words() -> tuple[str, ...]:
    """Return the 25 words that circles are fitted to by default, by angle."""
    return tuple(w["word"] for w in _asset("russell")["words"] if w["used"])


def templates() -> tuple[str, ...]:
    """Return the 12 sentences with a slot for the word."""
    return tuple(_asset("stimuli")["templates"])


def situations() -> dict[str, list[str]]:
    """Return five sentences per word that never name it."""
    return {word: list(texts) for word, texts in _asset("situations")["situations"].items()}


def unseen_words() -> dict[str, float]:
    """Return 38 words kept for checks and the middle of their quadrant, in degrees."""
    return {w: float(mid) for mid, words in _asset("stimuli")["unseen"].items() for w in words}


def readout_prompts() -> tuple[str, ...]:
    """Return the five prompts whose next word is read around the wheel."""
    return tuple(_asset("stimuli")["readout_prompts"])


def generation_prompts() -> tuple[str, ...]:
    """Return the four prompts that are continued around the wheel."""
    return tuple(_asset("stimuli")["generation_prompts"])


def neutral_texts() -> tuple[str, ...]:
    """Return sentences without emotion, whose components can be removed."""
    return tuple(_asset("stimuli")["neutral"])


@dataclass(frozen=True)
class Stimuli:
    """Texts with the word each belongs to.

    Attributes
    ----------
    words : tuple of str
    texts : tuple of str
    owner : tuple of int
        Index of the word of each text.
    minus : tuple of str
        For pairs: the text whose state is subtracted; else empty.
    paired : bool
        Whether text j of every word is the same sentence.
    name : str
        What a title calls them.
    """

    words: tuple[str, ...]
    texts: tuple[str, ...]
    owner: tuple[int, ...]
    minus: tuple[str, ...]
    paired: bool
    name: str

    @property
    def classes(self) -> np.ndarray:
        """The owners as int array, shape (n_texts,)."""
        return np.array(self.owner)

    def key(self, *more: object) -> str:
        """Return a hash of the texts and of what else makes the vectors."""
        told = json.dumps([self.words, self.texts, self.owner, self.minus, *map(str, more)])
        return hashlib.sha256(told.encode()).hexdigest()[:24]


def read_stimuli(stimuli: Any, words: Sequence[str] | None) -> Stimuli:
    """Read any spelling of stimuli.

    Parameters
    ----------
    stimuli : str, sequence of str, or mapping
        ``"templates"``, ``"situations"``; sentences that hold ``{w}``; ``{word: [text, ...]}``;
        or pairs, ``{word: [(text with it, text without), ...]}``.
    words : sequence of str, optional
        Which words; by default 25 of Russell's, or the mapping's own.

    Raises
    ------
    ValueError, TypeError
        For anything else, and for words that have no text.
    """
    if isinstance(stimuli, str):
        if stimuli == "templates":
            return _from_templates(templates(), words, "templates")
        if stimuli == "situations":
            return _from_texts(situations(), words, "situations")
        raise ValueError(unknown("stimuli", stimuli, ("templates", "situations")))
    if isinstance(stimuli, Mapping):
        return _from_texts(stimuli, words, "own texts")
    if isinstance(stimuli, Sequence) and stimuli and all(isinstance(t, str) for t in stimuli):
        return _from_templates(tuple(stimuli), words, "own templates")
    raise TypeError(
        f"stimuli={stimuli!r:.60}: expected 'templates', 'situations', sentences with {SLOT}, "
        "{word: [text, ...]} or {word: [(text, text without), ...]}"
    )


def _from_templates(sentences: Sequence[str], words: Sequence[str] | None, name: str) -> Stimuli:
    for sentence in sentences:
        if SLOT not in sentence:
            raise ValueError(f"stimuli: {sentence!r} has no {SLOT} for the word")
    chosen = tuple(default_words() if words is None else words)
    texts = tuple(s.replace(SLOT, word) for word in chosen for s in sentences)
    owner = tuple(i for i in range(len(chosen)) for _ in sentences)
    return Stimuli(chosen, texts, owner, (), paired=True, name=name)


def _from_texts(
    given: Mapping[str, Sequence[Any]], words: Sequence[str] | None, name: str
) -> Stimuli:
    chosen = tuple(given if words is None else words)
    texts: list[str] = []
    minus: list[str] = []
    owner: list[int] = []
    for i, word in enumerate(chosen):
        if word not in given:
            raise ValueError(f"stimuli hold no text for it: {unknown('word', word, given)}")
        if isinstance(given[word], str) or not given[word]:
            raise ValueError(f"stimuli[{word!r}] is {given[word]!r:.40}, expected a list of texts")
        for item in given[word]:
            pair = (item,) if isinstance(item, str) else tuple(item)
            if not 1 <= len(pair) <= 2 or not all(isinstance(text, str) and text for text in pair):
                raise ValueError(f"stimuli[{word!r}] holds {item!r:.60}, expected a text or a pair")
            texts.append(pair[0])
            minus.extend(pair[1:])
            owner.append(i)
    if minus and len(minus) != len(texts):
        raise ValueError("stimuli mix texts and pairs; give one or the other")
    what = "pairs" if minus else name
    return Stimuli(chosen, tuple(texts), tuple(owner), tuple(minus), paired=False, name=what)
