"""A circle that is there, found once for all tests of what is done with it."""

from __future__ import annotations

import pytest
from experiments.circular_model import Circular

from volvelle.experiments.circle_emotions import emotion_circle


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that nothing else has written to."""
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def circular():
    return Circular()


@pytest.fixture(scope="session")
def found(circular):
    return emotion_circle(circular, n_null=200, cache=False)
