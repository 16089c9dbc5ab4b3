import time

import numpy as np
import pytest

import volvelle as vv


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_demo_dictionaries_are_topk_32_of_4096_at_block_14(name):
    sae = vv.demo_sae(name)
    assert isinstance(sae, vv.SAE)
    assert (sae.name, sae.architecture, sae.k) == (name, "topk", 32)
    assert (sae.n_features, sae.d_model, str(sae.point)) == (4096, 576, "resid_post.14")
    assert "SmolLM2-135M" in sae.metadata["model_name"]


def test_every_feature_has_tokens_a_density_and_a_largest_activation():
    sae = vv.demo_sae("a")
    assert sae.labels is not None
    assert sae.label_tokens is not None
    assert sae.densities is not None
    assert sae.a_max is not None
    alive = sae.densities > 0
    assert alive.mean() > 0.9
    assert all(sae.label_tokens[i] for i in np.flatnonzero(alive))
    assert (sae.a_max[alive] > 0).all()
    assert sae.feature(0).a_max == pytest.approx(sae.a_max[0])


def test_the_two_are_different_dictionaries():
    a, b = vv.demo_sae("a"), vv.demo_sae("b")
    assert not np.allclose(a.W_dec, b.W_dec)


def test_one_loads_in_less_than_300_ms_of_cpu():
    def seconds():
        start = time.process_time()
        vv.demo_sae("a")
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.3


def test_another_name_lists_the_two():
    with pytest.raises(ValueError, match="unknown demo dictionary 'c'; there are: a, b"):
        vv.demo_sae("c")
    with pytest.raises(TypeError, match="did you mean 'name'"):
        vv.demo_sae(nam="a")
