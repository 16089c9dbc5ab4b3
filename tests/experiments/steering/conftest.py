"""What the tests of steering share."""

import pytest
from models import tiny


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("llama")
