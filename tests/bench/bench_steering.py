"""Steered generation against plain transformers: one streamed run, and a sweep as one batch.

The reference is a second copy of the weights that nothing wraps, with a forward hook that adds
the same vector. Every run writes as many tokens; texts differ, since rows of a sweep do.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench_capture import unwrapped
from harness import Table, side_by_side, two_threads

import volvelle as vv
from volvelle.models.steering import Steered
from volvelle.models.writing import generate_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAYER, STRENGTH, TOKENS = 14, 0.15, 48
PROMPT = "When I woke up this morning, I"
STRENGTHS = tuple(np.linspace(-0.3, 0.3, 11).round(2).tolist())
SINGLE, SWEEP, PLACEBOS = 1.05, 0.20, 5
# A sweep's turn takes half a minute.
SINGLE_TURNS, SWEEP_TURNS = 9, 7


@contextmanager
def hooked(plain: Any, vector: torch.Tensor) -> Iterator[None]:
    """Add a vector behind a block, to every token but the prompt's first."""

    def hook(_module: Any, _inputs: Any, states: torch.Tensor) -> torch.Tensor:
        states[:, 1 if states.shape[1] > 1 else 0 :] += vector
        return states

    handle = plain.model.layers[LAYER].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def reference(model: vv.Model, plain: Any, direction: vv.Direction) -> Callable[[float], Any]:
    """Return transformers' own generate under a hook, of one strength."""
    ids = torch.tensor([model.prompt_ids(PROMPT)])
    unit = torch.tensor(direction.unit) * model.norm(direction.point)

    def generate(strength: float) -> Any:
        with torch.no_grad(), hooked(plain, strength * unit):
            return plain.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=TOKENS,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=model.pad_id,
            )

    return generate


def main() -> None:
    two_threads()
    model = vv.load("smollm2")
    vector = np.random.default_rng(0).standard_normal(model.d_model)
    direction = vv.Direction(vector, "random", f"resid_post.{LAYER}")
    steer = vv.Steer(direction, STRENGTH)
    plain = reference(model, unwrapped(model), direction)
    shown: list[int] = []

    def ours() -> Any:
        shown.clear()
        return model.generate(
            PROMPT, steer, max_new_tokens=TOKENS, on_token=lambda _r, _s, token: shown.append(token)
        )

    written = plain(STRENGTH)[0, -TOKENS:].tolist()
    assert ours().ids.tolist() == written == shown, "both write the same text"
    table = Table(
        f"one steered run of {TOKENS} tokens, {model.name}, wall ms, medians of {SINGLE_TURNS}",
        ("", "ms", "ratio", "target"),
    )
    cases = {
        "transformers' generate with a hook": lambda: plain(STRENGTH),
        "model.generate, streamed": ours,
        "model.generate, not streamed": lambda: model.generate(
            PROMPT, steer, max_new_tokens=TOKENS
        ),
    }
    single = side_by_side(cases, repetitions=SINGLE_TURNS)
    table.compare(single, {"model.generate, streamed": SINGLE})

    def sweep(placebo: int) -> Any:
        return lambda: vv.steer(
            model, PROMPT, vv.Steer(direction), STRENGTHS, placebo, max_new_tokens=TOKENS
        )

    ids = model.prompt_ids(PROMPT)
    rows = [[vv.Steer(direction, s)] for s in STRENGTHS]

    def batch() -> Any:
        steered = Steered(model, rows, [ids] * len(rows), TOKENS)
        return generate_rows(model, [ids] * len(rows), steered, max_new_tokens=TOKENS)

    table = Table(
        f"a sweep of {len(STRENGTHS)} strengths, wall ms, medians of {SWEEP_TURNS}",
        ("", "ms", "ratio", "target"),
    )
    cases = {
        "eleven runs of transformers with a hook": lambda: [plain(s) for s in STRENGTHS],
        "the same as one batch": batch,
        "vv.steer, which also scores them unsteered": sweep(0),
        f"vv.steer with {PLACEBOS} placebos": sweep(PLACEBOS),
    }
    swept = side_by_side(cases, repetitions=SWEEP_TURNS, warm_ups=1)
    names = list(cases)
    table.compare(swept, dict.fromkeys(names[1:3], SWEEP))


if __name__ == "__main__":
    sys.exit(main())
