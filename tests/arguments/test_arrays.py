"""Arrays at the door: numbers of any container in, numpy out, and what holds none refused."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch

from volvelle.arguments.arrays import array

DEEP = []
for _ in range(2000):
    DEEP = [DEEP]
LOOP = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "given",
    [
        [1, 2.0],
        (1, 2),
        range(1, 3),
        np.array([1, 2], np.float16),
        np.array([1, 2], ">i4"),
        np.array([1, 2.0], dtype=object),
        np.ma.masked_array([1.0, 2.0], [False, False]),
        pd.Series([1, 2]),
        pd.Series([1, 2], dtype="Int64"),
        torch.tensor([1, 2]),
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([1, 2], dtype=torch.bfloat16),
        torch.tensor([1.0, 2.0]).to_sparse(),
    ],
)
def test_numbers_of_any_container_are_read(given):
    found = array(given, "x", ("n",))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1, 2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "x=None must be real numbers"),
        ("ab", "x='ab' must be real numbers"),
        (b"ab", "must be real numbers"),
        ({1: 2}, "must be real numbers"),
        ({1, 2}, "must be real numbers"),
        (["a"], "a member of x='a' must be real numbers"),
        ([None], "a member of x=None"),
        (LOOP, "must be real numbers"),
        (DEEP, "must be real numbers"),
        ((n for n in range(2)), "must be real numbers"),
        ([Decimal(1)], "a member of x"),
        ([[1, 2], [3]], "x is list that makes no array"),
        (np.array([1j]), "complex128"),
        (np.array(["a"]), "<U1"),
        (np.array([None, 1], dtype=object), "holds None"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (np.zeros(2, dtype="V8"), "V8"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), r"masked values.*\.filled"),
        (pd.Series(["a"]), "x is Series"),
        (torch.zeros(2, device="meta"), "meta device"),
        (torch.ones(2, dtype=torch.complex64), "complex64"),
        (3.0, r"x has shape \(\), expected \(n,\)"),
        (np.zeros((2, 2)), r"x has shape \(2, 2\), expected \(n,\)"),
        ([1.0, np.nan], r"x\[1\] is nan"),
        ([1.0, np.inf], r"x\[1\] is inf"),
        ([1.0, 1e300], r"x\[1\] is 1e\+300, which float32 cannot hold"),
    ],
)
def test_what_holds_no_numbers_is_refused_by_name(given, said):
    with pytest.raises((TypeError, ValueError), match=said):
        array(given, "x", ("n",))


def test_lengths_are_held_and_names_are_any_length():
    assert array(np.zeros((2, 3)), "x", ("n", 3)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"x has shape \(2, 4\), expected \(n, 3\)"):
        array(np.zeros((2, 4)), "x", ("n", 3))
