"""What fields say of a file, and what is read held against it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field's type, read with its file
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from volvelle.archive.fields import DTYPES, IN_MEMORY, Axes, Unfit
from volvelle.archive.file import Format
from volvelle.archive.pack import Packer
from volvelle.archive.unpack import Unpacker


@dataclass(frozen=True, eq=False)
class Row:
    name: str
    ids: Annotated[np.ndarray, Axes("n", kind="i")]
    words: Annotated[tuple[str, ...], Axes("n")]
    sizes: dict[str, Annotated[np.ndarray, Axes(2, "n", kind="f")]]


@dataclass(frozen=True, eq=False)
class Thing:
    file_format: ClassVar[Format] = Format("Thing", 2)

    title: str
    rows: tuple[Row, ...] = ()
    any: np.ndarray = field(default_factory=lambda: np.zeros((2, 0), np.uint8))
    codes: Annotated[sp.csr_array, Axes("m", None)] | None = None
    names: Annotated[np.ndarray | None, Axes("m", kind="U")] = None
    pair: tuple[float, int] = (0.5, 1)
    limit: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    nested: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    listed: list[int] = field(default_factory=list)
    model: Any = field(default=None, metadata=IN_MEMORY)


def there_and_back(thing, change=None, tensors=None, *, filling=False):
    packer = Packer()
    said = packer.object(thing)
    arrays = packer.packed()
    if change:
        change(said)
    if tensors:
        tensors(arrays)
    unpacker = Unpacker(arrays, filling=filling)
    back = unpacker.object(type(thing), said)
    unpacker.finish()
    return back


def row(name, *ids):
    n = len(ids)
    sizes = {"resid_post.1": np.arange(2.0 * n).reshape(2, n)}
    return Row(name, np.array(ids, np.int64), tuple(map(str, ids)), sizes)


def test_every_kind_of_field_comes_back():
    codes = sp.csr_array(np.array([[0, 1.5], [2, 0], [0, 0]], np.float32))
    thing = Thing(
        "a\ud800\0b",
        (row("x", 1, 2), row("y"), row("z", 3)),
        np.array(7, np.int8),
        codes,
        np.array(["a", "bcd", ""]),
        (np.inf, 3),
        float("nan"),
        {"seed": np.int64(3), "list": (1, [2, None]), "deep": {"a": True}},
        {"a.b": {"c": np.ones(2, np.float32)}, "a": {"b.c": np.zeros(3, np.float64)}},
        [1, 2],
        model=object(),
    )
    back = there_and_back(thing)
    assert back.title == thing.title
    assert [one.name for one in back.rows] == ["x", "y", "z"]
    for mine, other in zip(thing.rows, back.rows, strict=True):
        np.testing.assert_array_equal(other.ids, mine.ids)
        np.testing.assert_array_equal(other.sizes["resid_post.1"], mine.sizes["resid_post.1"])
        assert other.words == mine.words
    assert back.any.shape == ()
    assert back.any.dtype == np.int8
    assert (back.codes != codes).nnz == 0
    assert back.names.tolist() == ["a", "bcd", ""]
    assert back.pair == (np.inf, 3)
    assert np.isnan(back.limit)
    assert back.details == {"seed": 3, "list": [1, [2, None]], "deep": {"a": True}}
    np.testing.assert_array_equal(back.nested["a.b"]["c"], np.ones(2))
    np.testing.assert_array_equal(back.nested["a"]["b.c"], np.zeros(3))
    assert back.listed == [1, 2]
    assert back.model is None


ARRAYS = hnp.arrays(
    st.sampled_from(sorted(DTYPES)),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
)


@given(st.lists(ARRAYS, max_size=4))
def test_any_arrays_of_one_place_come_back_bit_for_bit(arrays):
    nested = {"at": {str(i): array for i, array in enumerate(arrays)}}
    back = there_and_back(Thing("", nested=nested)).nested["at"]
    for i, array in enumerate(arrays):
        assert back[str(i)].dtype == array.dtype
        assert back[str(i)].shape == array.shape
        assert back[str(i)].tobytes() == array.tobytes()


REFUSED = {
    "a field that is missing": (lambda s: s.pop("title"), "lacks 'title'"),
    "a field too many": (lambda s: s.update(more=1), "a field 'more' that Thing has not"),
    "a truth value for a number": (lambda s: s.update(pair=[True, 1]), "pair is True"),
    "a number for a text": (lambda s: s.update(title=3), "title is 3, expected str"),
    "a fraction for a whole number": (lambda s: s.update(pair=[0, 1.5]), r"pair is 1\.5"),
    "one entry too few": (lambda s: s.update(pair=[0]), "pair has 1 entries, expected 2"),
    "words that are not as many as ids": (
        lambda s: s["rows"][0].update(words=["1"]),
        r"rows\.words has shape \(1,\), expected \(2\)",
    ),
    "a shape that holds more": (
        lambda s: s["rows"][0].update(ids="int64[9]"),
        r"rows\.ids has 3 numbers, expected 9",
    ),
    "a shape that holds less": (
        lambda s: s["rows"].pop(),
        "holds more numbers than its fields",
    ),
    "a size beyond all memory": (
        lambda s: s["rows"][0].update(ids="int64[99999999999999999,99999999999999999]"),
        "expected",
    ),
    "another kind of number": (lambda s: s["rows"][0].update(ids="float64[2]"), "is of float64"),
    "a type that no file has": (lambda s: s.update(any="complex128[1]"), "expected the type"),
    "none where there must be one": (lambda s: s.update(title=None), "title is None"),
    "no list": (lambda s: s.update(rows={}), r"rows is \{\}, expected a list"),
    "no object": (lambda s: s.update(rows=[3]), "rows is 3, expected Row"),
    "a number beyond floats": (lambda s: s.update(limit=10**400), "limit is 1"),
    "indices beyond the columns": (
        lambda s: s["codes"].update(shape=[2, 1]),
        r"codes\.indices leave 0\.\.\.0",
    ),
    "a matrix with other rows": (
        lambda s: s["codes"].update(shape=[5, 2]),
        r"codes\.indptr does not share",
    ),
    "a matrix without a part": (lambda s: s["codes"].pop("data"), "expected shape, data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_its_place(case):
    change, message = REFUSED[case]
    codes = sp.csr_array(np.eye(2, dtype=np.float32))
    with pytest.raises(Unfit, match=message):
        there_and_back(Thing("t", (row("x", 1, 2), row("y", 3)), codes=codes), change)


@pytest.mark.parametrize(
    "fault", [{"indptr": [0, 2, 1]}, {"indices": [-1, 0]}, {"indptr": [1, 1, 2]}]
)
def test_a_matrix_whose_parts_are_damaged_is_refused(fault):
    def damage(arrays):
        for name, values in fault.items():
            arrays[f"codes.{name}"] = np.array(values, arrays[f"codes.{name}"].dtype)

    codes = sp.csr_array(np.eye(2, dtype=np.float32))
    with pytest.raises(Unfit, match=r"codes\."):
        there_and_back(Thing("t", codes=codes), tensors=damage)


def test_a_field_with_a_default_may_be_missing_from_a_file_of_an_older_layout():
    def older(said):
        del said["pair"]

    assert there_and_back(Thing("t"), older, filling=True).pair == (0.5, 1)
    with pytest.raises(Unfit, match="lacks 'pair'"):
        there_and_back(Thing("t"), older)


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, np.ones(2, complex), b"bytes"])
def test_what_no_file_keeps_is_refused_when_it_is_written(value):
    with pytest.raises(TypeError, match=r"details.*no file keeps"):
        there_and_back(Thing("t", details={"x": value}))


def test_an_object_that_refuses_its_values_is_said_with_its_place():
    @dataclass(frozen=True)
    class Picky:
        n: int

        def __post_init__(self):
            if self.n < 0:
                raise ValueError("n is below 0")

    with pytest.raises(Unfit, match="Picky: n is below 0"):
        Unpacker({}).object(Picky, {"n": -1})
