"""Files of others, damaged in every way: refused in a sentence, or usable."""

from __future__ import annotations

import json
import pickle
import random
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from volvelle.compute.directions.directions import Direction
from volvelle.formats.control_vector import ControlVector
from volvelle.formats.sae import SAE

WRONG = [
    None,
    True,
    -1,
    0,
    1e308,
    "x",
    "",
    [],
    {},
    [None],
    {"a": 1},
    [[1]],
    "9" * 400,
    float("nan"),
]
N, D = 16, 32
CONFIG = {
    "architecture": "standard",
    "d_in": D,
    "d_sae": N,
    "normalize_activations": "none",
    "apply_b_dec_to_input": True,
    "metadata": {"hook_name": "blocks.1.hook_resid_post", "model_name": "x"},
}
LABELS = {"features": [{"tokens": ["a"], "density": 0.1, "max": 1.0} for _ in range(N)]}
MORE = ("k", "activation_fn", "activation_fn_kwargs", "norm_scaling_factor", "hook_point")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "sae"
    made.mkdir()
    rows = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
    weights = {"W_enc": rows.T.copy(), "W_dec": rows, "b_enc": np.zeros(N, np.float32)}
    save_file({**weights, "b_dec": np.zeros(D, np.float32)}, made / "sae_weights.safetensors")
    (made / "cfg.json").write_text(json.dumps(CONFIG))
    (made / "labels.json").write_text(json.dumps(LABELS))
    return made


def use_sae(sae):
    assert np.isfinite(sae.encode(np.ones((2, sae.d_model), np.float32))).all()
    return repr(sae), sae.labels, sae.feature(0), sae.decoder


def use_vector(vector: ControlVector):
    return repr(vector), vector.layers, vector.d_model


def outcome(read, use, what):
    """Return "refused" in a sentence of ours, "ok", or what went wrong."""
    try:
        found = read(what)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return "refused"
    except ValueError as error:
        return "refused" if type(error) is ValueError else f"raw: {error!r}"
    except Exception as error:  # noqa: BLE001
        return f"raw: {error!r}"
    try:
        use(found)
    except Exception as error:  # noqa: BLE001
        return f"later: {error!r}"
    return "ok"


def configs():
    for key in CONFIG:
        yield {other: value for other, value in CONFIG.items() if other != key}
    for key in (*CONFIG, *MORE):
        for value in WRONG:
            yield {**CONFIG, key: value}
    for value in [*WRONG, 3, 1.5, 17, -3]:
        yield {**CONFIG, "architecture": "topk", "k": value}
        yield {**CONFIG, "activation_fn": "topk", "activation_fn_kwargs": {"k": value}}
        yield {**CONFIG, "metadata": {"hook_name": value}}
        once = {"normalize_activations": "expected_average_only_in", "norm_scaling_factor": value}
        yield CONFIG | once
        yield CONFIG | once | {"norm_scaling_factor": None, "metadata": once}


def labels():
    for value in WRONG:
        yield {"features": value}
        yield {"features": [value] * N}
        for key in ("tokens", "density", "max"):
            yield {"features": [{**LABELS["features"][0], key: value}] * N}


def bad(found):
    return [one for one in found if one not in ("refused", "ok")]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_configuration_of_any_kind_is_refused_or_read(folder):
    found = []
    for config in configs():
        (folder / "cfg.json").write_text(json.dumps(config))
        found.append(outcome(SAE.load, use_sae, folder))
    for text in ("", "{", "[]", "3", "[" * 100_000, "\ufeff" + json.dumps(CONFIG)):
        (folder / "cfg.json").write_text(text, "utf-8")
        found.append(outcome(SAE.load, use_sae, folder))
    assert bad(found) == []
    assert found[-1] == "ok"  # a byte order mark is no damage
    assert found.count("refused") > 100


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_labels_of_any_kind_are_refused_or_read(folder):
    found = []
    for told in labels():
        (folder / "labels.json").write_text(json.dumps(told))
        found.append(outcome(SAE.load, use_sae, folder))
    assert bad(found) == []
    assert found.count("refused") > 30


def damaged(raw):
    draw = random.Random(0)
    yield b""
    for k in range(1, 20):
        yield raw[: len(raw) * k // 20]
    for k in range(100):
        at = draw.randrange(min(len(raw), 500 if k % 2 else len(raw)))
        yield raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :]
    yield pickle.dumps({"a": 1})
    yield struct.pack("<Q", 2**62) + b"{}"


def test_damaged_weights_are_refused_or_read(folder):
    weights = folder / "sae_weights.safetensors"
    found = []
    for content in damaged(weights.read_bytes()):
        weights.write_bytes(content)
        found.append(outcome(SAE.load, use_sae, folder))
    assert bad(found) == []
    assert found.count("refused") > 40


@pytest.mark.parametrize(("n", "d", "value"), [(0, 3, 0), (3, 0, 0), (4, 32, 1e38)])
def test_weights_that_cannot_be_used_are_refused(n, d, value):
    weights = {
        "W_enc": np.full((d, n), value),
        "W_dec": np.full((n, d), value),
        "b_enc": np.zeros(n),
        "b_dec": np.zeros(d),
    }
    with pytest.raises(ValueError, match=r"is empty|sums overflow"):
        SAE.load(weights, point="resid_post.1")


def test_a_damaged_control_vector_is_refused_or_read(tmp_path):
    directions = [Direction(np.arange(1, 33.0), "joy", f"resid_post.{n}") for n in (1, 2)]
    path = ControlVector(directions).save(tmp_path / "v.gguf")
    found = []
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        found.append(outcome(ControlVector.load, use_vector, path))
    assert bad(found) == []
    assert found.count("refused") > 40


def test_an_saes_name_is_a_text(folder):
    with pytest.raises(TypeError, match="name=5 must be a text"):
        SAE.load(folder, name=5)
