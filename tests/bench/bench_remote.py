"""Every verb here and on a server: difference, bytes moved, overhead of a call.

Runs against the real NDIF stack alone: `make bench-remote` starts one, and without one this
says so and ends.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from harness import Table

import volvelle as vv
from volvelle.experiments.readouts.class_means import ClassMeans
from volvelle.models.verbs.score import score

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.model import Model

HOST = os.environ.get("NDIF_HOST", "")
TEXTS = ["The man looked at the sky.", "When I woke up this morning, I felt", "No"]
PROMPT = "When I woke up this morning, I"
# What may come back: this times the information asked for, and so many bytes.
TIMES, MORE = 1.2, 10_000
# Calls of one kind on a warm server; the median of their overheads is printed.
CALLS = 5


class Verb(NamedTuple):
    """A verb, and the arrays of what it returns that are compared.

    Their bytes are what was asked for, unless `asked` says what the result is made of: a
    dictionary stays on this machine where its states are fewer bytes.
    """

    name: str
    run: Callable[[Model], Any]
    arrays: Callable[[Any], list[Any]]
    asked: Callable[[Any], int] | None = None


def direction(seed: int = 0, layer: int = 14) -> vv.Direction:
    vector = np.random.default_rng(seed).standard_normal(576)
    return vv.Direction(vector, f"v{seed}", f"resid_post.{layer}")


def states(capture: Any) -> list[Any]:
    return [*capture.states.values(), capture.outliers]


def states_of(activations: Any) -> int:
    """Bytes of the states an encode is made of: the dictionary of this bench stays here."""
    return sum(map(len, activations.tokens)) * activations.sae.d_model * 4


def ids_and_states(layout: Any) -> int:
    """Bytes of the labels' token ids, and of the states that activations are made of."""
    labels = sum(len(half.promoted) for half in (layout.a, layout.b))
    tokens = layout.n_rows + 3 * len(TEXTS)  # the first of each text is compared by nobody
    return 4 * 5 * labels + tokens * 576 * 4


def held(circle: Any) -> int:
    """Bytes of what a circle holds of every layer: class means, each product of texts once."""
    found = circle.vectors
    of_a_layer = ClassMeans(found.owner, paired=found.paired, grams=True).n_products
    return found.means.nbytes + 4 * len(found.points) * of_a_layer


def means_of_words(checks: Any) -> int:
    """Bytes of a state for each word that is checked: unseen ones, and 25 twice."""
    return (checks["unseen words", "in their quadrant"].n + 2 * 25) * 576 * 4


def steered(run: Any) -> list[Any]:
    """What every row of a steering run holds: tokens, probabilities, where and how much."""
    return [
        part
        for row in run.rows
        for part in (row.ids, row.logprobs, row.watched, row.masks, *row.sizes.values())
    ]


def numbers(result: Any) -> list[Any]:
    frame = result.to_pandas()
    return [frame[name].to_numpy(np.float32) for name in frame if frame[name].dtype.kind in "fi"]


