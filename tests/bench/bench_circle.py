"""Circles: what the null costs, a wheel against the plain forward, and what the texts show.

The last part writes 16 texts for each of 12 angles and scores them with VADER: minutes, and the
one target of the circle that is too slow for a test.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from harness import REPETITIONS, Table, side_by_side, two_threads

import volvelle as vv
from volvelle.compute.circles.fit import fit_circle

LAYER = 14
WHEEL, NULL_S, CIRCLE_S, R = 1.1, 2, 60, 0.85
SAMPLES, STRENGTH = 4, 0.1  # of each of four prompts


def null_of_a_layer() -> None:
    """Print the CPU seconds of both fits of 25 classes with their nulls of 1000."""
    names = [str(i) for i in range(25)]
    rows = np.random.default_rng(0).standard_normal((25, 576))
    dictionary = vv.Dictionary(rows, names, "embed", "noise")
    reference = {name: 14.4 * i for i, name in enumerate(names)}
    table = Table("null of one layer, 25 x 576, 2 x 1000 draws", ("", "CPU-s", "target"))
    for method in ("pca", "ridge"):
        before = time.process_time()
        fit_circle(dictionary, reference, method)
        table.row(method, time.process_time() - before, f"<= {NULL_S} s")


def from_scratch(model: vv.Model) -> vv.Circle:
    """Print the CPU seconds of the emotion circle, nothing cached."""
    before = time.process_time()
    circle = vv.emotion_circle(model, cache=False)
    table = Table("emotion circle of smollm2, from scratch", ("", "CPU-s", "target"))
    table.row("25 words x 12 templates", time.process_time() - before, f"<= {CIRCLE_S} s")
    print(f"  {circle}")
    return circle


def wheel_against_forward(model: vv.Model, circle: vv.Circle) -> None:
    """Print a wheel's wall time over that of the bare forward of the same rows."""
    prompts = list(vv.steer_around(model, circle, placebo=0).prompts)
    batch = model.tokenizer(
        prompts * 13, return_tensors="pt", padding=True, padding_side="left"
    )  # 12 angles and the baseline
    bare = model.nnsight._module

    @torch.no_grad()
    def forward() -> object:
        return bare(**batch, use_cache=False, logits_to_keep=1).logits.log_softmax(-1)

    table = Table(
        f"wheel of log-probabilities, 12 angles x 5 prompts and baseline, wall ms, medians of "
        f"{REPETITIONS}",
        ("", "ms", "ratio", "target"),
    )
    timings = side_by_side(
        {
            "bare forward of 65 rows": forward,
            "steer_around": lambda: vv.steer_around(model, circle, placebo=0),
        }
    )
    table.compare(timings, {"steer_around": WHEEL})


def texts_around(model: vv.Model, circle: vv.Circle) -> None:
    """Print VADER of 16 texts per angle against the angle, and how the texts hold up."""
    before = time.process_time()
    wheel = vv.steer_around(
        model,
        circle,
        strengths=STRENGTH,
        placebo=0,
        samples=SAMPLES,
        max_new_tokens=24,
        text_placebo="--placebos" in sys.argv,
    )
    texts = wheel.texts_table()
    steered = texts[(texts.strength > 0) & (texts.plane == "circle")]
    plain = texts[texts.strength == 0]
    wave = wheel.valence_wave()
    per = steered.groupby("angle").nll.mean()
    print(
        f"texts at {STRENGTH} of the norm, {len(steered)} of 24 tokens, "
        f"{time.process_time() - before:.0f} CPU-s\n"
        f"  VADER against cos(angle): r {wave.r:.2f} (target >= {R}); {wave}\n"
        f"  NLL {per.min():.2f}...{per.max():.2f} (unsteered {plain.nll.mean():.2f}), distinct "
        f"words {steered.distinct.mean():.2f} (unsteered {plain.distinct.mean():.2f})"
    )


def main() -> None:
    two_threads()
    null_of_a_layer()
    model = vv.load("smollm2")
    circle = from_scratch(model).at(LAYER)
    wheel_against_forward(model, circle)
    if "--no-texts" not in sys.argv:
        texts_around(model, circle)


if __name__ == "__main__":
    main()
