"""The Array trait: what numpy holds is what the browser gets."""

import numpy as np
import pytest
from traitlets import HasTraits, TraitError

from volvelle.views.kit.arrays import DTYPES, Array, pack, unpack


class Holder(HasTraits):
    values = Array("f4", (None, 2))
    index = Array(("u2", "u4"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 2), (0,), (0, 4), ()])
def test_an_array_survives_the_wire(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    back = unpack(pack(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array)


def test_the_wire_is_little_endian_and_c_ordered():
    wire = pack(np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=">u2")))
    assert wire["dtype"] == "<u2"
    assert wire["data"] == bytes([1, 0, 2, 0, 3, 0, 4, 0])


def test_the_default_is_an_empty_array_of_the_declared_shape():
    assert Holder().values.shape == (0, 2)
    assert Holder().values.dtype == np.float32


def test_what_is_assigned_is_cast():
    holder = Holder(values=[[1, 2], [3, 4]])
    assert holder.values.dtype == np.float32


def test_indices_take_as_few_bytes_as_they_need():
    holder = Holder(index=[0, 65_535])
    assert holder.index.dtype == np.uint16
    holder.index = [0, 65_536]
    assert holder.index.dtype == np.uint32


def test_a_wrong_shape_is_refused_by_name():
    with pytest.raises(TraitError, match=r"'values' has shape \(3,\), expected \(any, 2\)"):
        Holder(values=[1, 2, 3])


def test_what_is_no_number_is_refused():
    with pytest.raises(TraitError, match="'values' cannot be read as numbers"):
        Holder(values=[["a", "b"]])


def test_an_unknown_dtype_is_refused_where_it_is_declared():
    with pytest.raises(ValueError, match="dtype 'i8' does not travel"):
        Array("i8")


def test_assigning_an_equal_array_again_is_no_error():
    holder = Holder()
    holder.values = np.ones((2, 2))
    holder.values = np.ones((2, 2))
    assert holder.values.sum() == 4
