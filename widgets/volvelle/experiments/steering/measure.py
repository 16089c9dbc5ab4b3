"""The watched answers right after each prompt, under a steer and under all its placebos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.experiments.steering.ask import ask
from volvelle.experiments.steering.effects import KINDS, Effects
from volvelle.experiments.steering.rows import Key
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.experiments.steering.answers import Watched
    from volvelle.experiments.steering.placebos import Placebos
    from volvelle.experiments.steering.rows import AnySteer
    from volvelle.models.model import Model
    from volvelle.models.verbs.known import Known


def measure(
    model: Model,
    prompts: Sequence[Sequence[int]],
    watched: Watched,
    steers: tuple[Sequence[AnySteer], Placebos],
    multipliers: Sequence[float],
    *,
    known: Mapping[Key, np.ndarray],
    begun: Mapping[tuple[int, ...], Known],
    n_new: int,
    progress: Callable[[float, str], None] | None,
) -> Effects | None:
    """Measure the watched answers right after each prompt, under the steers and all placebos.

    Parameters
    ----------
    model : Model
    prompts : sequence of (sequence of int)
    watched : Watched
    steers : (steers, Placebos)
    multipliers : sequence of float
    known : dict of Key -> array, shape (n_answers,)
        What writing has measured already.
    begun : dict of prompt -> Known
        What the prompts hold below the steers, as `ask` takes it.
    n_new : int
        Tokens that are generated, for steers that count them.
    progress : callable(fraction, text) or None
    """
    strengths = tuple(s for s in multipliers if s != 0)
    if not watched.answers or not strengths:
        return None
    mine, placebos = steers
    wanted: dict[Key, list[AnySteer]] = {}
    for n in range(len(prompts)):
        wanted[Key("steered", -1, 0.0, 0, n)] = []
        every = {("steered", -1): mine, **placebos.steers}.items()
        for (kind, number), one in looking(every, 16):
            for s in strengths:
                wanted[Key(kind, number, s, 0, n)] = [steer.times(s) for steer in one]
    open_keys = [key for key in wanted if key not in known]
    asked, _ = ask(
        model,
        [prompts[key.prompt] for key in open_keys],
        [wanted[key] for key in open_keys],
        watched,
        n_new=n_new,
        known=begun,
        progress=progress,
    )
    found = {**known, **dict(zip(open_keys, asked, strict=True))}

    def table(kind: str, number: int) -> list[list[np.ndarray]]:
        return [[found[Key(kind, number, s, 0, n)] for s in strengths] for n in range(len(prompts))]

    numbers = {kind: [n for k, n in placebos.steers if k == kind] for kind in KINDS}
    return Effects(
        watch=tuple(answer.name for answer in watched.answers),
        strengths=strengths,
        baseline=np.stack([found[Key("steered", -1, 0.0, 0, n)] for n in range(len(prompts))]),
        steered=np.array(table("steered", -1), dtype=np.float32),
        placebos={
            kind: np.array([table(kind, n) for n in made], dtype=np.float32)
            for kind, made in numbers.items()
            if made
        },
        labels=placebos.relabelled,
    )
