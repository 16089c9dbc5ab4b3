"""Values that nobody should give, and somebody will: each is made fresh, under its own name."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import functools
import importlib.util
import io
import os
import sys
import tempfile
import types
import warnings
from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from arguments import made
from arguments.judged import Given

import volvelle as vv

WIDTH = made.WIDTH
LONG = 100_000


class Rude:
    """Raises in the one method it is told of, and looks like a container otherwise."""

    def __init__(self, method: str) -> None:
        self._method = method

    def _raise_in(self, name: str) -> None:
        if name == self._method:
            raise RuntimeError(f"{name} of a stranger")


class RudeList(Rude):
    def __repr__(self) -> str:
        self._raise_in("__repr__")
        return "RudeList"

    def __len__(self) -> int:
        self._raise_in("__len__")
        return 1

    def __iter__(self):
        self._raise_in("__iter__")
        return iter(["a"])

    def __getitem__(self, key):
        self._raise_in("__getitem__")
        return ["a"][key]

    def __bool__(self) -> bool:
        self._raise_in("__bool__")
        return True

    def __eq__(self, other: object) -> bool:
        self._raise_in("__eq__")
        return self is other

    __hash__ = object.__hash__


class RudeArray(Rude):
    shape = (WIDTH,)
    ndim = 1
    dtype = np.dtype("float32")

    def __array__(self, dtype=None, copy=None):
        self._raise_in("__array__")
        return np.ones(WIDTH, dtype)

    def __float__(self) -> float:
        self._raise_in("__float__")
        return 1.0

    def __index__(self) -> int:
        self._raise_in("__index__")
        return 1


class RudePath(Rude):
    def __fspath__(self) -> str:
        self._raise_in("__fspath__")
        return "somewhere"


class RudeText(str):
    """A text that cannot be shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("__repr__ of a stranger")


class Anything:
    """Is made of any arguments."""

    def __init__(self, *_args: object, **_keywords: object) -> None: ...


class Colour(enum.Enum):
    RED = "red"


def cyclic_list() -> list:
    loop: list = []
    loop.append(loop)
    return loop


def cyclic_dict() -> dict:
    loop: dict = {}
    loop["a"] = loop
    return loop


def deep(kind: str = "list", depth: int = 3000):
    value = []
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


@functools.cache
def _folder() -> Path:
    """A folder with a pipe and an empty file in it."""
    folder = Path(tempfile.mkdtemp(prefix="odd-"))
    (folder / "empty").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    return folder


def _generator():
    yield "a"
    yield "b"


def _quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to give them up
        return torch.quantize_per_tensor(torch.ones(4, WIDTH), 0.1, 0, torch.qint8)


NUMBERS = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "1": lambda: 1,
    "-1": lambda: -1,
    "2**31": lambda: 2**31,
    "2**63": lambda: 2**63,
    "10**20": lambda: 10**20,
    "-10**20": lambda: -(10**20),
    "10**400": lambda: 10**400,
    "0.0": lambda: 0.0,
    "-0.5": lambda: -0.5,
    "1.5": lambda: 1.5,
    "5e-324": lambda: 5e-324,
    "1e308": lambda: 1e308,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "1j": lambda: 1j,
    "Decimal": lambda: decimal.Decimal("1.5"),
    "Decimal sNaN": lambda: decimal.Decimal("sNaN"),
    "Fraction": lambda: fractions.Fraction(1, 2),
    "np.int64": lambda: np.int64(-3),
    "np.uint8": lambda: np.uint8(200),
    "np.float16": lambda: np.float16(6e4),
    "np nan": lambda: np.float64("nan"),
    "np.bool": lambda: np.bool_(True),
    "np.str": lambda: np.str_("ab"),
    "np.datetime64": lambda: np.datetime64("2020-01-01"),
    "np.void": lambda: np.void(b"ab"),
}

