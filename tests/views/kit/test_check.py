"""What comes over the wire against what was declared: a sentence, before anything is made of it."""

import tracemalloc
from typing import Any, Literal, TypedDict

import pytest
from traitlets import TraitError

from volvelle.views.kit.arrays import Array
from volvelle.views.kit.check import check
from volvelle.views.kit.selections import Selection


class Place(TypedDict):
    x: float
    name: str


class Wish(TypedDict, total=False):
    of: int


FLOATS, PAIRS, CHOSEN = Array("f4"), Array(("u2", "u4"), (None, 2)), Selection()


def wire(dtype="<f4", shape=(1,), data=b"\0\0\0\0"):
    return {"dtype": dtype, "shape": list(shape), "data": data}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, -(2**53) + 1),
        (float, 3),
        (float | None, None),
        (bool, True),
        (str, "\0 👩‍👩‍👧"),
        (Literal["a", "b"], "b"),
        (list[str | list[str]], ["a", ["b", "c"]]),
        (dict[str, float], {"": 1}),
        (Place, {"x": 1.5, "name": ""}),
        (Wish, {}),
        (Any, object()),
        (FLOATS, wire()),
        (FLOATS, wire(shape=[0], data=memoryview(b""))),
        (PAIRS, wire("<u2", [3, 2], bytearray(12))),
        (CHOSEN, wire("bits", [9], b"\0\0")),
        (CHOSEN, wire("<u4")),
    ],
)
def test_what_was_declared_passes(kind, value):
    check(value, kind, "it")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, True, "it is True, expected a whole number"),
        (int, 1.0, "it is 1.0, expected a whole number"),
        (int, 2**63, "it is a number beyond 2**53, expected a whole number"),
        (float, float("nan"), "it is nan, expected a finite number"),
        (float, 10**400, "it is a number beyond 2**53, expected a finite number"),
        (float, False, "it is False, expected a finite number"),
        (bool, 1, "it is 1, expected true or false"),
        (str, None, "it is None, expected text"),
        (Literal["left", "right"], "lefft", "unknown it 'lefft'; did you mean 'left'?"),
        (Literal["left", "right"], [], "it is [], expected one of 'left', 'right'"),
        (list[int], [0, True], "it[1] is True, expected a whole number"),
        (list[int], {}, "it is {}, expected a list"),
        (list[str | list[str]], [["a", 1]], "it[0][1] is 1, expected text"),
        (dict[str, float], {"joy": "x"}, "it['joy'] is 'x', expected a finite number"),
        (dict[str, float], [], "it is [], expected an object with a value by name"),
        (Place, {"x": 1}, "it lacks 'name', expected text"),
        (Place, {"x": 1, "name": "", "y": 2}, "it: unknown key 'y'"),
        (float | str | None, [], "it is [], expected a finite number or text or nothing"),
        (FLOATS, {}, "it is {}, expected an array: dtype, shape and data"),
        (FLOATS, wire("<f8", data=b"\0" * 8), "dtype is '<f8', expected one of <f4"),
        (FLOATS, wire("O"), "dtype is 'O', expected one of <f4"),
        (FLOATS, wire(data=[0, 0, 0, 0]), "data is [0, 0, 0, ...], expected a binary buffer"),
        (FLOATS, wire(data=4), "data is 4, expected a binary buffer"),
        (FLOATS, wire(shape=[-1]), "shape is [-1], expected (any)"),
        (FLOATS, wire(shape=[1, 1]), "shape is [1, 1], expected (any)"),
        (FLOATS, wire(shape=[True]), "shape[0] is True, expected a whole number"),
        (FLOATS, wire(shape=[100]), "4 bytes came, [100] of <f4 takes 400"),
        (PAIRS, wire("<u2", [2, 1]), "shape is [2, 1], expected (any, 2)"),
        (FLOATS, wire("bits", [8], b"\1"), "dtype is 'bits'"),
        (CHOSEN, wire("bits", [9], b"\1"), "1 bytes came, [9] of bits takes 2"),
    ],
)
def test_what_was_not_declared_is_refused_in_a_sentence(kind, value, message):
    with pytest.raises(TraitError) as refused:
        check(value, kind, "it")
    assert message in str(refused.value)


def test_a_shape_that_its_buffer_does_not_hold_costs_nothing():
    tracemalloc.start()
    with pytest.raises(TraitError, match="of bits takes 500,000,000"):
        check(wire("bits", [4_000_000_000], b"\1"), CHOSEN, "selected_a")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize("inner", [list, dict])
def test_what_is_nested_without_end_is_said_briefly(inner):
    deep: Any = inner()
    for _ in range(3000):
        deep = [deep] if inner is list else {"a": deep}
    with pytest.raises(TraitError) as refused:
        check(deep, int, "it")
    assert len(str(refused.value)) < 200


def test_a_long_text_is_not_repeated():
    for kind in (int, Literal["a", "b"]):
        with pytest.raises(TraitError) as refused:
            check("x" * 1_000_000, kind, "it")
        assert len(str(refused.value)) < 200
