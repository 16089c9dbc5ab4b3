"""Texts of strangers: halves of characters are replaced, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volvelle.arguments.texts import clean, cleaned


@given(st.text(st.characters()))
def test_a_clean_text_differs_in_halves_of_characters_alone(text):
    found = clean(text)
    found.encode()
    assert clean(found) is found
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        assert found is text


def test_halves_that_belong_together_are_joined_and_others_replaced():
    assert clean("\ud83d\ude00 \ud83d \ude00") == "\U0001f600 \ufffd \ufffd"
    assert clean("\0\u202e\ufeff") == "\0\u202e\ufeff"


def test_texts_in_lists_and_dicts_are_cleaned_and_what_holds_itself_is_refused():
    given = {"a\ud800": ["\udc00", ("\ud800", 1)], 2: None}
    assert cleaned(given) == {"a\ufffd": ["\ufffd", ("\ufffd", 1)], 2: None}
    cyclic = []
    cyclic.append(cyclic)
    with pytest.raises(ValueError, match="nested too deep"):
        cleaned(cyclic)
