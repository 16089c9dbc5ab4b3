"""Turn a model around a circle: every angle of every prompt as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.compute.circles.placebos import KINDS, MOST_PLANES, N_PLANES, placebo_planes
from volvelle.compute.steering.where import Where
from volvelle.experiments.circles.fit_circle import AXES
from volvelle.experiments.circles.lexicons import read_norms
from volvelle.experiments.circles.stimuli import (
    generation_prompts,
    readout_prompts,
    unseen_words,
)
from volvelle.experiments.circles.turns import Turner, Writer
from volvelle.experiments.circles.wheel import Text, Wheel
from volvelle.models.engine.sizes import MOST_TEXTS, MOST_WORDS, check_rows
from volvelle.models.verbs.writing import Writing
from volvelle.names import unknown
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.models.model import Model

    Progress = Callable[[float, str], None]

# Placebo planes of texts, where some are asked for: the fewest that can tell are 19.
TEXT_PLACEBO = 20


@checked
def steer_around(
    model: Model,
    circle: FittedCircle,
    prompts: str | Sequence[str] | None = None,
    angles: Sequence[float] = range(0, 360, 30),
    strengths: float | Sequence[float] = (0.15,),
    *,
    words: Sequence[str] | Mapping[str, float] | None = None,
    placebo: int | Mapping[str, int] | None = None,
    samples: int = 0,
    max_new_tokens: int = 24,
    temperature: float = 0.8,
    text_placebo: bool | int | Mapping[str, int] = False,
    vad: str | Path | None = None,
    where: Where | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Wheel:
    """Steer a model towards every angle of a circle and read what it then expects to say.

    Adds ``strength * model.norm(point) * (cos a u0 + sin a u1)`` to the residual stream, on all
    tokens but position 0 and special ones.

    Parameters
    ----------
    model : Model
    circle : Circle
    prompts : str or sequence of str, optional
        By default five prompts that an emotion word may follow; for texts, four openings.
    angles : sequence of float
        Degrees, at least three; evenly spaced ones make peaks comparable.
    strengths : float or sequence of float
        Multiples of the point's median residual norm. 0.05 to 0.3 is useful on the demo model;
        more is not better.
    words : sequence of str, or mapping of str to float, optional
        Words whose log-probability is read (with a leading space, as single tokens), with
        their reference angle where they have one. By default the circle's names, and for
        emotions 38 words it has not seen.
    placebo : int, or mapping of str to int, optional
        Placebo planes: ``"random"`` in the whole space, and ``"span"`` inside the span of the
        circle's vectors, the harder control. A number is that of each kind, 0 for none. By
        default 10 random and 25 of the span, one CPU minute on the demo model.
    samples : int
        Texts to write per prompt and angle; 0 for none.
    max_new_tokens : int
        Of each text.
    temperature : float
        Of each text; 0 takes the likeliest token.
    text_placebo : bool, int, or mapping of str to int
        Placebo planes around which texts are written too: a number of planes of the span, or
        numbers of both kinds. True for 20 of the span, which can tell (p .048): see
        `Wheel.valence_wave`. Each costs as many texts as the circle does: 20, with one sample of
        the four openings, three CPU minutes on the demo model.
    vad : path, optional
        A norms file of your own (CSV: word, valence, arousal), to score texts with. None is
        shipped: no arousal norms with a free licence exist.
    where : Where, optional
        Which tokens are steered.
    seed : int
        Of placebo planes and sampled tokens: sample j of a prompt draws from the same noise at
        every angle.
    progress : callable(fraction, text), optional

    Returns
    -------
    Wheel
        Log-probabilities, peaks and fits per word, placebos beside them, and the texts.
    """
    writing = Writing(max_new_tokens, temperature, samples, seed)
    around = np.asarray(list(angles), dtype=np.float64)
    levels = np.atleast_1d(np.asarray(strengths, dtype=np.float64))
    if len(np.unique(around % 360)) < 3:
        raise ValueError(f"angles: {list(angles)} hold fewer than three distinct ones")
    whole(samples, "samples", 0, MOST_TEXTS)
    whole(seed, "seed")
    if circle.d_model != model.d_model:
        raise ValueError(
            f"this circle reads {circle.d_model}-dimensional vectors, {circle.point} of "
            f"{model.name} has {model.d_model}"
        )
    planes = _placebos(N_PLANES if placebo is None else placebo, circle, seed)
    written_planes = _text_placebos(text_placebo, circle, seed) if writing.samples else {}
    norms = None if vad is None else read_norms(vad)
    asked = readout_prompts() if prompts is None else prompts
    asked = [asked] if isinstance(asked, str) else list(asked)
    if not asked:
        raise ValueError("prompts is empty; leave it out for the standard ones")
    opened = list(generation_prompts()) if prompts is None else asked
    n_angles = len(around) * len(levels)
    factors = {"angles": len(around), "strengths": len(levels)}
    n = sum(map(len, planes.values()))
    told = factors | {"placebo planes": n, "prompts": len(asked)}
    check_rows((1 + n) * n_angles * len(asked), MOST_WORDS, "next words", told)
    if writing.samples:
        writing.check(model, [model.prompt_ids(one) for one in looking(opened, 16)])
        n = sum(map(len, written_planes.values()))
        told = factors | {"placebo planes": n, "prompts": len(opened), "samples": writing.samples}
        rows = (1 + n) * n_angles * len(opened) * writing.samples
        check_rows(rows, MOST_TEXTS, "texts", told)
    names, reference, held_out, ids, left_out = _words(model, circle, words)
    turn = Turner(model, circle, levels, around, where or Where())

    def work() -> Wheel:
        reading = share(progress, 0, 0.3 if writing.samples else 1)
        drawn = [plane for kind in planes.values() for plane in kind]
        several, baseline = turn.logprobs([circle.plane, *drawn], asked, ids, reading)
        logprobs, *others = several
        rest = iter(others)
        found = {kind: np.stack([next(rest) for _ in of]) for kind, of in planes.items()}
        texts: list[Text] = []
        if writing.samples:
            of_texts = [("circle", 0, circle.plane)]
            of_texts += [
                (kind, number, plane)
                for kind, of in written_planes.items()
                for number, plane in enumerate(of)
            ]
            written = Writer(turn, opened, writing, norms)
            texts = written.write(of_texts, share(progress, 0.3, 1))
        return Wheel(
            title=f"{circle.point}, {circle.dictionary.source or model.name}",
            names=names,
            reference=reference,
            held_out=held_out,
            angles=around,
            strengths=levels,
            prompts=tuple(asked),
            logprobs=logprobs,
            baseline=baseline,
            placebos=found,
            texts=tuple(texts),
            left_out=left_out,
            details={
                "seed": writing.seed,
                "norm": model.norm(circle.point),
                "samples": writing.samples,
            },
        )

    return model.call(work)


def _placebos(
    placebo: int | Mapping[str, int], circle: FittedCircle, seed: int
) -> dict[str, np.ndarray]:
    given = dict(placebo) if isinstance(placebo, Mapping) else dict.fromkeys(KINDS, placebo)
    counts: dict[str, int] = {}
    for kind, n in given.items():
        if kind not in KINDS:
            raise ValueError(unknown("placebo", str(kind), KINDS))
        counts[kind] = whole(n, f"placebo {kind!r}", 0, MOST_PLANES)
    return {
        kind: placebo_planes(kind, n, circle.dictionary.vectors, seed)
        for kind, n in counts.items()
        if n
    }


def _text_placebos(
    asked: bool | int | Mapping[str, int],
    circle: FittedCircle,
    seed: int,
) -> dict[str, np.ndarray]:
    if isinstance(asked, Mapping):
        return _placebos(asked, circle, seed)
    n = TEXT_PLACEBO if asked is True else int(asked) if asked is False else asked
    return _placebos({"span": n}, circle, seed)


def _words(
    model: Model, circle: FittedCircle, words: Sequence[str] | Mapping[str, float] | None
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, list[int], tuple[str, ...]]:
    """Return words that are single tokens, their angles, which are unseen, ids; and the others."""
    known: dict[str, float] = {}
    if circle.reference is not None:
        known = {name: float(a) for name, a in zip(circle.names, circle.reference, strict=True)}
    if words is None:
        wanted = {name: known.get(name, np.nan) for name in circle.names}
        unseen = unseen_words() if circle.axis_names == AXES else {}
        wanted |= {word: angle for word, angle in unseen.items() if word not in wanted}
    elif isinstance(words, Mapping):
        wanted = {word: float(angle) for word, angle in words.items()}
    else:
        wanted = {word: known.get(word, np.nan) for word in words}
    ids: dict[str, int] = {}
    for word in wanted:
        try:
            ids[word] = model.token_id(f" {word}")
        except ValueError:
            continue
    if not ids:
        raise ValueError(f"none of the words {list(wanted)[:8]} is a single token of {model.name}")
    names = tuple(ids)
    reference = np.array([wanted[name] for name in names], dtype=np.float64)
    held_out = np.array([name not in circle.names for name in names])
    left = tuple(word for word in wanted if word not in ids)
    return names, reference, held_out, list(ids.values()), left
