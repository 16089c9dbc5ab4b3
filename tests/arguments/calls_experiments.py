"""Public calls of the verbs' floor, and of what they return."""

import numpy as np
from arguments import made
from arguments.calls import RUNS, SLOW, Row

FILE = {"path": ("file", "folder", "named pipe", "safetensors")}
READ = {"x": ("text", "state")}
FEW = {"max_new_tokens": 2}


def steered():
    given = {"model": made.model(), "prompt": "he", "steers": made.steer(), "strengths": (1,)}
    return given | {"placebo": 1, "watch": ["a"]} | FEW


def dosed():
    given = {"model": made.model(), "prompt": "he", "steers": made.steer(), "strengths": (0, 1)}
    return given | {"answers": ("y", "n"), "placebo": 1}


def laid_out():
    given = {"a": made.sae(), "b": made.sae(seed=5)}
    return given | {"n_neighbors": 5, "n_epochs": 2, "cache": False}


def found():
    given = {"model": made.model(), "words": ["happy", "sad", "tense", "calm"]}
    return given | {"stimuli": ["I {w}."], "n_null": 10, "cache": False}


def turned():
    given = {"model": made.model(), "circle": made.circle(), "prompts": ["hi"]}
    return given | {"angles": (0, 120, 240), "words": ["a", "b"], "placebo": 1} | FEW


def checked():
    return {"model": made.model(), "circle": made.found_circle(), "n_splits": 2, "n_null": 5}


def saves(name, on):
    return Row(f"{name}.save", on, lambda: {"path": "kept.safetensors"}, also=FILE)


def loads(name, on):
    return Row(f"{name}.load", None, lambda: {"path": made.kept(on())}, also=FILE)


RESULTS = {
    "Dose": made.dose,
    "SteeringRun": made.steering_run,
    "Activations": made.activations,
    "DualLayout": made.layout,
    "Circle": made.circle,
    "Wheel": made.wheel,
}

ROWS = [
    Row("steer", None, steered, cost=RUNS, unknown=("watch",)),
    Row("dose", None, dosed, cost=RUNS, unknown=("steers",)),
    Row("spellings", None, lambda: {"word": "yes"}),
    Row(
        "encode",
        None,
        lambda: {"model": made.model(), "text": "hello", "sae": made.sae()},
        cost=RUNS,
        unknown=("text",),  # too few tokens have no share of variance
    ),
    Row("dual_layout", None, laid_out, cost=SLOW),
    Row("emotion_circle", None, found, cost=RUNS),
    Row(
        "fit_circle",
        None,
        lambda: {"dictionary": made.dictionary(), "reference": made.DEGREES, "n_null": 10},
        cost=RUNS,
    ),
    Row(
        "steer_around",
        None,
        turned,
        cost=SLOW,
        also={"vad": ("file", "named pipe")},
        without={"model": {"namespace": "has what tells a model, and is one to all that look"}},
    ),
    Row("check_circle", None, checked, cost=SLOW),
    *(saves(name, on) for name, on in RESULTS.items()),
    *(loads(name, on) for name, on in RESULTS.items()),
    Row("Dose.band", made.dose, lambda: {"concept": "joy"}),
    Row("Dose.curve", made.dose, lambda: {"concept": "joy"}),
    Row("Dose.interval", made.dose, lambda: {"concept": "joy"}),
    Row("Dose.kinds", made.dose, lambda: {"concept": "joy"}),
    Row("Dose.placebos", made.dose, lambda: {"concept": "joy"}),
    Row("Dose.test", made.dose, lambda: {"concept": "joy"}),
    Row("SteeringRun.band", made.steering_run, lambda: {"measure": "ratio"}),
    Row("SteeringRun.curve", made.steering_run, lambda: {"measure": "ratio"}),
    Row("SteeringRun.row", made.steering_run, lambda: {"strength": 1}),
    Row("SteeringRun.test", made.steering_run),
    Row("Activations.row", made.activations, lambda: {"token": 1}),
    Row(
        "Activations.feature", made.activations, lambda: {"index": 1}, also={"index": ("feature",)}
    ),
    Row("Activations.top_features", made.activations, also={"by": ("ranking",)}),
    Row("DualLayout.stability", made.layout, lambda: {"n_seeds": 1, "n_epochs": 2}, cost=RUNS),
    Row("Circle.at", made.found_circle, lambda: {"layer": 1}),
    Row("Circle.direction", made.circle, lambda: {"degrees": 10.0}),
    Row("Circle.nearest", made.circle, lambda: {"degrees": 10.0}),
    Row("Circle.project", made.circle, lambda: {"x": np.ones((2, made.WIDTH))}, also=READ),
    Row(
        "Circle.read",
        made.circle,
        lambda: {"x": "hello", "model": made.model()},
        cost=RUNS,
        also={"x": ("sentence",)},
    ),
    Row("Wheel.says", made.wheel),
    Row("Wheel.valence_wave", made.wheel_of_texts, lambda: {"n_null": 10}),
]
EXCEPT = dict.fromkeys(
    RESULTS, "made by a verb; its fields are held against their types where they meet a file"
)
