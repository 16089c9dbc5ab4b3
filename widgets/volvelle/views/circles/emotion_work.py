"""What EmotionCircle asks of the model: where tokens lie, what it expects, what it writes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.circles.placebos import N_PLANES, placebo_planes
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.experiments.circles.stimuli import neutral_texts
from volvelle.views.circles.traits import ring_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

    Report = Callable[[float, str], None]

FRAME_SECONDS = 0.08  # a dozen pictures a second read as flowing
# A dial of more tokens than this is a blot.
MOST_TOKENS = 2000


@dataclass(frozen=True, eq=False)
class Trail:
    """Tokens of texts in a plane, over the ring's radius.

    Attributes
    ----------
    strings : list of str
    xy : array, float32, shape (n_tokens, 2)
        NaN for the first token of a text and for outliers, whose states are far off scale.
    starts : array, shape (n_texts,)
        First token of each text.
    means : array, shape (n_texts, 2)
        Of the tokens that count.
    """

    strings: list[str]
    xy: np.ndarray
    starts: np.ndarray
    means: np.ndarray


@dataclass(frozen=True, eq=False)
class Expected:
    """Next-token log-probabilities of words, unsteered and at the hand."""

    words: Sequence[str]
    base: np.ndarray
    now: np.ndarray
    at: dict[str, Any]


def neutral_centre(model: Model, circle: FittedCircle) -> np.ndarray:
    """Return the mean state of neutral sentences at the circle's point, shape (d_model,).

    The circle's own origin is that of last tokens of its templates, far from where running
    text lies; neutral text is the origin a token is read against.
    """
    if getattr(model, "remote", False):
        from volvelle.experiments.readouts.class_means import Classes, reduced_there

        texts, point = neutral_texts(), str(circle.point)
        one = Classes(np.zeros(len(texts), dtype=np.int64))
        found = model.call(lambda: reduced_there(model, texts, {point: "mean"}, one))
        if found is not None:
            return found[point].means[0]
    states = model.capture(list(neutral_texts()), [circle.point], positions="mean")
    return states[circle.point].mean(axis=0)


def trail_of(
    model: Model, circle: FittedCircle, texts: Sequence[str], centre: np.ndarray, report: Report
) -> Trail:
    """Read texts token by token in the circle's plane."""
    tokens = [model.tokens(text) for text in texts]
    n_tokens = sum(map(len, tokens))
    if n_tokens > MOST_TOKENS:
        raise ValueError(
            f"the text has {n_tokens:,} tokens, the dial shows up to {MOST_TOKENS:,}; show a part, "
            "and use circle.project for numbers over all of it"
        )
    longest = max(map(len, tokens), default=0)
    if longest > model.context:
        raise ValueError(f"the text has {longest} tokens, {model.name} reads {model.context}")
    strings, rows, means = [], [], []
    if longest:
        for each, (xy, usable) in zip(
            tokens, _in_plane(model, circle, tokens, centre, report), strict=True
        ):
            xy = np.where(usable[:, None], xy / ring_of(circle), np.nan)  # noqa: PLW2901
            strings += list(each.strings)
            rows.append(xy)
            # a text without usable tokens has no mean
            means.append(xy[usable].mean(axis=0) if usable.any() else [np.nan] * 2)
    lengths = [len(each) for each in tokens]
    return Trail(
        strings,
        np.concatenate(rows) if rows else np.zeros((0, 2)),
        np.cumsum([0, *lengths])[:-1],
        np.reshape(means, (-1, 2)),
    )