def verbs(circle: Any) -> list[Verb]:
    a, b = vv.demo_sae("a"), vv.demo_sae("b")
    deep = ["embed", "mlp_out.7", "z.20", "resid_post.29"]
    steer = vv.Steer(direction(), 0.2)
    return [
        Verb("norm", lambda m: m.norm("resid_post.14"), lambda n: [np.float32(n)]),
        Verb("capture all", lambda m: m.capture(TEXTS, "resid_post.14"), states),
        Verb("capture all, 4 points", lambda m: m.capture(TEXTS, deep), states),
        Verb("capture last", lambda m: m.capture(TEXTS, deep, "last"), states),
        Verb("capture mean", lambda m: m.capture(TEXTS, deep, "mean"), states),
        Verb("next_token, all", lambda m: m.next_token(TEXTS), lambda p: [p]),
        Verb("next_token, 2", lambda m: m.next_token(TEXTS, tokens=[" I", " a"]), lambda p: [p]),
        Verb(
            "generate 16",
            lambda m: m.generate(PROMPT, max_new_tokens=16, temperature=0.8, seed=3),
            lambda g: [g.ids, g.logprobs],
        ),
        Verb(
            "unembed 3",
            lambda m: m.unembed(np.eye(3, 576), k=5),
            lambda u: [u.promoted_effects, u.suppressed_effects],
        ),
        Verb("score", lambda m: score(m, [(list(range(5, 30)), list(range(9, 20)))]), list),
        Verb(
            "vv.encode", lambda m: vv.encode(m, TEXTS, a), lambda e: [e.codes.toarray()], states_of
        ),
        Verb(
            "vv.steer",
            lambda m: vv.steer(
                m, PROMPT, steer, (-1, 0, 1), placebo=2, watch=(" happy",), max_new_tokens=16
            ),
            steered,
        ),
        Verb(
            "vv.dose",
            lambda m: vv.dose(m, "I feel", steer, (0, 1), (" happy", " sad"), placebo=2),
            lambda d: [d.logprobs, d.entropy],
        ),
        Verb(
            "vv.steer_around",
            lambda m: vv.steer_around(m, circle, ["I feel"], range(0, 360, 60), placebo=2),
            lambda w: [w.logprobs, w.baseline, *w.placebos.values()],
        ),
        Verb(
            "vv.dual_layout, activations",
            lambda m: vv.dual_layout(
                a, b, model=m, texts=TEXTS * 3, match="activation", n_epochs=2, cache=False
            ),
            lambda d: [d.matches.select_dtypes("number").to_numpy()],
            ids_and_states,
        ),
        Verb(
            "vv.emotion_circle",
            lambda m: vv.emotion_circle(m, layer=14, n_null=20, cache=False),
            lambda c: [np.cos(np.radians(c.angles)), np.sin(np.radians(c.angles)), c.radii],
            held,
        ),
        Verb(
            "vv.check_circle",
            lambda m: vv.check_circle(m, circle, n_splits=3, n_null=20),
            lambda c: [np.float32([[row.value, row.limit] for row in c.rows])],
            means_of_words,
        ),
    ]


def difference(a: list[Any], b: list[Any]) -> float:
    """Return the largest difference; infinite where shapes differ."""
    found = 0.0
    for x, y in zip(a, b, strict=True):
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)  # noqa: PLW2901
        if x.shape != y.shape:
            return float("inf")
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        found = max(found, float(gap.max(initial=0.0)))
    return found


def overheads(there: Model, verb: Verb) -> float:
    """Return the median time of a call that the server was not at work on it, milliseconds."""
    found = []
    for _ in range(CALLS):
        started = time.perf_counter()
        job = there.submit(lambda: verb.run(there))
        job.result()
        spent = time.perf_counter() - started
        found.append(spent - sum(request.runtime for request in job.requests))
    return 1e3 * float(np.median(found))


def main() -> int:
    if not HOST:
        print("bench_remote skipped: it needs a running NDIF server; `make bench-remote` has one")
        return 0
    here, there = vv.load("smollm2"), vv.load("smollm2", remote=HOST)
    circle = vv.emotion_circle(here, layer=14)
    print(f"load: {os.getloadavg()[0]:.1f}")
    columns = ("difference", "kB asked", "kB up", "kB back", "requests", "s here", "s there")
    table = Table("verbs here and on a real NDIF server, loopback", ("verb", *columns))
    over = []
    for verb in verbs(circle):
        began = time.perf_counter()
        a = verb.run(here)
        between = time.perf_counter()
        job = there.submit(lambda verb=verb: verb.run(there))
        b = job.result()
        ended = time.perf_counter()
        asked = sum(np.asarray(one).nbytes for one in verb.arrays(b))
        asked = asked if verb.asked is None else verb.asked(b)
        sent = sum(request.sent for request in job.requests)
        back = sum(request.received for request in job.requests)
        gap = difference(verb.arrays(a), verb.arrays(b))
        table.row(
            verb.name,
            f"{gap:.1e}",
            *(f"{size / 1e3:.1f}" for size in (asked, sent, back)),
            len(job.requests),
            between - began,
            ended - between,
        )
        if back > TIMES * asked + MORE or gap > 1e-3:
            over.append(verb.name)
        for said in job.details:
            print(f"    {said}")
    calls = Table("overhead of a call: time the server was not at work on it", ("verb", "ms"))
    for verb in verbs(circle)[1:10:4]:
        calls.row(verb.name, overheads(there, verb))
    print(f"load: {os.getloadavg()[0]:.1f}")
    if over:
        print(f"over {TIMES}x + {MORE / 1e3:g} kB, or different: {', '.join(over)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