TEXTS = {
    "empty text": lambda: "",
    "space": lambda: " ",
    "x": lambda: "x",
    "NUL": lambda: "\0",
    "surrogate": lambda: "a\ud800b",
    "right to left": lambda: "🎉\u202eé",
    "percent": lambda: "%s {0} {x!r:>9}",
    "markup": lambda: "</script><img src=x onerror=alert(1)>",
    "100 kB": lambda: "a" * LONG,
    "100 kB of lines": lambda: "\n" * LONG,
    "rude text": lambda: RudeText("x"),
    "bytes": lambda: b"ab",
    "bytearray": lambda: bytearray(b"ab"),
    "memoryview": lambda: memoryview(b"ab"),
    "Path here": Path,
    "Path nowhere": lambda: Path("/nonexistent/x"),
    "Path NUL": lambda: Path("a\0b"),
    "Path too long": lambda: Path("a" * 5000),
    "Path empty file": lambda: _folder() / "empty",
    "Path pipe": lambda: _folder() / "pipe",
    "text of a pipe": lambda: str(_folder() / "pipe"),
    "Path device": lambda: Path(os.devnull),
    "rude path": lambda: RudePath("__fspath__"),
    "open file": lambda: io.StringIO("x"),
}

CONTAINERS = {
    "[]": list,
    "()": lambda: (),
    "{}": dict,
    "set()": set,
    "{a, b}": lambda: {"a", "b"},
    "frozenset": lambda: frozenset([1]),
    "[None]": lambda: [None],
    "[[]]": lambda: [[]],
    "[nan]": lambda: [float("nan")],
    "[inf]": lambda: [float("inf")],
    "['']": lambda: [""],
    "['a', 'a']": lambda: ["a", "a"],
    "['a', 1]": lambda: ["a", 1],
    "[1, 2]": lambda: [1, 2],
    "[-1]": lambda: [-1],
    "[1.5]": lambda: [1.5],
    "[10**20]": lambda: [10**20],
    "['surrogate']": lambda: ["\udc80"],
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "{'a': 1}": lambda: {"a": 1},
    "{1: 2}": lambda: {1: 2},
    "{'a': None}": lambda: {"a": None},
    "{'a': nan}": lambda: {"a": float("nan")},
    "{None: None}": lambda: {None: None},
    "{'a': []}": lambda: {"a": []},
    "OrderedDict": lambda: OrderedDict(a=1),
    "deque": lambda: deque(["a"]),
    "generator": _generator,
    "iterator": lambda: iter([1.0, 2.0]),
    "range(0)": lambda: range(0),
    "range(3)": lambda: range(3),
    "range(10**9)": lambda: range(10**9),
    "range(10**30)": lambda: range(10**30),
    "slice": lambda: slice(0, 3),
    "cyclic list": cyclic_list,
    "cyclic dict": cyclic_dict,
    "deep list": deep,
    "deep dict": lambda: deep("dict"),
    "100,000 numbers": lambda: list(range(LONG)),
    "dict view": {"a": 1}.keys,
    **{
        f"{method} raises": functools.partial(RudeList, method)
        for method in ("__repr__", "__len__", "__iter__", "__getitem__", "__bool__", "__eq__")
    },
}

