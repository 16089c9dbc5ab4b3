"""Tokens as a reader sees them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import tiny

from volvelle.models.engine.tokens import Tokens, tokenize, tokens_of_ids

HARD = [
    "a 🦜 parrot, naïve, 日本語\n\n  x",
    "שלום عالم 👩‍👩‍👧",
    "e\u0301 \u200b\t\r\n",
    "�",
    " ",
    "x" * 400,
]


@pytest.mark.parametrize("text", HARD)
def test_the_strings_join_to_the_text(model, text):
    assert "".join(model.tokens(text).strings) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_strings_of_any_text_join_to_it(text):
    tokens = tokenize(tiny.tokenizer(), text)
    assert "".join(tokens.strings) == text
    assert (np.diff(tokens.glyph) >= 0).all()


def test_pieces_of_one_character_share_a_glyph_and_a_span(model):
    tokens = model.tokens("a 🦜 b")
    assert tokens.strings == ("a", " 🦜", "", "", " b")
    assert tokens.glyph.tolist() == [0, 1, 1, 1, 2]
    assert tokens.offsets.tolist() == [[0, 1], [1, 3], [1, 3], [1, 3], [3, 5]]
    assert tokens.labels == ("a", " 🦜 (1/3)", " 🦜 (2/3)", " 🦜 (3/3)", " b")


def test_offsets_cut_the_text_into_the_strings(model):
    text = "The cat, naïvely,\n sat."
    tokens = model.tokens(text)
    for string, (start, stop) in zip(tokens.strings, tokens.offsets, strict=True):
        assert text[start:stop] == string


def test_special_tokens_in_a_text_are_marked(model):
    tokens = model.tokens("<|im_start|>user\nhi<|im_end|>")
    assert tokens.special.tolist() == [True, False, False, False, True]
    assert tokens.strings[0] == "<|im_start|>"
    assert "".join(tokens.strings) == "<|im_start|>user\nhi<|im_end|>"


def test_a_token_the_tokenizer_adds_carries_its_name():
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    inner = tiny.tokenizer()._tokenizer.__class__.from_str(tiny.tokenizer()._tokenizer.to_str())
    inner.post_processor = TemplateProcessing(single="<end> $A", special_tokens=[("<end>", 1)])
    adding = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>")
    tokens = tokenize(adding, "hi")
    assert tokens.strings == ("<end>", "h", "i")
    assert tokens.special.tolist() == [True, False, False]
    assert tokens.offsets.tolist() == [[0, 0], [0, 1], [1, 2]]


@pytest.mark.parametrize("text", ["a 🦜 parrot, 日本語", "plain words", "שלום"])
def test_tokens_of_ids_read_as_the_tokens_of_the_text(model, text):
    wanted = model.tokens(text)
    found = tokens_of_ids(model.tokenizer, wanted.ids.tolist())
    assert found.text == text
    assert "".join(found.strings) == text
    assert found.ids.tolist() == wanted.ids.tolist()


def test_a_broken_character_at_the_end_is_still_shown(model):
    ids = model.tokens("a 🦜").ids.tolist()[:2]
    assert "�" in tokens_of_ids(model.tokenizer, ids).text


def test_an_empty_text_has_no_tokens(model):
    tokens = model.tokens("")
    assert len(tokens) == 0
    assert tokens.strings == ()
    assert tokens.offsets.shape == (0, 2)


def test_a_stretch_of_tokens_keeps_its_offsets(model):
    tokens = model.tokens("one two three")[1:]
    assert isinstance(tokens, Tokens)
    assert tokens.strings == (" two", " three")
    assert tokens.offsets[0].tolist() == [3, 7]


def test_what_is_no_text_is_refused(model):
    with pytest.raises(TypeError, match="text is bytes, expected str"):
        tokenize(model.tokenizer, b"bytes")
    with pytest.raises(TypeError, match="text is int, expected str or token ids"):
        model.tokens(3)
    with pytest.raises(TypeError, match="texts is int, expected str or a list"):
        model.capture(3, "embed")


def test_many_tokens_are_split_quickly(model):
    import time

    text = "the quick brown fox. 🦜 " * 1500
    model.tokens(text)
    start = time.process_time()
    tokens = model.tokens(text)
    assert len(tokens) > 10_000
    assert time.process_time() - start < 2.0
