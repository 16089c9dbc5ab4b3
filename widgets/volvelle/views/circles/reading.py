"""What EmotionCircle reads: where the tokens of texts lie in the circle's plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.experiments.circles.plan import in_plane, neutral_mean
from volvelle.experiments.circles.stimuli import neutral_texts
from volvelle.views.circles.dial import ring_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

    Report = Callable[[float, str], None]

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


def neutral_centre(model: Model, circle: FittedCircle) -> np.ndarray:
    """Return the mean state of neutral sentences at the circle's point, shape (d_model,).

    The circle's own origin is that of last tokens of its templates, far from where running
    text lies; neutral text is the origin a token is read against.
    """
    asked = {circle.point: [neutral_mean()]}
    return model.observe(neutral_texts(), asked)[circle.point][0].means[0]


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
    from volvelle.models.verbs.capture import find_outliers

    asked = {circle.point: in_plane(circle)}
    ((xy, norms),) = model.observe(tokens, asked, reuse=len(tokens) <= 8, progress=report).values()
    xy = xy - circle.plane @ np.asarray(centre, np.float64)
    ends = np.cumsum([len(each) for each in tokens])[:-1]
    return [
        # neither the first of a text nor outliers
        (here, (np.arange(len(norm)) > 0) & ~find_outliers(norm[None], norm[None] >= 0)[0])
        for here, norm in zip(np.split(xy, ends), np.split(norms, ends), strict=True)
    ]
