"""Tokens as a reader sees them."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import tiny

from volvelle.arguments.texts import clean
from volvelle.models.engine.tokens import Tokens, string_of, tokenize, tokens_of_ids

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
    with pytest.raises(TypeError, match="text=3 must be a text, tokens or a list of whole numbers"):
        model.tokens(3)
    with pytest.raises(TypeError, match="texts=3 must be a text, tokens, a list"):
        model.capture(3, "embed")


def test_many_tokens_are_split_quickly(model):
    import time

    text = "the quick brown fox. 🦜 " * 1500
    model.tokens(text)
    start = time.process_time()
    tokens = model.tokens(text)
    assert len(tokens) > 10_000
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udc00\ud83d", "\ufffd\ufffd"),
        ("x \ud83d\ude00 y", "x \U0001f600 y"),
        ("nul \0 \u202e right", "nul \0 \u202e right"),
    ],
)
def test_halves_of_characters_are_replaced_and_the_offsets_fit_the_text_shown(model, given, read):
    tokens = model.tokens(given)
    assert tokens.text == "".join(tokens.strings) == read
    for string, (start, stop) in zip(tokens.strings, tokens.offsets, strict=True):
        assert read[start:stop].startswith(string)
    assert model.prompt_ids(given) == tokens.ids.tolist()
    chat = model.prompt_ids([{"role": "user", "content": given}])
    assert read in chat.text


@given(text=st.text(st.characters()))
@settings(max_examples=200)
def test_any_text_is_read_and_its_strings_join_to_it(text):
    tokens = tokenize(tiny.tokenizer(), text)
    assert "".join(tokens.strings) == tokens.text == clean(text)


# -- tokenizers that are not byte-level ------------------------------------------------------


@pytest.fixture(scope="module")
def llama2():
    """A tokenizer of Llama 2's kind: a word carries its space, and a text's first word none."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    texts = ["he was happy and so calm today", "I am so sad and I am so happy"] * 50
    specials = ["<unk>", "<s>", "</s>"]
    inner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, special_tokens=specials))
    learned = json.loads(inner.to_str())["model"]
    vocab = dict(learned["vocab"])
    vocab |= {f"<0x{i:02X}>": len(vocab) + i for i in range(256)}
    return LlamaTokenizer(vocab=vocab, merges=[tuple(pair) for pair in learned["merges"]])


def test_tokens_of_ids_keep_the_space_before_a_word(llama2):
    text = "he was happy and so calm"
    ids = llama2(text, add_special_tokens=False)["input_ids"]
    found = tokens_of_ids(llama2, ids)
    assert found.text == text
    assert found.strings == ("he", " was", " happy", " and", " so", " calm")


def test_a_word_and_the_middle_of_a_word_are_shown_apart(llama2):
    first, middle = (llama2.convert_tokens_to_ids(token) for token in ("\u2581so", "s"))
    assert string_of(llama2, first) == " so"
    assert string_of(llama2, middle) == "s"


def test_what_unembed_shows_has_its_space(llama2):
    import volvelle as vv

    hf = tiny.hf("llama", vocab_size=len(llama2), eos_token_id=2)
    wrapped = vv.wrap(hf, llama2, name="llama2-like")
    row = llama2.convert_tokens_to_ids("\u2581so")
    shown = wrapped.unembed(hf.get_output_embeddings().weight[row].detach().numpy(), 3)
    assert shown.promoted_ids[0][0] == row
    assert shown.promoted[0][0] == " so"


def test_a_byte_tokenizer_in_python_puts_bytes_on_their_letter():
    from transformers import ByT5Tokenizer

    tokens = tokenize(ByT5Tokenizer(), "h\u00e9llo a")
    assert tokens.strings == ("h", "\u00e9", "", "l", "l", "o", " ", "a", "</s>")
    assert tokens.offsets[:4].tolist() == [[0, 1], [1, 2], [1, 2], [2, 3]]
    assert tokens.special.tolist() == [False] * 8 + [True]


