"""The traits of EmotionCircle beside those of its dial, and how they are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Dict, Enum, Float, HasTraits, Int, List, TraitError, Unicode, validate

from volvelle.compute.circles.placebos import N_PLANES
from volvelle.models.plan import MOST_WRITTEN
from volvelle.views.kit.arrays import Array

if TYPE_CHECKING:
    from volvelle.compute.circles.layers import LayerScores
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.views.circles.emotion_work import Expected, Trail

PLANES = ("circle", "random", "span")
PROMPT = "Right now I am feeling"


class EmotionTraits(HasTraits):
    """What Python and the browser share of reading and steering with a circle."""

    layer = Int(-1).tag(sync=True)
    """The block whose circle is shown, counted from 0; -1 until one is picked."""
    text = Unicode("").tag(sync=True)
    """The text whose tokens lie on the dial; setting it runs the model."""
    texts = List(Unicode()).tag(sync=True)
    """Several texts to compare. Empty while there is one."""
    prompt = Unicode(PROMPT).tag(sync=True)
    """What the turned model continues."""
    mode = Enum(["words", "text"], "words").tag(sync=True)
    """What turning the hand shows: probabilities of the next word, or written text."""
    plane = Enum(list(PLANES), "circle").tag(sync=True)
    """What is turned: the circle's plane, or a placebo: a random one, or one in the names' span."""
    max_new_tokens = Int(24).tag(sync=True)
    """Length of written text, in tokens."""
    temperature = Float(0.0).tag(sync=True)
    """Of written text; 0 takes the likeliest token."""
    seed = Int(0).tag(sync=True)
    """Of placebo planes and of sampled text."""
    placebo = Int(N_PLANES["span"]).tag(sync=True)
    """Placebo planes in the names' span around the wheel, and as many random ones, at most 10."""

    _layer_points = List(Unicode()).tag(sync=True)
    # per point: score, 95 % of the best of every shuffle, left-out read-out of either axis, p
    _layer_scores = Array("f4", (None, 5))
    _token_strings = List(Unicode()).tag(sync=True)
    # per token: coordinates over the ring's radius; NaN where left out
    _token_xy = Array("f4", (None, 2))
    _text_starts = Array("u4")
    _text_means = Array("f4", (None, 2))
    _words = List(Unicode()).tag(sync=True)
    # natural-log probabilities, unsteered and at the hand
    _base = Array("f4")
    _now = Array("f4")
    _now_at = Dict().tag(sync=True)
    _written = Dict().tag(sync=True)
    _wheel_words = List(Unicode()).tag(sync=True)
    # mean change of the log-probability, nats: word by angle
    _wheel_curves = Array("f4", (None, None))
    # per word: reference, held out, peak, amplitude, R2, 95 % of the placebos' amplitudes
    _wheel_fits = Array("f4", (None, 6))
    _wheel_base = Array("f4")
    _wheel = Dict().tag(sync=True)

    def _send_layers(self, layers: LayerScores | None) -> None:
        if layers is None:
            return
        self._layer_points = list(layers.points)
        limit = np.full(len(layers.points), layers.corrected_limit)
        columns = [layers.score, limit, layers.axes, layers.corrected]
        self._layer_scores = np.column_stack(columns)

    def _send_trail(self, trail: Trail) -> None:
        self._token_strings, self._token_xy = trail.strings, trail.xy
        self._text_starts, self._text_means = trail.starts, trail.means

    def _send_expected(self, expected: Expected) -> None:
        self._words = list(expected.words)
        self._base, self._now = expected.base, expected.now
        self._now_at = expected.at

    def _send_wheel(self, wheel: Wheel) -> None:
        waves = wheel.harmonics
        self._wheel_words = list(wheel.names)
        self._wheel_curves = wheel.response[0].T
        self._wheel_base = wheel.baseline.mean(axis=0)
        columns = [wheel.reference, wheel.held_out, wheel.peaks[0], waves.amplitude[0], waves.r2[0]]
        self._wheel_fits = np.column_stack([*columns, placebo_amplitudes(wheel)])
        self._wheel = {
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

    def _forget(self, *what: str) -> None:
        """Drop what was computed for another layer or model."""
        if "trail" in what:
            self._token_strings, self._token_xy = [], np.zeros((0, 2))
            self._text_starts, self._text_means = np.zeros(0), np.zeros((0, 2))
        if "words" in what:
            self._now, self._now_at = np.zeros(0), {}
        if "text" in what:
            self._written = {}
        if "wheel" in what:
            self._wheel, self._wheel_words = {}, []
            self._wheel_curves, self._wheel_fits = np.zeros((0, 0)), np.zeros((0, 6))

    @validate("max_new_tokens", "placebo", "temperature")
    def _check_size(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        least, most = (1 if name == "max_new_tokens" else 0), 1000
        if name == "max_new_tokens" and getattr(getattr(self, "_model", None), "remote", False):
            most = MOST_WRITTEN
        if not least <= value <= most:
            raise TraitError(f"{name} is {value}, expected {least}...{most}")
        return value


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
