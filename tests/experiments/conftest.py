"""A circle found once for all tests of what is done with it, and a model here and there."""

from __future__ import annotations

import pytest
from experiments.circles.circular_model import Circular
from models import tiny

from volvelle.experiments.circles.emotion_circle import emotion_circle


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


@pytest.fixture(scope="module")
def here():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def there(here):
    return tiny.taken_for_remote(here)


@pytest.fixture(scope="session")
def model_there(model):
    """The demo model, taken for one on a server."""
    return tiny.taken_for_remote(model)
