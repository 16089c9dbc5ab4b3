"""Encoding where the model is: the same activations, by whichever way moves fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import tiny

import volvelle as vv
from volvelle.compute.dictionaries.parts import ARCHITECTURES, NORMALIZATIONS
from volvelle.experiments.readouts.codes import Codes
from volvelle.models.verbs.readout import Size
from volvelle.models.verbs.way import weighed

# random dictionaries explain nothing, which a verb rightly says
pytestmark = pytest.mark.filterwarnings("ignore:.*does not seem to fit")

TEXTS = ["one two three four five six", "two", "", "three two one " * 30]


def sae_of(architecture, normalize="none", n=12):
    rng = torch.Generator().manual_seed(1)
    make = lambda *shape: torch.randn(*shape, generator=rng)  # noqa: E731
    weights = {
        "W_enc": make(tiny.WIDTH, n),
        "W_dec": make(n, tiny.WIDTH),
        "b_dec": make(tiny.WIDTH),
    }
    weights |= {name: make(n) / 4 for name in ARCHITECTURES[architecture]}
    k = 3 if "topk" in architecture else None
    return vv.SAE(weights, architecture, "resid_post.1", k=k, normalize=normalize)


def encoded(model, sae, **how):
    job = model.submit(lambda: vv.encode(model, TEXTS, sae, **how))
    return job.result(60), job.details


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_activations_are_the_same_wherever_they_are_encoded(
    here, there, architecture, normalize
):
    sae = sae_of(architecture, normalize)
    (a, none), (b, said) = (encoded(m, sae, window=40, overlap=8) for m in (here, there))
    assert not none
    assert "are read there" in said[0]
    np.testing.assert_allclose(a.codes.toarray(), b.codes.toarray(), rtol=1e-5, atol=1e-5)
    assert a.codes.nnz
    np.testing.assert_array_equal(a.outliers, b.outliers)
    np.testing.assert_array_equal(a.left_out, b.left_out)
    assert b.fve == pytest.approx(a.fve, abs=1e-5)
    if a.kth is None:
        assert b.kth is None
    else:
        # a cut lies anywhere between the k-th largest and the one after it
        weakest = np.array([np.abs(row.data).min(initial=np.inf) for row in b.codes])
        assert (b.kth[~b.left_out] <= weakest[~b.left_out] + 1e-5).all()
        assert (b.kth >= a.kth - 1e-5).all()


def test_a_dictionary_larger_than_the_states_stays_here(there):
    sae = sae_of("standard", n=4000)
    _, said = encoded(there, sae)
    assert "brought back and read here" in said[0]


def test_the_bytes_that_are_compared_are_those_of_weights_codes_and_states():
    sae, size = sae_of("topk"), Size(20, 5, 99)
    back, made = weighed([Codes(sae, fits=True)], size)
    assert back == 20 * tiny.WIDTH * 4
    assert made.sent == sum(tensor.numel() * 4 for tensor in sae.weights.values())
    assert made.received == 20 * (3 * 8 + 4 + 4 + 1)  # a code, how many, the cut, an outlier or not
    _, without = weighed([Codes(sae)], size)
    assert without == (made.sent - sae.W_dec.numel() * 4, 20 * (3 * 8 + 4))
