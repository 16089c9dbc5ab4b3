"""Numbers of views are numbers, whoever sets them."""

import numpy as np
import pytest
from traitlets import HasTraits, List, TraitError

from volvelle.views.kit.numbers import Float, Int
from volvelle.views.kit.selections import Selection


class Held(HasTraits):
    whole = Int(3)
    real = Float(0.5)
    chosen = List(Int())
    selection = Selection()


@pytest.mark.parametrize("value", [True, 1.5, "1", None, [1]])
def test_what_is_no_whole_number_is_refused(value):
    held = Held()
    with pytest.raises(TraitError):
        held.whole = value
    with pytest.raises(TraitError):
        held.chosen = [value]
    assert (held.whole, held.chosen) == (3, [])


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), 10**400, "1", None])
def test_what_is_no_finite_number_is_refused(value):
    held = Held()
    with pytest.raises(TraitError, match="finite number"):
        held.real = value
    assert held.real == 0.5


def test_numbers_of_numpy_are_taken():
    held = Held(whole=np.int64(4), real=np.float32(0.25), chosen=list(np.arange(3)))
    assert (held.whole, held.real, held.chosen) == (4, 0.25, [0, 1, 2])
    assert type(held.whole) is int


@pytest.mark.parametrize("value", [[2**32 + 3], [-1], [[1, 2]], [1.5], ["a"]])
def test_what_is_no_index_is_refused(value):
    held = Held(selection=[1])
    with pytest.raises(TraitError, match="expected indices from 0"):
        held.selection = value
    assert held.selection.tolist() == [1]
