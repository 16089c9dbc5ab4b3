"""Folders that sae-lens wrote, with the values that sae-lens computes."""

import json
from pathlib import Path

import numpy as np
import pytest

import volvelle as vv

SAMPLES = Path(__file__).parents[1] / "data/formats/sae_lens"
REFUSED = {
    "transcoder": "writes at another place",
    "skip_transcoder": "writes at another place",
    "jumprelu_transcoder": "writes at another place",
    "jumprelu_skip_transcoder": "writes at another place",
    "matching_pursuit": "one after another",
    "matching_pursuit_as_saved": "one after another",
    "temporal": "tokens before it",
    "temporal_untied": "tokens before it",
}
READ = sorted(path.name for path in SAMPLES.iterdir() if path.name not in REFUSED)


def test_there_is_a_sample_of_every_kind():
    assert len(READ) + len(REFUSED) == 27
    assert all((SAMPLES / name).is_dir() for name in REFUSED)


@pytest.mark.parametrize("name", READ)
def test_codes_and_reconstruction_are_those_of_sae_lens(name):
    expected = json.loads((SAMPLES / name / "expected.json").read_text())
    x, z, x_hat = (np.array(expected[key], np.float32) for key in ("x", "z", "x_hat"))
    sae = vv.SAE.load(SAMPLES / name)
    rows = x.reshape(*z.shape[:-1], sae.d_model)  # heads lie side by side in our z
    close = {"atol": 6e-2} if name == "standard_bf16" else {"atol": 1e-5}
    np.testing.assert_allclose(sae.encode(rows), z, **close)
    np.testing.assert_allclose(sae.decode(z, rows).reshape(x_hat.shape), x_hat, **close)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_says_what_it_is_and_the_way_out(name):
    with pytest.raises(ValueError, match=rf"{name}/cfg\.json: .*{REFUSED[name]}.*vv\.Dictionary"):
        vv.SAE.load(SAMPLES / name)
