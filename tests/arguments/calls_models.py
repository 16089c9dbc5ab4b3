"""Public calls of the models' floor."""

import numpy as np
from arguments import made
from arguments.calls import RUNS, SLOW, Row

from volvelle.experiments.readouts.projection import Projection

model = made.model
NET = "asks a server that is not ours"


def waited(job):
    return job.result(10)


def observed():
    return {"texts": "hello", "asked": {made.POINT: [Projection(np.eye(2, made.WIDTH))]}}


ROWS = [
    Row("load", base=lambda: {"name": made.checkpoint()}, cost=SLOW),
    Row("wrap", base=lambda: {"model": made.hf(), "tokenizer": made.tokenizer()}, cost=RUNS),
    Row("Model.tokens", model, lambda: {"text": "ab"}),
    Row("Model.prompt_ids", model, lambda: {"prompt": "he"}),
    Row("Model.token_id", model, lambda: {"token": "a"}),
    Row("Model.capture", model, lambda: {"texts": "hello", "points": made.POINT}, cost=RUNS),
    Row(
        "Model.capture_windows",
        model,
        lambda: {"text": "hello", "point": made.POINT, "window": 64, "overlap": 8},
        cost=RUNS,
    ),
    Row("Model.observe", model, observed, cost=RUNS),
    Row(
        "Model.generate",
        model,
        lambda: {"prompt": "he", "steers": made.steer(), "max_new_tokens": 2},
        cost=RUNS,
    ),
    Row(
        "Model.next_token",
        model,
        lambda: {"prompts": "he", "steers": made.steer(), "tokens": ["a"]},
        cost=RUNS,
    ),
    Row("Model.norm", model, lambda: {"point": made.POINT}),
    Row("Model.unembed", model, lambda: {"vectors": made.direction(), "k": 3}),
    Row("Model.submit", model, lambda: {"work": lambda: 1}, waited),
    Row("Model.call", model, lambda: {"work": lambda: 1}),
]
# Base arguments of these are refused: what they ask for is on a server.
REFUSED = [
    Row("Model.estimate", model, lambda: {"work": lambda: 1}, also={"work": ("for a model on a",)}),
    Row(
        "Model.attach",
        model,
        lambda: {"ids": "x"},
        waited,
        also={"ids": ("attach",), "work": ("attach",)},
    ),
    Row(
        "remote_models",
        base=lambda: {"host": "http://127.0.0.1:9"},
        without={"host": {"None": NET}},
    ),
]
EXCEPT = {
    "Model": "made by `load` and `wrap` of what they have looked at",
    "Model.site": "of the verbs, for a point they have read",
    "Model.hold": "of the verbs, for what a model has not proven",
    "Model.hold_padding": "of the verbs, for lengths they have measured",
    "Model.report": "of the work, which says how far it is",
    "Model.progress": "of the work, which says how far it is",
}