def test_a_tokenizer_in_python_that_drops_its_marks_puts_pieces_on_their_letters(tmp_path):
    from transformers import CTRLTokenizer

    pieces = ["<unk>", "hello</w>", "wor@@", "ld", "hel@@", "lo", "new", "h@@", "e@@", "l@@", "o"]
    (tmp_path / "v.json").write_text(json.dumps({piece: n for n, piece in enumerate(pieces)}))
    merges = "#version: 0.2\nl d</w>\nw o\nwo r\nh e\nhe l\nl o</w>\nn e\nne w</w>\n"
    (tmp_path / "m.txt").write_text(merges)
    tokenizer = CTRLTokenizer(str(tmp_path / "v.json"), str(tmp_path / "m.txt"))
    text = "hello new world new"
    tokens = tokenize(tokenizer, text)
    assert tokens.strings == ("hel", "lo", " new", " wor", "ld", " new")
    assert [text[a:b] for a, b in tokens.offsets] == list(tokens.strings)


def test_marks_that_only_the_list_of_added_tokens_calls_special_are_special(tmp_path):
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    import volvelle as vv

    marks = ("<|start_header_id|>", "<|end_header_id|>")
    before = copy.deepcopy(tiny.tokenizer())
    added = [AddedToken(mark, special=True, normalized=False) for mark in marks]
    before.backend_tokenizer.add_special_tokens(added)
    before.save_pretrained(tmp_path)
    # as Llama 3 ships: in the list of added tokens, not in the map of special ones
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("extra_special_tokens", None)
    rest = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    listed = {0: "<pad>", 1: "<end>"} | {before.convert_tokens_to_ids(m): m for m in marks}
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["added_tokens_decoder"] = {
        str(n): {"content": mark, "special": True, **rest} for n, mark in listed.items()
    }
    path.write_text(json.dumps(config))
    named = {"eos_token": "<end>", "pad_token": "<pad>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(named))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert not set(tokenizer.convert_tokens_to_ids(list(marks))) & set(tokenizer.all_special_ids)
    wrapped = vv.wrap(tiny.hf("llama", vocab_size=300), tokenizer, name="marked")
    tokens = wrapped.tokens("<|start_header_id|>user<|end_header_id|>hi")
    assert [s for s, on in zip(tokens.strings, tokens.special, strict=True) if on] == list(marks)
    steer = vv.Steer(vv.Direction(np.ones(tiny.WIDTH), "v", "resid_post.1"), 1.0)
    run = vv.steer(wrapped, tokens, steer, (1,), placebo=0, max_new_tokens=1)
    touched = run.row(1).masks[0][: len(tokens)]
    assert not touched[tokens.special].any()
    assert touched[1:][~tokens.special[1:]].all()


def beginning(adds, mark="<bos>"):
    """A byte tokenizer with a mark for the beginning of a text, which it adds or not."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    inner = copy.deepcopy(tiny.tokenizer().backend_tokenizer)
    inner.add_special_tokens([mark])
    if adds:
        special = [(mark, inner.token_to_id(mark))]
        inner.post_processor = TemplateProcessing(single=f"{mark} $A", special_tokens=special)
    names = {"bos_token": mark, "eos_token": "<end>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def named(tokenizer):
    import volvelle as vv

    return vv.wrap(tiny.hf("llama", vocab_size=300), tokenizer, name="tiny")


def test_a_second_mark_at_the_beginning_is_said_once_with_the_way_out():
    model = named(beginning(adds=True))
    assert model.tokens("hi").strings[0] == "<bos>"
    with pytest.warns(UserWarning, match=r"tiny: .*'<bos>'.* another .*add_special_tokens=False"):
        model.tokens("<bos>hi")
    model.tokens("<bos>ho")  # a second warning would be an error here


def test_a_mark_that_is_never_put_before_a_text_is_said_once_with_the_way_out():
    model = named(beginning(adds=False))
    with pytest.warns(UserWarning, match=r"does not put it .*add_bos_token = True"):
        model.tokens("hi")
    model.tokens("ho")


def test_a_mark_of_chats_alone_is_not_missed(model):
    # SmolLM2 calls <|im_start|> its BOS, and reads plain texts without it
    assert model.tokenizer.bos_token == "<|im_start|>"
    model.tokens("hi")
    named(beginning(adds=False, mark="<|im_start|>")).tokens("hi")
