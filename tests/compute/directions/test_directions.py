"""Directions and dictionaries where an array is expected."""

import numpy as np
import pytest

from volvelle.compute.directions.directions import Dictionary, Direction

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def dictionary():
    return Dictionary(ROWS, ("up", "down"), "resid_post.1")


def test_numpy_takes_a_dictionary_as_its_vectors(dictionary):
    np.testing.assert_array_equal(np.asarray(dictionary), ROWS)
    assert dictionary.shape == (2, 3)
    assert np.asarray(dictionary, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(ROWS @ np.asarray(dictionary).T, ROWS @ ROWS.T)


def test_numpy_takes_a_direction_as_its_vector(dictionary):
    np.testing.assert_array_equal(np.asarray(dictionary["down"]), ROWS[1])
    assert np.linalg.norm(Direction([3, 4], "d", "resid_post.1")) == pytest.approx(5)


def test_a_copy_may_be_written_to_and_leaves_the_dictionary(dictionary):
    mine = np.array(dictionary)
    mine[0] = 9
    np.testing.assert_array_equal(dictionary.vectors, ROWS)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(dictionary)[0] = 9
