"""Steered generation against plain transformers: one streamed run, and a sweep as one batch.

The reference is a second copy of the weights that nothing wraps, with a forward hook that adds
the same vector. Every run writes as many tokens; texts differ, since rows of a sweep do.

    python tests/bench/bench_steering.py [single] [sweep] [placebos]

One turn of the sweep takes half a minute on two cores, one of the placebos three.
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
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.write import generate_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAYER, STRENGTH, TOKENS = 14, 0.15, 48
PROMPT = "When I woke up this morning, I"
STRENGTHS = tuple(np.linspace(-0.3, 0.3, 11).round(2).tolist())
SINGLE, SWEEP, PLACEBOS = 1.05, 0.20, 5
SINGLE_TURNS, SWEEP_TURNS, PLACEBO_TURNS = 9, 7, 3


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


def single(model: vv.Model, plain: Callable[[float], Any], direction: vv.Direction) -> None:
    """Compare one steered run, streamed and not."""
    steer = vv.Steer(direction, STRENGTH)
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
    table.compare(
        side_by_side(cases, repetitions=SINGLE_TURNS), {"model.generate, streamed": SINGLE}
    )


def swept(model: vv.Model, direction: vv.Direction, placebo: int) -> Callable[[], Any]:
    """Return a sweep through `vv.steer`, which scores every text unsteered too."""
    return lambda: vv.steer(
        model, PROMPT, vv.Steer(direction), STRENGTHS, placebo, max_new_tokens=TOKENS
    )


def sweep(model: vv.Model, plain: Callable[[float], Any], direction: vv.Direction) -> None:
    """Compare a sweep with its strengths run one by one."""
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
        "vv.steer, which also scores them unsteered": swept(model, direction, 0),
    }
    found = side_by_side(cases, repetitions=SWEEP_TURNS, warm_ups=1)
    table.compare(found, dict.fromkeys(list(cases)[1:], SWEEP))


def placebos(model: vv.Model, plain: Callable[[float], Any], direction: vv.Direction) -> None:
    """Compare a sweep and its placebos with all their rows run one by one."""
    others = PLACEBOS * sum(s != 0 for s in STRENGTHS)
    table = Table(
        f"the sweep with {PLACEBOS} placebos, {len(STRENGTHS) + others} rows, wall ms, medians of "
        f"{PLACEBO_TURNS}",
        ("", "ms", "ratio", "target"),
    )
    # what is added costs the hook nothing: a placebo's run takes as long as a steer's
    cases = {
        "as many runs of transformers with a hook": lambda: [
            plain(STRENGTH) for _ in range(len(STRENGTHS) + others)
        ],
        "vv.steer, scored": swept(model, direction, PLACEBOS),
    }
    table.compare(side_by_side(cases, repetitions=PLACEBO_TURNS, warm_ups=0))


PARTS = {"single": single, "sweep": sweep, "placebos": placebos}


def main() -> None:
    asked = sys.argv[1:] or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        sys.exit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    two_threads()
    model = vv.load("smollm2")
    vector = np.random.default_rng(0).standard_normal(model.d_model)
    direction = vv.Direction(vector, "random", f"resid_post.{LAYER}")
    plain = reference(model, unwrapped(model), direction)
    for name in asked:
        PARTS[name](model, plain, direction)


if __name__ == "__main__":
    sys.exit(main())
