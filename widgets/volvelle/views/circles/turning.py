"""What EmotionCircle does with its hand: the next word, written text, the whole wheel."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.circles.placebos import N_PLANES, placebo_planes
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.progress import share
from volvelle.views.kit.pace import PICTURE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.models.model import Model
    from volvelle.models.verbs.writing import Writing

    Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Hand:
    """Where the hand stands: what a result at it was computed for.

    Attributes
    ----------
    angle : float
        Degrees.
    strength : float
        Multiple of the point's median residual norm.
    plane : {"circle", "random", "span"}
        What is turned: the circle's plane, or a placebo.
    prompt : str
        What the turned model continues.
    layer : int
    seed : int
        Of placebo planes and of sampled text.
    """

    angle: float
    strength: float
    plane: str
    prompt: str
    layer: int
    seed: int

    def steer(self, circle: FittedCircle) -> Steer:
        """Return the steer of the hand in the circle's plane, or in a placebo plane."""
        if self.plane == "circle":
            direction = circle.direction(self.angle)
        else:
            axes = placebo_planes(self.plane, 1, circle.dictionary.vectors, self.seed)[0]
            turn = np.radians(self.angle)
            vector = np.cos(turn) * axes[0] + np.sin(turn) * axes[1]
            direction = Direction(vector, f"{self.plane} {self.angle:g}°", circle.point)
        return Steer(direction, self.strength)


@dataclass(frozen=True, eq=False)
class Expected:
    """Next-token log-probabilities of words, unsteered and at the hand."""

    words: Sequence[str]
    base: np.ndarray
    now: np.ndarray
    at: Hand


def single_words(model: Model, names: Sequence[str]) -> dict[str, int]:
    """Return the names that are one token after a space, with its id."""
    found = {}
    for name in names:
        try:
            found[name] = model.token_id(f" {name}")
        except ValueError:
            continue
    return found


def expected_at(
    model: Model, prompt: str, words: dict[str, int], steer: Steer, base: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return unsteered and steered log-probabilities; `base`, where known, is not run again."""
    ids = list(words.values())
    if base is not None:
        return base, model.next_token([prompt], steers=[[steer]], tokens=ids)[0]
    both = model.next_token([prompt, prompt], steers=[[], [steer]], tokens=ids)
    return both[0], both[1]


def placebos_of(n: int) -> dict[str, int]:
    """Return how many placebo planes of each kind a view asks for, by its number."""
    return {"random": min(n, N_PLANES["random"]), "span": n}


def around(
    model: Model,
    circle: FittedCircle,
    hand: Hand,
    writing: Writing,
    *,
    placebo: int,
    report: Report,
) -> Wheel:
    """Turn a whole wheel: words over the standard prompts, one text per angle after the hand's.

    Parameters
    ----------
    model : Model
    circle : FittedCircle
    hand : Hand
        Its strength, prompt and seed are those of the wheel.
    writing : Writing
        Of each text.
    placebo : int
        Of the span, see `placebos_of`; for the words alone.
    report : callable(fraction, text)
        The words are three fifths of the work; may raise to end it.
    """
    from volvelle.experiments.circles.steer_around import steer_around

    wheel = steer_around(
        model,
        circle,
        strengths=(hand.strength,),
        placebo=placebos_of(placebo),
        seed=hand.seed,
        progress=share(report, 0, 0.6),
    )
    texts = steer_around(
        model,
        circle,
        [hand.prompt],
        strengths=(hand.strength,),
        words=[wheel.names[0]],
        placebo=0,
        samples=1,
        **writing.told,
        seed=hand.seed,
        progress=share(report, 0.6, 1, "texts around the wheel · "),
    )
    return replace(wheel, texts=texts.texts)


def write(
    model: Model,
    hand: Hand,
    turned: Steer,
    writing: Writing,
    *,
    show: Callable[[dict[str, Any]], None],
    report: Report,
) -> dict[str, Any]:
    """Write on from a prompt, unsteered and steered side by side, and show it as it comes.

    Parameters
    ----------
    model : Model
    hand : Hand
        Shown with the texts; its prompt and seed are read.
    turned : Steer
        Of the hand.
    writing : Writing
    show : callable(picture)
        Called as tokens come, at most every `PICTURE_S`: ``base`` and ``steered``, the token
        strings so far, ``at``, and ``done``, which is False.
    report : callable(fraction, text)
        Called as often; may raise to end the writing.

    Returns
    -------
    dict
        The same of the whole texts, ``done`` True; besides, the steered row's ``ratio``, and
        ``perplexity`` of both, None where it is not finite.
    """
    from volvelle.experiments.steering.steer import steer

    ids: dict[float, list[int]] = {0.0: [], 1.0: []}
    at = asdict(hand)
    sent = 0.0

    def on_token(key: Any, step: int, token: int, _logprob: float, _watched: Any) -> None:
        nonlocal sent
        if step == len(ids[key.strength]):
            ids[key.strength].append(int(token))
        if time.monotonic() - sent >= PICTURE_S:
            sent = time.monotonic()
            report(step / writing.tokens, "writing")
            base, steered = (list(model.tokens(row).strings) for row in ids.values())
            show({"base": base, "steered": steered, "at": at, "done": False})

    run = steer(
        model,
        hand.prompt,
        [turned],
        strengths=(1,),
        placebo=0,
        **writing.told,
        seed=hand.seed,
        on_token=on_token,
    )
    base, steered = run.row(0.0), run.row(1.0)
    perplexity = [float(row.perplexity) for row in (base, steered)]
    return {
        "base": list(base.strings),
        "steered": list(steered.strings),
        "at": at,
        "done": True,
        "ratio": round(float(steered.ratio), 4),
        "perplexity": [p if np.isfinite(p) else None for p in perplexity],
    }
