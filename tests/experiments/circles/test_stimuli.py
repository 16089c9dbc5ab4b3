"""Words, angles and sentences, and what is refused as such."""

import json
import re

import pytest

from volvelle.experiments.circles.stimuli import (
    default_words,
    read_stimuli,
    readout_prompts,
    russell,
    situations,
    templates,
    unseen_words,
)


def test_no_situation_names_its_emotion():
    for word, texts in situations().items():
        stem = word[:-1] if word.endswith(("y", "e")) else word
        for text in texts:
            assert stem not in text.lower(), (word, text)


def test_every_default_word_has_an_angle_templates_and_situations():
    words = default_words()
    assert len(words) == len(set(words)) == 25
    assert set(words) <= set(russell())
    assert set(words) <= set(situations())
    assert len(read_stimuli("templates", None).texts) == 25 * 12
    assert len(read_stimuli("situations", None).texts) == 25 * 5


def test_13_angles_are_marked_as_from_memory():
    assert len(russell()) == 28
    assert len(russell(confirmed=True)) == 15
    assert "angry" not in russell(confirmed=True)


def test_unseen_words_are_unseen():
    assert len(unseen_words()) == 38
    assert not set(unseen_words()) & set(russell())
    assert not set(unseen_words()) & {w for ts in situations().values() for w in ts}
    assert all("{w}" in sentence for sentence in templates())
    assert len(readout_prompts()) == 5


@pytest.mark.parametrize(
    ("stimuli", "words", "error", "message"),
    [
        ("template", None, ValueError, "did you mean 'templates'"),
        (["I feel sad."], None, ValueError, "has no {w}"),
        ("situations", ["happy", "hapy"], ValueError, "did you mean 'happy'"),
        ({"happy": "I smiled."}, None, ValueError, "expected a list of texts"),
        ({"happy": [("a", "b", "c")]}, None, ValueError, "expected a text or a pair"),
        ({"happy": ["a", ("a", "b")]}, None, ValueError, "mix texts and pairs"),
        (7, None, TypeError, "expected 'templates'"),
    ],
)
def test_stimuli_that_cannot_be_read_say_what_can(stimuli, words, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_stimuli(stimuli, words)


def test_the_key_of_stimuli_changes_with_any_text():
    one = read_stimuli({"a": ["x", "y"], "b": ["z"]}, None)
    same = read_stimuli({"a": ["x", "y"], "b": ["z"]}, None)
    moved = read_stimuli({"a": ["x"], "b": ["y", "z"]}, None)
    assert one.key("m") == same.key("m")
    assert len({one.key("m"), moved.key("m"), one.key("n")}) == 3


def test_the_assets_are_valid_json_without_surprises():
    from importlib.resources import files

    folder = files("volvelle.assets.emotions")
    assert "card.md" in {item.name for item in folder.iterdir()}
    for item in folder.iterdir():
        if item.name.endswith(".json"):
            assert json.loads(item.read_text(encoding="utf-8"))["about"]
