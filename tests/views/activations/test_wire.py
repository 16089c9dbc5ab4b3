"""Activations become few and small arrays, and nothing is lost on the way."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from views.fakes import random_codes

from volvelle.views.activations.wire import (
    N_BINS,
    feature_stats,
    fire_bars,
    pack_columns,
    strongest_per_token,
    token_table,
)


def unpack_columns(packed, n_tokens):
    held = np.unpackbits(packed.mask, axis=1)[:, :n_tokens].astype(bool)
    dense = np.zeros(held.shape, dtype=np.float32)
    dense[held] = packed.nonzero.astype(np.float32)
    return dense * packed.scale[:, None]


def test_each_distinct_token_is_stored_once():
    table = token_table(["a", " b", "a", "é"], [5, 6, 5, 7])
    assert table.index.tolist() == [0, 1, 0, 2]
    assert table.ids.tolist() == [5, 6, 7]
    assert table.lengths.tolist() == [1, 2, 2]
    assert table.blob.tobytes().decode() == "a bé"


def test_one_id_with_two_strings_is_two_tokens():
    assert token_table(["x", ""], [9, 9]).index.tolist() == [0, 1]


def test_a_lone_surrogate_travels_as_a_replacement():
    assert token_table(["\ud800"], [1]).blob.tobytes() == b"?"


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(0, 10_000), st.floats(1e-6, 1e9))
def test_columns_survive_packing_to_half_precision(n_tokens, seed, size):
    codes = random_codes(n_tokens, seed=seed) * np.float32(size)
    want = codes.toarray()[:, [3, 0, 63]].T
    got = unpack_columns(pack_columns(codes.tocsc(), [3, 0, 63]), n_tokens)
    tolerance = np.abs(want).max(axis=1, keepdims=True) * 2**-10
    assert (np.abs(got - want) <= tolerance).all()


def test_negative_values_keep_their_sign():
    codes = sp.csc_array(np.array([[1.0], [-4.0], [0.0]]))
    assert unpack_columns(pack_columns(codes, [0]), 3)[0].tolist() == [1.0, -4.0, 0.0]


def test_a_feature_that_never_fires_packs_to_nothing():
    packed = pack_columns(sp.csc_array((9, 2)), [1])
    assert packed.nonzero.size == 0
    assert packed.scale.tolist() == [1.0]
    assert packed.mask.shape == (1, 2)


def test_strongest_per_token_are_the_largest_by_magnitude():
    codes = sp.csr_array(np.array([[0, 3, -5, 1], [0, 0, 0, 2], [0, 0, 0, 0]], dtype=np.float32))
    features, values = strongest_per_token(codes, 2)
    assert features[0].tolist() == [2, 1]
    assert values.tolist() == [[-5, 3], [2, 0], [0, 0]]


def test_stats_count_only_the_given_tokens():
    codes = sp.csr_array(np.array([[9, 0], [1, 0], [3, -8]], dtype=np.float32))
    stats = feature_stats(codes, np.array([1, 2]))
    assert stats.peak.tolist() == [3, -8]
    assert stats.mean.tolist() == [2, -4]
    assert stats.density.tolist() == [1, 0.5]


@pytest.mark.parametrize(
    ("by", "order"), [("max", [1, 0]), ("mean", [1, 0]), ("density", [0, 1]), ("index", [0, 1])]
)
def test_features_are_ranked_by_what_was_asked(by, order):
    codes = sp.csr_array(np.array([[2, 0, 0], [2, -9, 0]], dtype=np.float32))
    assert feature_stats(codes, np.arange(2)).ranked(by).tolist() == order


def test_a_bar_is_full_where_a_feature_is_largest():
    # 32.1 * 255 / 32.1 is a little over 255 in float32
    values = np.zeros((480, 2), dtype=np.float32)
    values[100, 0], values[479, 1] = 32.1, 1e-3
    bars = fire_bars(sp.csc_array(values), [0, 1])
    assert bars[0, 10] == 255
    assert bars[1, N_BINS - 1] == 255
    assert bars.astype(int).sum() == 510


@settings(max_examples=50)
@given(st.floats(2**-13, 2**13, width=32), st.floats(2**-13, 2**13, width=32))
def test_a_bar_shows_everything_that_fires(a, b):
    codes = sp.csc_array(np.array([[a], [b]], dtype=np.float32))
    bar = fire_bars(codes, [0])[0]
    assert bar[0] > 0
    assert bar[24] > 0
    assert bar.max() == 255


def test_no_features_give_no_bars():
    assert fire_bars(random_codes(4).tocsc(), []).shape == (0, N_BINS)