def _in_plane(
    model: Model, circle: FittedCircle, tokens: Sequence[Tokens], centre: np.ndarray, report: Report
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each text's coordinates (n_tokens, 2), and which of its tokens count."""
    point = str(circle.point)
    if getattr(model, "remote", False):
        from volvelle.experiments.readouts.observe import observed_there, points_there

        readers = {point: [np.asarray(circle.plane, np.float64)]}
        if points_there(model, tokens, readers):
            origin = circle.plane @ np.asarray(centre, np.float64)
            return [
                (seen[point].readings[0] - origin, _usable(seen[point].norms))
                for seen in model.call(lambda: observed_there(model, tokens, readers))
            ]
    captured = model.capture(tokens, [point], reuse=len(tokens) <= 8, progress=report)
    states, usable = captured[point], captured.usable
    return [
        (circle.project(states[row, : len(each)], centre=centre), usable[row, : len(each)])
        for row, each in enumerate(tokens)
    ]


def _usable(norms: np.ndarray) -> np.ndarray:
    """Say which tokens of a text are fit for means: neither the first nor outliers."""
    mask = np.ones((1, len(norms)), bool)
    from volvelle.models.verbs.capture import find_outliers

    return (np.arange(len(norms)) > 0) & ~find_outliers(norms[None], mask)[0]


def single_words(model: Model, names: Sequence[str]) -> dict[str, int]:
    """Return the names that are one token after a space, with its id."""
    found = {}
    for name in names:
        try:
            found[name] = model.token_id(f" {name}")
        except ValueError:
            continue
    return found


def turned_steer(
    circle: FittedCircle, plane: str, angle: float, strength: float, seed: int
) -> Steer:
    """Return the steer of a hand in the circle's plane, or in a placebo plane."""
    if plane == "circle":
        direction = circle.direction(angle)
    else:
        axes = placebo_planes(plane, 1, circle.dictionary.vectors, seed)[0]
        turn = np.radians(angle)
        vector = np.cos(turn) * axes[0] + np.sin(turn) * axes[1]
        direction = Direction(vector, f"{plane} {angle:g}°", circle.point)
    return Steer(direction, strength)


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
    *,
    strength: float,
    prompt: str,
    placebo: int,
    max_new_tokens: int,
    temperature: float,
    seed: int,
    report: Report,
) -> Wheel:
    """Turn a whole wheel: words over the standard prompts, one text per angle after `prompt`.

    Parameters
    ----------
    model : Model
    circle : FittedCircle
    strength : float
        Multiple of the point's median residual norm.
    prompt : str
        What the texts go on from.
    placebo : int
        Of the span, see `placebos_of`; for the words alone.
    max_new_tokens : int
        Of each text.
    temperature : float
        Of each text; 0 takes the likeliest token.
    seed : int
        Of placebo planes and sampled tokens.
    report : callable(fraction, text)
        The words are three fifths of the work; may raise to end it.
    """
    from volvelle.experiments.circles.steer_around import steer_around

    wheel = steer_around(
        model,
        circle,
        strengths=(strength,),
        placebo=placebos_of(placebo),
        seed=seed,
        progress=lambda f, text: report(0.6 * f, text),
    )
    texts = steer_around(
        model,
        circle,
        [prompt],
        strengths=(strength,),
        words=[wheel.names[0]],
        placebo=0,
        samples=1,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        progress=lambda f, text: report(0.6 + 0.4 * f, f"texts around the wheel · {text}"),
    )
    return replace(wheel, texts=texts.texts)


def write(
    model: Model,
    at: dict[str, Any],
    turned: Steer,
    *,
    n: int,
    temperature: float,
    show: Callable[[dict[str, Any]], None],
    report: Report,
) -> dict[str, Any]:
    """Write on from a prompt, unsteered and steered side by side, and show it as it comes.

    Parameters
    ----------
    model : Model
    at : dict
        What the hand stands at, shown with the texts; ``prompt`` and ``seed`` are read.
    turned : Steer
        Of the hand, as `turned_steer` returns it.
    n : int
        Tokens to write.
    temperature : float
        0 takes the likeliest token.
    show : callable(picture)
        Called as tokens come, at most every `FRAME_SECONDS`: ``base`` and ``steered``, the
        token strings so far, ``at``, and ``done``, which is False.
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
    sent = 0.0

    def on_token(key: Any, step: int, token: int, _logprob: float, _watched: Any) -> None:
        nonlocal sent
        if step == len(ids[key.strength]):
            ids[key.strength].append(int(token))
        if time.monotonic() - sent >= FRAME_SECONDS:
            sent = time.monotonic()
            report(step / n, "writing")
            base, steered = (list(model.tokens(row).strings) for row in ids.values())
            show({"base": base, "steered": steered, "at": at, "done": False})

    run = steer(
        model,
        at["prompt"],
        [turned],
        strengths=(1,),
        placebo=0,
        max_new_tokens=n,
        temperature=temperature,
        seed=at["seed"],
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


def token_frame(strings: Sequence[str], xy: Any, starts: Any, ring: float) -> pd.DataFrame:
    """Return one row per token, its coordinates in the unit of the vectors."""
    import pandas as pd

    index = np.arange(len(xy))
    return pd.DataFrame(
        {
            "text": np.searchsorted(starts, index, side="right") - 1,
            "string": strings,
            "x": xy[:, 0] * ring,
            "y": xy[:, 1] * ring,
            "angle": np.degrees(np.arctan2(xy[:, 1], xy[:, 0])) % 360,
        }
    )
