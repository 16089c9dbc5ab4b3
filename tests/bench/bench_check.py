"""Proving a model, against forward passes of the same model, not wrapped by anything.

What is paid once (the passes of `Model.check`) and what every verb pays (looking whether the
model is still what was proven).
"""

from __future__ import annotations

from typing import Any

import torch
from bench_capture import unwrapped
from harness import REPETITIONS, Table, side_by_side, two_threads

import volvelle as vv
from volvelle.models.engine.prove import asked_of, prove
from volvelle.models.engine.proving import mark_of

TOKENS = 56
ONCE, EACH_TIME = 5.0, 0.05  # targets, ratios to the forward


def forward(plain: Any, ids: torch.Tensor) -> Any:
    def call() -> Any:
        with torch.inference_mode():
            return plain(input_ids=ids, use_cache=False)

    return call


def main() -> None:
    two_threads()
    model = vv.load("smollm2")
    plain = unwrapped(model)
    asked = asked_of(model)
    n_read = asked["ids"].numel() + 5 * asked["ids"].shape[1] + asked["left"]["input_ids"].numel()
    table = Table(
        f"check, {model.name}, {n_read} tokens in 3 passes, wall ms, medians of {REPETITIONS}",
        ("", "ms", "ratio", "target"),
    )
    ids = torch.arange(100, 100 + TOKENS)[None]
    cases = {
        f"forward of {TOKENS} tokens, plain transformers": forward(plain, ids),
        "proving the model": lambda: model.call(lambda: prove(model, model.run)),
        "looking whether it is still the same": lambda: mark_of(model.nnsight._module),
    }
    _, proving, looking = cases
    table.compare(side_by_side(cases), {proving: ONCE, looking: EACH_TIME})


if __name__ == "__main__":
    main()
