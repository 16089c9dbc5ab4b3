"""Windows over a long text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volvelle.compute.windows import windows


@given(st.integers(0, 500), st.integers(2, 60), st.data())
def test_the_used_stretches_tile_the_text(n_tokens, size, data):
    overlap = data.draw(st.integers(1, size - 1))
    plan = windows(n_tokens, size, overlap)
    used = [token for window in plan for token in range(window.used, window.stop)]
    assert used == list(range(n_tokens))


@given(st.integers(1, 500), st.integers(2, 60), st.data())
def test_every_window_fits_and_no_first_token_but_the_texts_is_used(n_tokens, size, data):
    overlap = data.draw(st.integers(1, size - 1))
    for window in windows(n_tokens, size, overlap):
        assert 0 < window.stop - window.start <= size
        assert window.used == 0 or window.used - window.start == overlap


def test_a_text_that_fits_is_one_window():
    assert windows(10, 10, 3) == [(0, 10, 0)]


@pytest.mark.parametrize(("size", "overlap"), [(1, 1), (8, 0), (8, 8)])
def test_sizes_that_cannot_work_are_refused(size, overlap):
    with pytest.raises(ValueError, match=r"window size|overlap"):
        windows(100, size, overlap)
