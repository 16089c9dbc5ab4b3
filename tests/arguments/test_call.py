"""What a public call does with its arguments first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from volvelle.arguments.call import checked, checked_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def test_a_function_refuses_unchecked():
    @checked
    def measure(text, *, window=8):
        return text, window

    assert measure("a", window=2) == ("a", 2)
    with pytest.raises(
        TypeError, match=r"measure\(\): unknown argument 'windw'; did you mean 'win"
    ):
        measure("a", windw=2)


def test_a_class_refuses_unchecked_in_all_its_methods():
    @checked_in
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


@checked
def read(  # noqa: PLR0917 - one of each
    n: int = 0,
    share: float = 0.0,
    on: bool = False,
    word: str = "",
    words: str | Sequence[str] = (),
    sizes: Mapping[str, int] | None = None,
    tell: Callable[[float], None] | None = None,
    anything: Any = None,
    pair: tuple[str, float] = ("", 0.0),
):
    """Return what the function saw."""
    return {name: value for name, value in locals().items() if value is not None}


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        ("n", np.int64(3), 3),
        ("share", np.float32(0.5), 0.5),
        ("share", 2, 2.0),
        ("on", np.bool_(True), True),
        ("word", np.str_("a"), "a"),
        ("word", "a\ud800b", "a\ufffdb"),
        ("word", "\ud83c\udf89", "\N{PARTY POPPER}"),
        ("words", pd.Series(["a", "b"]), ["a", "b"]),
        ("words", pd.Index(["a", "b"]), ["a", "b"]),
        ("words", np.array(["a", "b"]), ["a", "b"]),
        ("words", (w for w in "ab"), ["a", "b"]),
        ("words", {"a": 1, "b": 2}.keys(), ["a", "b"]),
        ("sizes", {"a": np.int8(1)}, {"a": 1}),
        ("anything", {1, 2}, {1, 2}),
        ("pair", ["a", 1], ("a", 1.0)),
    ],
)
def test_a_value_of_the_right_kind_becomes_pythons_own(name, given, seen):
    found = read(**{name: given})[name]
    assert found == seen
    assert type(found) is type(seen)


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("n", True, "n=True must be a whole number"),
        ("n", 1.5, "n=1.5 must be a whole number"),
        ("n", None, "n=None must be a whole number"),
        ("share", "x", "share='x' must be a number"),
        ("share", float("nan"), "share=nan must be a finite number"),
        ("share", 10**400, "must be a finite number"),
        ("on", 1, "on=1 must be True or False"),
        ("word", b"ab", r"word=b'ab' must be a text; write \.decode\(\)"),
        ("words", ["a", 3], r"words\[1\]=3 must be a text"),
        ("words", {"a", "b"}, r"a set has no order: write sorted"),
        ("words", pd.DataFrame({"a": ["x"]}), r"<DataFrame of shape \(1, 1\)> .*frame\['name'\]"),
        ("words", {"a": 1}, "must be a text or a list of texts"),
        ("words", LOOP, r"words\[0\]=\[\[.*must be a text"),
        ("words", pd.Series(["a", pd.NA]), r"words\[1\]=(nan|<NA>) must be a text"),
        ("sizes", {1: 2}, "a key of sizes=1 must be a text"),
        ("sizes", {"a": "b"}, r"sizes\['a'\]='b' must be a whole number"),
        ("sizes", [("a", 1)], "must be a dict or None"),
        ("tell", "bar", "tell='bar' must be a function or None"),
        ("pair", ["a"], r"pair=\['a'\] must be"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_what_was_expected(name, given, said):
    with pytest.raises((TypeError, ValueError), match=said):
        read(**{name: given})


def test_a_column_of_polars_is_a_list_of_texts():
    assert read(words=pl.Series(["a", "b"]))["words"] == ["a", "b"]
    with pytest.raises(TypeError, match=r"frame\['name'\]"):
        read(words=pl.DataFrame({"a": ["x"]}))


def test_what_cannot_say_itself_is_named_by_its_kind():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TypeError, match="n=<Mute> must be"):
        read(n=Mute())
    with pytest.raises(TypeError, match=r"n=.* must be a whole number"):
        read(n=deep)
    with pytest.raises(TypeError) as refused:
        read(n="x" * 100_000)
    assert len(str(refused.value)) < 200


@checked
def ask(prompt: str | Sequence[int] | Sequence[Mapping[str, str]] = ""):
    return prompt


def test_a_value_that_is_read_once_may_be_any_of_several_lists():
    for given in ([1, 2], [{"role": "user"}]):
        assert ask(prompt=iter(given)) == given


def test_of_several_lists_the_one_that_reads_furthest_says_what_is_wrong():
    for given, said in (
        ([{"content": 3}], r"^prompt\[0\]\['content'\]=3 must be a text$"),
        ([1, 2, "x"], r"^prompt\[2\]='x' must be a whole number$"),
        (["x"], "must be a text, a list of whole numbers or a list of dicts"),
    ):
        with pytest.raises(TypeError, match=said):
            ask(prompt=given)
