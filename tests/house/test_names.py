from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volvelle.names import clean, cleaned, closest, known_keywords, known_keywords_in, unknown


def test_the_closest_name_is_suggested_whatever_its_case():
    assert closest("JOI", ["joy", "fear"]) == "joy"
    assert (
        unknown("emotion", "joi", ["joy", "fear"]) == "unknown emotion 'joi'; did you mean 'joy'?"
    )


def test_what_exists_is_listed_where_nothing_is_near():
    assert unknown("point", "qqq", ["a", "b"]) == "unknown point 'qqq'; there are: a, b"
    assert unknown("point", "qqq", []) == "unknown point 'qqq'; there are none"
    assert unknown("point", "qqq", [f"p{i}" for i in range(20)]).endswith("p11 and 8 more")


def test_a_function_refuses_unknown_keywords():
    @known_keywords
    def measure(text, *, window=8):
        return text, window

    assert measure("a", window=2) == ("a", 2)
    with pytest.raises(
        TypeError, match=r"measure\(\): unknown argument 'windw'; did you mean 'win"
    ):
        measure("a", windw=2)


def test_a_class_refuses_unknown_keywords_in_all_its_methods():
    @known_keywords_in
    @dataclass(frozen=True)
    class Ruler:
        length: int = 1

        def times(self, factor=1):
            return Ruler(self.length * factor)

        @classmethod
        def long(cls, length=9):
            return cls(length)

        @staticmethod
        def unit(name="cm"):
            return name

        def open(self, **options):
            return options

        @property
        def half(self):
            return self.length / 2

    assert Ruler(length=3).times(factor=2) == Ruler(6)
    assert (Ruler.long(length=4).half, Ruler.unit(name="m"), Ruler().open(x=1)) == (
        2,
        "m",
        {"x": 1},
    )
    with pytest.raises(
        TypeError, match=r"Ruler\(\): unknown argument 'lenght'; did you mean 'length'"
    ):
        Ruler(lenght=3)
    for call in (Ruler().times, Ruler.long, Ruler.unit):
        with pytest.raises(TypeError, match="unknown argument 'zzz'"):
            call(zzz=1)


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
