"""One honest sentence about a steering run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from volvelle.experiments.steering.sweep import Sweep

# What counts as collapse: the unsteered model finds the text this many times as surprising as
# its own, or this share of its trigrams repeats (and more than in its own).
COLLAPSE_PERPLEXITY = 5.0
COLLAPSE_REPETITION = 0.5
# A change of a probability below this is not worth a verb.
STILL = 0.005
# A text must have some length to collapse.
LEAST_TOKENS = 8
MOST_WATCHED = 3


def short(value: float) -> str:
    """Return a probability as .31, or with two digits that count where it is small."""
    if not 0 < value < 0.995:
        return f"{value:.2g}"
    return (f"{value:.2f}" if value >= 0.095 else f"{value:.2g}").lstrip("0")


def verb(before: float, after: float) -> str:
    """Say what a probability does."""
    if abs(after - before) < STILL and not 0.5 < (after + 1e-9) / (before + 1e-9) < 2:
        return "stays small, from"
    if abs(after - before) < STILL:
        return "hardly moves, from"
    return "rises from" if after > before else "falls from"


def strength_name(run: Sweep, strength: float) -> str:
    """Say a strength as a reader of the steers would: effective for one, a multiple for more."""
    if len(run.steers) == 1:
        return f"{strength * run.steers[0].strength:.3g}"
    return f"{strength:.3g} times their strengths"


def summarise(run: Sweep) -> str:
    """Return the summary of a run. `SteeringRun.summary` documents it."""
    if len(run.strengths) < 2:
        return "only the baseline was run; give strengths other than 0"
    parts = [_watched(run, token) for token in run.watch[:MOST_WATCHED]] or [_changed(run)]
    parts += _collapse(run)
    sentence = "; ".join(parts)
    if not run.placebos:
        sentence += "; no placebo was run, so nothing says that a random direction would not"
    return sentence + "."


def _watched(run: Sweep, token: str) -> str:
    curve = run.curve(token)
    base = float(curve[run.strengths.index(0)])
    furthest = int(np.nanargmax(np.abs(curve - base)))
    after = float(curve[furthest])
    said = (
        f"P({token.strip() or repr(token)}) {verb(base, after)} {short(base)} to {short(after)} "
        f"at {strength_name(run, run.strengths[furthest])}"
    )
    counts = []
    for kind, what in (("random", "random directions"), ("shuffled", "other features")):
        reached, n = run.as_strong(token, kind)
        if n:
            counts.append(f"{reached} of {n} {what} do as much")
    return "; ".join([said, *counts])


def _changed(run: Sweep) -> str:
    base = run.baseline.ids
    changed = [s for s in run.strengths if s != 0 and not np.array_equal(run.row(s).ids, base)]
    if not changed:
        return "the text is the same at every strength"
    first = min(changed, key=abs)
    others = [
        not np.array_equal(run.row(first, kind=kind, number=number).ids, base)
        for kind, number in run.placebos
        if kind == "random"
    ]
    said = f"the text changes from strength {strength_name(run, first)} on"
    if others:
        said += f", and {sum(others)} of {len(others)} random directions change it there too"
    return said


def _collapse(run: Sweep) -> list[str]:
    noise, loops = run.curve("perplexity"), run.curve("repetition")
    zero = run.strengths.index(0)
    worst = [
        i
        for i, strength in enumerate(run.strengths)
        if len(run.row(strength).ids) >= LEAST_TOKENS
        and (
            noise[i] > COLLAPSE_PERPLEXITY * noise[zero]
            or loops[i] > max(COLLAPSE_REPETITION, loops[zero] + 0.25)
        )
    ]
    if not worst:
        return []
    first = min(worst, key=lambda i: abs(run.strengths[i]))
    said = [f"perplexity {noise[zero]:.3g} to {noise[first]:.3g}"]
    if short(loops[first]) != short(loops[zero]):
        said.append(f"repeated trigrams {short(loops[zero])} to {short(loops[first])}")
    where = strength_name(run, run.strengths[first])
    return [f"the text collapses at {where} ({', '.join(said)})"]
