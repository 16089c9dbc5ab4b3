"""What EmotionCircle found, as its page takes it, and as data frames."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from volvelle.views.kit.arrays import Packed, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from volvelle.compute.circles.layers import LayerScores
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.views.circles.reading import Trail
    from volvelle.views.circles.turning import Expected


class LayersWire(TypedDict, total=False):
    """The profile over layers."""

    points: list[str]
    scores: Packed


class TrailWire(TypedDict, total=False):
    """Tokens of texts in the circle's plane."""

    strings: list[str]
    xy: Packed
    starts: Packed
    means: Packed


class HandAt(TypedDict):
    """What a result at the hand was computed for."""

    angle: float
    strength: float
    plane: str
    prompt: str
    layer: int
    seed: int


class ExpectedWire(TypedDict, total=False):
    """Chances of words as the next token."""

    words: list[str]
    base: Packed
    now: Packed
    at: HandAt


class WrittenText(TypedDict, total=False):
    """Text at the hand, as it is written."""

    base: list[str]
    steered: list[str]
    at: HandAt
    done: bool
    ratio: float
    perplexity: list[float | None]


class WheelText(TypedDict):
    """A text written at one angle of the wheel; None is the unsteered one."""

    angle: float | None
    text: str
    valence: float | None


class WheelWire(TypedDict, total=False):
    """What a turn around the wheel gave."""

    words: list[str]
    curves: Packed
    fits: Packed
    base: Packed
    angles: list[float]
    strength: float
    says: str
    n_prompts: int
    prompts: list[str]
    placebos: dict[str, int]
    left_out: list[str]
    texts: list[WheelText]
    text_prompt: str


def layers_wire(layers: LayerScores | None) -> LayersWire:
    """Return per point: score, 95 % of the best of every shuffle, both axes' read-out, p."""
    if layers is None:
        return {}
    limit = np.full(len(layers.points), layers.corrected_limit)
    columns = [layers.score, limit, layers.axes, layers.corrected]
    return {"points": list(layers.points), "scores": _packed(np.column_stack(columns))}


def trail_wire(trail: Trail) -> TrailWire:
    """Return the tokens of texts, with coordinates over the ring's radius."""
    return {
        "strings": list(trail.strings),
        "xy": _packed(trail.xy),
        "starts": _packed(trail.starts, np.uint32),
        "means": _packed(trail.means),
    }


def expected_wire(expected: Expected) -> ExpectedWire:
    """Return natural-log probabilities of words, unsteered and at a hand."""
    return {
        "words": list(expected.words),
        "base": _packed(expected.base),
        "now": _packed(expected.now),
        "at": HandAt(**asdict(expected.at)),
    }


def wheel_wire(wheel: Wheel) -> WheelWire:
    """Return a wheel: curves in nats, word by angle; fits, word by number."""
    waves = wheel.harmonics
    columns = [wheel.reference, wheel.held_out, wheel.peaks[0], waves.amplitude[0], waves.r2[0]]
    return {
        "words": list(wheel.names),
        "curves": _packed(wheel.response[0].T),
        # reference, held out, peak, amplitude, R2, 95 % of the placebos' amplitudes
        "fits": _packed(np.column_stack([*columns, placebo_amplitudes(wheel)])),
        "base": _packed(wheel.baseline.mean(axis=0)),
        "angles": wheel.angles.tolist(),
        "strength": float(wheel.strengths[0]),
        "says": wheel.says(),
        "n_prompts": len(wheel.prompts),
        "prompts": list(wheel.prompts),
        "placebos": {kind: len(planes) for kind, planes in wheel.placebos.items()},
        "left_out": list(wheel.left_out),
        "texts": [
            {
                "angle": None if np.isnan(t.angle) else t.angle,
                "text": t.text,
                "valence": None if np.isnan(t.valence) else t.valence,
            }
            for t in wheel.texts
        ],
        "text_prompt": wheel.texts[0].prompt if wheel.texts else "",
    }


def placebo_amplitudes(wheel: Wheel) -> np.ndarray:
    """Return what 95 % of the placebo planes' amplitudes stay below, per word, nats."""
    from volvelle.compute.circles.angles import first_harmonic

    if not wheel.placebos:
        return np.full(len(wheel.names), np.nan)
    around = np.radians(wheel.angles)
    limits = []
    for planes in wheel.placebos.values():
        curves = planes[:, 0].mean(axis=-2).swapaxes(-1, -2)
        limits.append(np.quantile(first_harmonic(curves, around).amplitude, 0.95, axis=0))
    return np.max(limits, axis=0)


def token_frame(trail: Mapping[str, Any], ring: float) -> pd.DataFrame:
    """Return one row per token of a `trail_wire`, its coordinates in the unit of the vectors."""
    import pandas as pd

    xy = unpack(trail["xy"]) if trail else np.zeros((0, 2))
    starts = unpack(trail["starts"]) if trail else []
    return pd.DataFrame(
        {
            "text": np.searchsorted(starts, np.arange(len(xy)), side="right") - 1,
            "string": trail.get("strings", []),
            "x": xy[:, 0] * ring,
            "y": xy[:, 1] * ring,
            "angle": np.degrees(np.arctan2(xy[:, 1], xy[:, 0])) % 360,
        }
    )


def word_frame(expected: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per word of an `expected_wire`."""
    import pandas as pd

    base, now = (unpack(expected[key]) if expected else [] for key in ("base", "now"))
    words = expected.get("words", [])
    return pd.DataFrame({"word": words, "unsteered": base, "steered": now})


def wheel_frame(wheel: Wheel | None) -> pd.DataFrame:
    """Return one row per word: peak, amplitude and fit; empty before a wheel was turned."""
    import pandas as pd

    return pd.DataFrame() if wheel is None else wheel.to_pandas()


def _packed(numbers: np.ndarray | Sequence[Any], dtype: Any = np.float32) -> Packed:
    return pack(np.asarray(numbers, dtype))
