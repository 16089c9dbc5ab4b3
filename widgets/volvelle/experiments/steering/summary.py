"""One honest sentence about a steering run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.stats.permutation import LEVEL
from volvelle.experiments.steering.effects import called, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.experiments.steering.effects import Effects
    from volvelle.experiments.steering.placebos import Relabelled
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
# One prompt on which no answer ever gets this likely shows little of what the model says.
ANECDOTE = 0.01
# Labellings beyond which their number says nothing.
MOST_SAID = 10**6
# Of what a p is, beside the p itself.
SHORTLY = {
    "random": "random",
    "shuffled": "other features",
    "relabelled": "relabelled",
    "rescaled": "relabelled at its length",
}


def short(value: float) -> str:
    """Return a probability as .31, or with two digits that count where it is small."""
    if not 0 < value < 0.995:
        return f"{value:.2g}"
    return (f"{value:.2f}" if value >= 0.095 else f"{value:.2g}").lstrip("0")


def listed(parts: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]])


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
    effects = run.effects
    parts = [_changed(run)] if effects is None else _answers(run, effects)
    parts += _collapse(run)
    sentence = "; ".join(parts)
    if not run.placebos and (effects is None or not effects.kinds):
        sentence += "; no placebo was run, so nothing says that a random direction would not"
    return sentence + "."


def _answers(run: Sweep, effects: Effects) -> list[str]:
    """Say each watched answer with its p, and then once what all p pay for and hold for."""
    said = [_watched(run, effects, k) for k in range(len(effects.watch))][:MOST_WATCHED]
    if len(effects.watch) > MOST_WATCHED:
        more = counted(len(effects.watch) - MOST_WATCHED, "more answer")
        said.append(f"{more} in .effects.to_pandas()")
    tests = {kind: effects.test(kind) for kind in effects.kinds}
    told = [called(kind, test.n) for kind, test in tests.items() if test.can_tell]
    if told:
        said.append(f"p is {effects.family}, against {listed(told)}")
    said += [
        f"{called(kind, test.n)} cannot tell (the smallest p is {short(test.smallest)})"
        for kind, test in tests.items()
        if not test.can_tell
    ]
    return said + _texts(effects) + _prompts(effects)


def _watched(run: Sweep, effects: Effects, k: int) -> str:
    tests = {kind: test for kind in effects.kinds if (test := effects.test(kind)).can_tell}
    token = effects.watch[k]
    name = f"P({token.strip() or repr(token)})"
    change = effects.changes().mean(axis=0)[:, k]
    if not np.isfinite(change).all():
        broken = strength_name(run, effects.strengths[int(np.argmin(np.isfinite(change)))])
        return f"{name} is no number at {broken}: the states leave what the model can hold"
    # where random directions are left behind, if they are anywhere; else where it goes furthest
    first = next(iter(tests.values()), None)
    sure = np.ones(len(change), bool) if first is None else first.p_cells[:, k] <= LEVEL
    at = int(np.argmax(np.where(sure | ~sure.any(), np.abs(change), -1)))
    before = float(np.exp(effects.baseline[:, k].astype(np.float64)).mean())
    after = float(effects.probabilities()[at, k])
    said = (
        f"{name} {verb(before, after)} {short(before)} to "
        f"{short(after)} at {strength_name(run, effects.strengths[at])}"
    )
    figures: list[str] = []
    if effects.n_prompts > 1:
        low, high = (side[at, k] for side in effects.interval())
        figures.append(f"log-odds {change[at]:+.2f}, 95 % {low:+.2f} to {high:+.2f}")
    figures += [
        f"p = {short(float(test.p_cells[at, k]))} {SHORTLY[kind]}".rstrip()
        for kind, test in tests.items()
    ]
    return f"{said} ({'; '.join(figures)})" if figures else said


def _texts(effects: Effects) -> list[str]:
    """Say what texts the direction was fitted to can tell."""
    n = len(effects.placebos.get("relabelled", ()))
    said = fitted_to(effects.labels, n)
    return [f"the direction was {said}"] if said else []


def fitted_to(labels: Relabelled, n: int) -> str:
    """Say what a direction was fitted to, and what n relabelled placebos of it can tell."""
    if not labels.texts:
        return ""
    fitted = f"fitted to {labels.texts} {labels.what}"
    if not labels.others:
        return f"{fitted} in a way that gives the same under any labels: none was relabelled"
    if labels.too_few:
        few = f"the smallest p of {labels.others + 1} labellings is {short(labels.smallest)}"
        what = f"too few to be told from the same {labels.what} relabelled"
        return f"{fitted}: {what} ({labels.needed} can; {few})"
    if not n:
        return ""
    reach = f"all of them reach p = {short(labels.smallest)}" if n < labels.others else "all"
    others = f"{labels.others:,}" if labels.others < MOST_SAID else "many"
    like = f"median |cosine| to it {short(labels.cosine)}"
    return f"{fitted}, of whose {others} other labellings {n} were run ({reach}; {like})"


def _prompts(effects: Effects) -> list[str]:
    if effects.n_prompts > 1:
        return [f"means over {effects.n_prompts} prompts"]
    most = np.exp(max(float(effects.baseline.max()), float(effects.steered.max())))
    rare = f", and answers below {short(ANECDOTE)}" if most < ANECDOTE else ""
    return [f"one prompt{rare}: {'an anecdote' if rare else 'of others nothing is known'}"]


def _changed(run: Sweep) -> str:
    def changes(strength: float, kind: str, number: int) -> bool:
        return any(
            not np.array_equal(
                run.row(strength, kind=kind, number=number, prompt=n).ids, run.row(0, prompt=n).ids
            )
            for n in range(len(run.prompts))
        )

    changed = [s for s in run.strengths if s != 0 and changes(s, "steered", -1)]
    if not changed:
        return "the text is the same at every strength"
    first = min(changed, key=abs)
    others = [changes(first, kind, number) for kind, number in run.placebos if kind == "random"]
    said = f"the text changes from strength {strength_name(run, first)} on"
    if others:
        said += f", and {sum(others)} of {called('random', len(others))} change it there too"
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
