"""Public calls of the floors of arrays and of files: directions, dictionaries, steers."""

import numpy as np
from arguments import made
from arguments.calls import RUNS, Row

import volvelle as vv

WIDTH = made.WIDTH
FILE = {"path": ("file", "folder", "named pipe", "gguf")}

VECTOR = {"vector": ("direction 'd'",)}


def used(steer):
    """Write two tokens with a steer."""
    return made.model().generate("hello", steer, 2)


def used_where(where):
    return used(vv.Steer(made.direction(), 0.2, where=where))


def used_when(when):
    return used_where(vv.Where(when=when))


def read_out(vectors):
    return made.model().unembed(vectors, 3)


def named():
    return {"vector": np.ones(WIDTH), "name": "d", "point": made.POINT}


def pairs():
    texts = {"positive": ["aa", "bb"], "negative": ["cc", "dd"]}
    return {"model": made.model(), **texts}


ROWS = [
    Row("Direction", None, named, also=VECTOR),
    Row("Direction", None, named, read_out, "used", also=VECTOR),
    Row(
        "Dictionary",
        None,
        lambda: {"vectors": np.eye(2, WIDTH), "names": ["a", "b"], "point": made.POINT},
    ),
    Row("Dictionary.from_pairs", None, lambda: pairs() | {"point": made.POINT}, cost=RUNS),
    Row(
        "Steer",
        None,
        lambda: {"direction": made.direction(), "strength": 1.0},
    ),
    Row("Steer", None, lambda: {"direction": made.direction()}, used, "used", cost=RUNS),
    Row(
        "Steer",
        None,
        lambda: (
            {"direction": made.direction(), "method": "projection_cap", "min": 0.0, "max": 1.0}
            | {"unit": "raw"}
        ),
        used,
        "capped",
        cost=RUNS,
    ),
    Row(
        "Steer",
        None,
        lambda: {"direction": made.sae().feature(1), "method": "clamp", "target": 1.0},
        used,
        "clamped",
        cost=RUNS,
        # a level no state can hold is said of the steer as it acts
        also={"target": ("steer is",), "turned": ("dimensional",)},
    ),
    Row(
        "Steer",
        None,
        lambda: {"direction": made.direction(), "method": "swap", "target": other()},
        used,
        "swapped",
        cost=RUNS,
    ),
    Row("Steer.times", made.steer, lambda: {"multiplier": 2.0}),
    Row("HeadScale", None, lambda: {"layer": 1, "head": 1}),
    Row("HeadScale", None, lambda: {"layer": 1, "head": 1}, used, "used", cost=RUNS),
    Row("HeadScale.times", lambda: vv.HeadScale(1, 1), lambda: {"multiplier": 2.0}),
    Row("Where", None),
    Row("Where", None, dict, used_where, "used", cost=RUNS),
    Row("When", None, lambda: {"feature": made.sae().feature(1)}),
    Row(
        "When",
        None,
        lambda: {"feature": made.sae().feature(1)},
        used_when,
        "used",
        cost=RUNS,
        also={"feature": ("layer",)},
    ),
    Row("ControlVector", None, lambda: {"directions": [made.direction()]}),
    Row("ControlVector.load", None, lambda: {"path": made.gguf()}, also=FILE),
    Row("ControlVector.save", made.control_vector, lambda: {"path": "cv.gguf"}, also=FILE),
    Row("ControlVector.at", made.control_vector, lambda: {"layer": 1}),
    Row("ControlVector.between", made.control_vector, lambda: {"first": 1, "last": 2}),
    Row("ControlVector.dictionary", made.control_vector, lambda: {"layer": 1}),
    Row(
        "ControlVector.from_pairs",
        None,
        lambda: pairs() | {"method": "mean_diff", "layers": [1]},
        cost=RUNS,
    ),
    Row(
        "SAE",
        None,
        lambda: (
            {"weights": made.weights(), "architecture": "topk", "k": 8}
            | {"point": made.sae().point}
        ),
        unknown=("densities", "a_max"),
        also={"metadata": ("nested too deep",)},
    ),
    Row(
        "SAE.load",
        None,
        lambda: {"source": made.weights(), "point": made.POINT, "k": 8},
        also={"source": ("folder", "file", "repository", "sae lacks")},
    ),
    Row("SAE.encode", made.sae, lambda: {"x": np.ones((3, WIDTH), "f4")}),
    Row("SAE.encode_sparse", made.sae, lambda: {"x": np.ones((3, WIDTH), "f4")}),
    Row(
        "SAE.encode_selected",
        made.sae,
        lambda: {"x": np.ones((3, WIDTH), "f4"), "features": [1, 2]},
    ),
    Row("SAE.decode", made.sae, lambda: {"z": np.ones((3, made.N_FEATURES), "f4")}),
    Row("SAE.feature", made.sae, lambda: {"index": 1}, also={"index": ("feature",)}),
    Row("SAE.feature_name", made.sae, lambda: {"index": 1}, also={"index": ("feature",)}),
    Row("demo_sae", None, lambda: {"name": "a"}, also={"name": ("dictionary",)}),
]
EXCEPT = {
    "Feature": "made by `SAE.feature`",
    "SAE.weights_on": "of the verbs, for the device of their states",
    "Where.phase": "of the verbs, which name the prompt or what is written",
    "Where.prompt_mask": "of the verbs, for ids of a tokenizer",
    "Where.generated_mask": "of the verbs, for a number of tokens they have read",
    "Where.generated_tokens": "of the verbs, for a number of tokens they have read",
    "Where.known_mask": "of the verbs, for ids of a tokenizer",
}


def other():
    return vv.Direction(np.arange(WIDTH) + 1.0, "other", made.POINT)