ARRAYS = {
    "np empty": lambda: np.array([]),
    "np 0-d": lambda: np.array(3),
    "np 0 x 3": lambda: np.zeros((0, 3)),
    "np 3 x 0": lambda: np.zeros((3, 0)),
    "np texts": lambda: np.array(["a", "b"]),
    "np bytes": lambda: np.array([b"a"]),
    "np objects": lambda: np.array([None, 1], dtype=object),
    "np complex": lambda: np.ones(WIDTH, dtype=complex),
    "np dates": lambda: np.array(["2020-01-01"], dtype="M8[D]"),
    "np records": lambda: np.zeros(3, dtype=[("a", "i4")]),
    "np bools": lambda: np.ones(WIDTH, dtype=bool),
    "np nan vector": lambda: np.full(WIDTH, np.nan),
    "np zero vector": lambda: np.zeros(WIDTH),
    "np nan rows": lambda: np.full((4, WIDTH), np.nan),
    "np zero rows": lambda: np.zeros((4, WIDTH)),
    "np huge rows": lambda: np.full((4, WIDTH), 1e300),
    "np half rows": lambda: np.full((4, WIDTH), 6e4, np.float16),
    "np big-endian": lambda: np.ones(WIDTH, dtype=">f8"),
    "np read-only": lambda: np.broadcast_to(np.float32(1), (4, WIDTH)),
    "np 3 axes": lambda: np.zeros((2, 2, 2)),
    "np other width": lambda: np.ones(WIDTH + 1),
    "np masked": lambda: np.ma.masked_array([1.0, 2.0], [1, 0]),
    "np masked rows": lambda: np.ma.masked_array(np.ones((4, WIDTH)), np.eye(4, WIDTH)),
    "__array__ raises": lambda: RudeArray("__array__"),
    "__float__ raises": lambda: RudeArray("__float__"),
    "__index__ raises": lambda: RudeArray("__index__"),
    "nan tensor": lambda: torch.full((WIDTH,), float("nan")),
    "meta tensor": lambda: torch.zeros(WIDTH, device="meta"),
    "meta rows": lambda: torch.zeros(4, WIDTH, device="meta"),
    "half tensor": lambda: torch.ones(4, WIDTH, dtype=torch.float16),
    "bfloat16 tensor": lambda: torch.ones(WIDTH, dtype=torch.bfloat16),
    "complex tensor": lambda: torch.ones(WIDTH, dtype=torch.complex64),
    "sparse tensor": lambda: torch.eye(WIDTH).to_sparse(),
    "tensor with a gradient": lambda: torch.ones(4, WIDTH, requires_grad=True),
    "0-d tensor": lambda: torch.tensor(1.0),
    "whole tensor": lambda: torch.arange(3),
    "bool tensor": lambda: torch.ones(WIDTH, dtype=torch.bool),
    "quantised tensor": _quantised,
    "empty tensor": lambda: torch.ones(0),
}

TABLES = {
    "column": lambda: pd.Series([1.0, 2.0]),
    "column of texts": lambda: pd.Series(["a", "b"]),
    "column with a gap": lambda: pd.Series(["a", None]),
    "column of categories": lambda: pd.Series(["a", "b"], dtype="category"),
    "frame": lambda: pd.DataFrame({"a": [1.0, 2.0]}),
    "empty frame": pd.DataFrame,
    "index": lambda: pd.Index(["a", "b"]),
    "pd.NA": lambda: pd.NA,
    "NaT": lambda: pd.NaT,
    "interval": lambda: pd.Interval(0, 1),
}
if importlib.util.find_spec("polars"):
    import polars as pl

    TABLES |= {
        "polars column": lambda: pl.Series(["a", "b"]),
        "polars numbers": lambda: pl.Series([1.0, None]),
        "polars frame": lambda: pl.DataFrame({"a": ["x"]}),
        "polars lazy frame": lambda: pl.LazyFrame({"a": ["x"]}),
    }

OBJECTS = {
    "object": object,
    "class": lambda: Anything,
    "function": lambda: lambda *_args, **_keywords: 1,
    "function that raises": lambda: _raising,
    "module": lambda: sys,
    "namespace": lambda: types.SimpleNamespace(tokens=1, capture=2, encode_sparse=3),
    "Ellipsis": lambda: ...,
    "enum": lambda: Colour.RED,
    "date": lambda: dt.date(2020, 1, 1),
    "exception": lambda: ValueError("given, not raised"),
    "model": made.model,
    "sae": made.sae,
    "direction": made.direction,
    "direction of another width": lambda: vv.Direction(np.ones(7), "odd", "resid_post.1"),
    "direction of another layer": lambda: vv.Direction(np.ones(WIDTH), "far", "resid_post.99"),
    "dictionary": made.dictionary,
    "steer": made.steer,
    "circle": made.circle,
    "where": vv.Where,
    "dose": made.dose,
    "steering run": made.steering_run,
    "layout": made.layout,
    "activations": made.activations,
    "tokens": lambda: made.model().tokens("ab"),
    "view": made.manifold,
}


def _raising(*_args: object, **_keywords: object) -> None:
    raise Given("a function of a stranger")


ODD = NUMBERS | TEXTS | CONTAINERS | ARRAYS | TABLES | OBJECTS


def some(place: int, every: int) -> list[str]:
    """Return the names of every n-th value, beginning elsewhere for each `place`."""
    return list(ODD)[place % every :: every]
