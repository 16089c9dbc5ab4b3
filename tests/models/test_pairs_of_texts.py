"""Directions from pairs of texts on the demo model, held against repeng's recipe."""

from __future__ import annotations

import numpy as np
import pytest

import volvelle as vv

WORDS = [("happy", "sad"), ("glad", "gloomy"), ("cheerful", "miserable"), ("joyful", "sorrowful")]
TEMPLATES = ["I feel {}.", "She felt {} all day long."]
POSITIVE = [t.format(a) for a, _ in WORDS for t in TEMPLATES]
NEGATIVE = [t.format(b) for _, b in WORDS for t in TEMPLATES]
LAYERS = (3, 14, 28)


@pytest.fixture(scope="module")
def hidden(model):
    """Transformers' hidden states of the last tokens, one text at a time: (text, layer, d)."""
    import torch

    hf, rows = model.nnsight._module, []
    for text in (*POSITIVE, *NEGATIVE):
        ids = torch.tensor(model.tokens(text).ids)[None]
        with torch.no_grad():
            states = hf(input_ids=ids, output_hidden_states=True).hidden_states
        rows.append([states[layer + 1][0, -1].numpy() for layer in LAYERS])
    return np.array(rows)


def repeng(hidden, layer, method):
    """Its `read_representations` for one layer, with its own PCA."""
    from sklearn.decomposition import PCA

    a, b = np.split(hidden[:, layer].astype(np.float64), 2)
    if method == "pca_diff":
        train = a - b
    else:
        middle = (a + b) / 2
        train = np.stack([a - middle, b - middle], axis=1).reshape(-1, a.shape[1])
    direction = PCA(n_components=1, whiten=False).fit(train).components_[0]
    if np.mean(a @ direction < b @ direction) > np.mean(a @ direction > b @ direction):
        direction = -direction
    return direction


@pytest.mark.parametrize("method", ["pca_diff", "pca_center"])
def test_a_control_vector_equals_repengs(model, hidden, method):
    found = vv.ControlVector.from_pairs(
        model, POSITIVE, NEGATIVE, method, layers=LAYERS, progress=None
    )
    assert found.layers == LAYERS
    assert found.model_hint == "llama"
    for n, layer in enumerate(LAYERS):
        np.testing.assert_allclose(found.at(layer).vector, repeng(hidden, n, method), atol=2e-3)


def test_a_control_vector_has_every_layer_but_the_first_by_default(model):
    found = vv.ControlVector.from_pairs(model, POSITIVE[:2], NEGATIVE[:2], progress=None)
    assert found.layers == tuple(range(1, 30))


def test_mean_diff_is_the_difference_of_the_means(model, hidden):
    found = vv.Dictionary.from_pairs(
        model, POSITIVE, NEGATIVE, point="resid_post.14", name="glad", progress=None
    )
    a, b = np.split(hidden[:, 1], 2)
    np.testing.assert_allclose(found["glad"].vector, a.mean(0) - b.mean(0), atol=1e-3)
    assert str(found.point) == "resid_post.14"


def test_several_concepts_are_found_at_once_against_one_set(model):
    texts = {"happy": POSITIVE[:2], "afraid": ["I feel afraid.", "She felt afraid all day long."]}
    found = vv.Dictionary.from_pairs(model, texts, NEGATIVE[:2], progress=None)
    assert found.names == ("happy", "afraid")
    alone = vv.Dictionary.from_pairs(model, texts["afraid"], NEGATIVE[:2], progress=None)
    np.testing.assert_allclose(found["afraid"].vector, alone[0].vector, atol=1e-4)


def test_progress_is_told_and_rises(model):
    told = []
    vv.Dictionary.from_pairs(
        model,
        {"a": POSITIVE[:2], "b": POSITIVE[2:4]},
        NEGATIVE[:2],
        progress=lambda fraction, _text: told.append(fraction),
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"positive": "I feel happy."}, r"must be a list of texts .*; write \['I feel happy.'\]"),
        ({"positive": []}, "holds no texts"),
        ({"method": "pca_dif"}, "did you mean 'pca_diff'"),
        ({"method": "pca_diff", "negative": NEGATIVE[:3]}, "2 positive and 3 negative"),
        ({"progress": "bars"}, "did you mean 'bar'"),
    ],
)
def test_what_gives_no_direction_is_refused_before_the_model_runs(model, arguments, said):
    given = {"positive": POSITIVE[:2], "negative": NEGATIVE[:2], "progress": None}
    with pytest.raises((ValueError, TypeError), match=said):
        vv.Dictionary.from_pairs(model, **{**given, **arguments})


def test_a_saved_control_vector_steers_as_the_trained_one_does(model, tmp_path):
    trained = vv.ControlVector.from_pairs(
        model, POSITIVE, NEGATIVE, "pca_center", layers=(12, 14), name="glad", progress=None
    )
    again = vv.ControlVector.load(trained.save(tmp_path / "glad.gguf"))
    for vector in (trained, again):
        said = model.next_token("I feel", vv.Steer(vector, 15.0, unit="raw"), tokens=[" happy"])
        if vector is trained:
            wanted = said
    np.testing.assert_array_equal(said, wanted)
    assert said > model.next_token("I feel", tokens=[" happy"]) + 1
