"""Capture against the forward pass of the same model, not wrapped by anything.

Every call sees a text of its own, so that no prefix is reused; tokenising and the way to
numpy are part of a capture, as a user pays for them, and tokenising is part of the forward.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import torch
from harness import REPETITIONS, WARM_UPS, Table, side_by_side, two_threads
from texts import texts_of

import volvelle as vv

LENGTHS = (9, 64, 256)  # tokens
ALL = {9: 1.10, 64: 1.05, 256: 1.05}  # targets, ratios to the forward
HALF = 0.5


def unwrapped(model: Any) -> Any:
    """Return a second copy of the model's weights in plain transformers."""
    from transformers import AutoModelForCausalLM

    config = model.nnsight.config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.nnsight._module.state_dict())
    return plain.eval()


def cases(model: Any, plain: Any, n_tokens: int) -> dict[str, Any]:
    """Return what is timed, each case with its own supply of texts."""
    texts = texts_of(model.tokenizer, n_tokens, REPETITIONS + WARM_UPS)
    middle, last = model.n_layers // 2 - 1, model.n_layers - 1
    points = {
        f"capture all {model.n_layers} layers": [f"resid_post.{i}" for i in range(last + 1)],
        f"capture the last layer, resid_post.{last}": [f"resid_post.{last}"],
        f"capture and stop at resid_post.{middle}": [f"resid_post.{middle}"],
    }

    def forward(supply: Any, network: Any) -> Any:
        def call() -> Any:
            with torch.inference_mode():
                return network(
                    **model.tokenizer(next(supply), return_tensors="pt"), use_cache=False
                )

        return call

    def capture(supply: Any, where: list[str]) -> Any:
        return lambda: model.capture(next(supply), where)

    return {
        "forward of plain transformers": forward(cycle(texts), plain),
        "the same without its unembedding": forward(cycle(texts), plain.model),
        **{name: capture(cycle(texts), where) for name, where in points.items()},
    }


def main() -> None:
    two_threads()
    model = vv.load("smollm2")
    plain = unwrapped(model)
    for n_tokens in LENGTHS:
        table = Table(
            f"capture, {model.name}, {n_tokens} tokens, wall ms, medians of {REPETITIONS}",
            ("", "ms", "ratio", "target"),
        )
        timings = side_by_side(cases(model, plain, n_tokens))
        names = list(timings)
        table.compare(timings, {names[2]: ALL[n_tokens], names[4]: HALF})


if __name__ == "__main__":
    main()
