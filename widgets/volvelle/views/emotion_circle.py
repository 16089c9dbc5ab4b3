"""The view of a model's circle of emotions: a dial that reads text and turns the model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import TraitError, observe, validate

from volvelle.compute.circle import Circle
from volvelle.models.worker import Cancelled
from volvelle.views import emotion_work as work
from volvelle.views.base import Stopped, View, reported
from volvelle.views.bundle import bundle
from volvelle.views.circular_manifold import CircularManifold
from volvelle.views.emotion_traits import EmotionTraits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from volvelle.experiments.circle_wheel import Wheel
    from volvelle.views.emotion_work import Report

# What there may be to do, in the order it is done.
WORK = ("circle", "trail", "words", "text", "wheel")
FRAME_SECONDS = 0.08  # a dozen pictures a second read as flowing
TABLES = ("names", "tokens", "words", "layers", "wheel")


class EmotionCircle(EmotionTraits, CircularManifold, View):
    """A model's emotions on a dial, which reads any text and turns the model.

    Parameters
    ----------
    model : volvelle.Model or Circle
        A model's circle is looked for over all layers first (`volvelle.emotion_circle`). A
        circle alone is shown, with its layers, but reads and steers nothing.
    circle : Circle, optional
        One that is there already.
    text : str or sequence of str
        What to read: one text, or several to compare.
    **traits
        Initial values of the traits: public names of `CircleTraits` and `EmotionTraits`.

    Attributes
    ----------
    wheel : Wheel or None
        What the last turn around the wheel gave.

    Examples
    --------
    >>> view = vv.EmotionCircle(model, text="She laughed. Then the phone rang.")
    >>> view.angle, view.strength = 205, 0.15
    >>> vv.steer(model, "When I woke up,", view.steer)
    """

    _esm = bundle("emotion_circle")

    def __init__(
        self,
        model: Any = None,
        circle: Any = None,
        text: str | Sequence[str] = "",
        **traits: Any,
    ) -> None:
        if isinstance(model, Circle):
            model, circle = circle, model
        self._model = model
        self._todo: set[str] = set()
        self._layers: dict[int, Circle] = {}
        self._centres: dict[str, np.ndarray] = {}
        self._single: dict[str, int] | None = None
        self._bases: dict[str, np.ndarray] = {}
        self._quiet = True
        self.wheel: Wheel | None = None
        texts = {"text": text} if isinstance(text, str) else {"texts": list(text)}
        super().__init__(None, **(texts | traits))
        if circle is not None and not isinstance(circle, Circle):
            raise TypeError(
                f"circle is a {type(circle).__name__}, expected what vv.emotion_circle(model) gives"
            )
        if model is not None:
            self._facts = {"model": model.name, "remote": bool(model.remote)}
        if circle is not None:
            wanted = self.layer
            self._show_circle(circle)
            if wanted not in (-1, circle.point.layer):
                self.layer = wanted
        self._quiet = False
        if model is not None and not model.remote:
            self.run()

    # -- work -----------------------------------------------------------------------------

    def run(self) -> EmotionCircle:
        """Do what the present traits ask for: find the circle, read the text, turn the hand."""
        if self._model is None:
            raise ValueError(
                "this view holds a circle and no model to run; make one with "
                "vv.EmotionCircle(model, circle)"
            )
        reading = {"trail"} if self.text or self.texts else set()
        return self._want({"circle", self.mode} | reading)

    def around(self) -> EmotionCircle:
        """Turn the whole wheel at the present strength. Returns at once; see `wheel`."""
        if self._model is None:
            raise ValueError("this view holds no model to turn; vv.EmotionCircle(model, circle)")
        if self.strength == 0:
            raise ValueError("strength is 0: the wheel would turn nothing; lengthen the hand")
        return self._want({"circle", "wheel"})

    def stop(self) -> EmotionCircle:
        """Drop queued and running work; the last result stays."""
        self._todo.clear()
        super().stop()
        return self

    def _want(self, what: set[str]) -> EmotionCircle:
        """Add to what is to be done, and do it all; what runs now is begun again if unfinished."""
        with self._lock:
            self._todo |= what
            self._start(self._model, self._do, lambda _none: None)
        return self

    def _do(self, report: Report) -> None:
        for what in WORK:
            if what not in self._todo:
                continue
            try:
                report(0.0, "")
                result = getattr(self, f"_make_{what}")(report)
                report(1.0, "")
            except (Stopped, Cancelled):
                raise
            except Exception:
                self._todo.discard(what)  # else it would fail again with whatever comes next
                raise
            with self._lock, self.hold_sync():
                report(1.0, "")
                getattr(self, f"_show_{what}")(result)
                self._todo.discard(what)

    def _make_circle(self, report: Report) -> Circle:
        from volvelle.experiments.circle_emotions import emotion_circle

        layer = None if self.layer < 0 else self.layer
        if self._circle is None:
            return emotion_circle(self._model, layer, progress=report)
        if layer is None or layer == self._circle.point.layer:
            return self._circle
        report(0.5, f"layer {layer} against its null")
        return self._at(layer)

    def _at(self, layer: int) -> Circle:
        if layer not in self._layers:
            at: Any = getattr(self.circle, "at", None)
            if at is None:
                raise ValueError("this circle holds one layer; vv.emotion_circle(model) holds all")
            self._layers[layer] = at(layer)
        return self._layers[layer]

    def _show_circle(self, circle: Circle) -> None:
        quiet, self._quiet = self._quiet, True
        try:
            with self.hold_sync():
                if self._circle is not None and circle is not self._circle:
                    self._forget("trail", "words", "text", "wheel")
                kept = {k: self._facts[k] for k in ("model", "remote") if k in self._facts}
                self._layers[circle.point.layer] = circle
                self._send_circle(circle, kept)
                self._send_layers(getattr(circle, "layers", None))
                self.layer = circle.point.layer
        finally:
            self._quiet = quiet

    def _make_trail(self, report: Report) -> work.Trail:
        texts = list(self.texts) or [self.text]
        point = str(self.circle.point)
        if point not in self._centres:
            report(0.1, "reading neutral sentences for the origin")
            self._centres[point] = work.neutral_centre(self._model, self.circle)
        return work.trail_of(self._model, self.circle, texts, self._centres[point], report)

    def _show_trail(self, trail: work.Trail) -> None:
        self._send_trail(trail)

    def _hand(self) -> dict[str, Any]:
        """Return what a result at the hand was computed for."""
        return {
            "angle": self.angle,
            "strength": self.strength,
            "plane": self.plane,
            "prompt": self.prompt,
            "layer": self.circle.point.layer,
            "seed": self.seed,
        }

    def _turned(self, at: dict[str, Any]) -> Any:
        return work.turned_steer(self.circle, at["plane"], at["angle"], at["strength"], at["seed"])

    def _make_words(self, report: Report) -> work.Expected:
        report(0.2, "asking for the next word")
        at = self._hand()
        if self._single is None:
            self._single = work.single_words(self._model, self.circle.names)
        base = self._bases.get(at["prompt"])
        base, now = work.expected_at(
            self._model, at["prompt"], self._single, self._turned(at), base
        )
        self._bases = {at["prompt"]: base}
        return work.Expected(tuple(self._single), base, now, at)

    def _show_words(self, expected: work.Expected) -> None:
        self._send_expected(expected)

    def _make_text(self, report: Report) -> dict[str, Any]:
        from volvelle.experiments.steer import steer

        model, at = self._model, self._hand()
        ids: dict[float, list[int]] = {0.0: [], 1.0: []}
        sent = 0.0

        def picture(*, done: bool) -> dict[str, Any]:
            told = {k: list(model.tokens(v).strings) for k, v in ids.items()}
            return {"base": told[0.0], "steered": told[1.0], "at": at, "done": done}

        def on_token(key: Any, step: int, token: int, _logprob: float, _watched: Any) -> None:
            nonlocal sent
            if key.strength in ids and step == len(ids[key.strength]):
                ids[key.strength].append(int(token))
            if time.monotonic() - sent >= FRAME_SECONDS:
                sent = time.monotonic()
                report(step / self.max_new_tokens, "writing")
                self._written = picture(done=False)

        run = steer(
            model,
            at["prompt"],
            [self._turned(at)],
            strengths=(1,),
            placebo=0,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
            on_token=on_token,
        )
        rows = {row.strength: row for row in run.rows}
        return picture(done=True) | {
            "base": list(rows[0.0].strings),
            "steered": list(rows[1.0].strings),
            "ratio": round(float(rows[1.0].ratio), 4),
            "perplexity": [_finite(rows[s].perplexity) for s in (0.0, 1.0)],
        }

    def _show_text(self, written: dict[str, Any]) -> None:
        self._written = written

    def _make_wheel(self, report: Report) -> Wheel:
        return work.around(
            self._model,
            self.circle,
            strength=self.strength,
            prompt=self.prompt,
            placebo=self.placebo,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
            report=report,
        )

    def _show_wheel(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self._send_wheel(wheel)

    # -- traits set by anyone -------------------------------------------------------------

    @validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> int:
        layer = proposal["value"]
        n = len(self._layer_points) - 1 or getattr(self._model, "n_layers", 0)
        if n > 0 and not -1 <= layer < n:
            raise TraitError(f"layer {layer} is outside 0...{n - 1}")
        return layer

    @observe("layer")
    @reported
    def _new_layer(self, change: dict[str, Any]) -> None:
        if self._quiet or change["new"] < 0 or self._circle is None:
            return
        if self._model is None or self._model.remote:
            self._show_circle(self._at(change["new"]))
            return
        self.run()

    @observe("text", "texts")
    @reported
    def _new_text(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        self._quiet = True
        try:
            if change["name"] == "text":
                self.texts = []
            elif self.texts:
                self.text = ""
        finally:
            self._quiet = False
        if not self.text and not self.texts:
            self._todo.discard("trail")
            self._forget("trail")
        elif self._model is None or not self._model.remote:
            self._needs_model()
            self._want({"circle", "trail"})

    @observe("angle", "strength", "plane", "prompt", "mode", "seed")
    @reported
    def _new_turn(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        # on a server nothing runs on a drag: there is Run
        if not self._quiet and self._model is not None and not self._model.remote:
            self._want({"circle", self.mode})

    def _needs_model(self) -> None:
        if self._model is None:
            raise ValueError(
                "this view holds no model to read a text with; vv.EmotionCircle(model, circle)"
            )

    # -- what the browser asks ------------------------------------------------------------

    def _on_around(self, request: dict[str, Any]) -> None:  # noqa: ARG002
        self.around()

    # -- out ------------------------------------------------------------------------------

    def to_pandas(self, what: str = "names") -> pd.DataFrame:
        """Return what the view shows.

        Parameters
        ----------
        what : {"names", "tokens", "words", "layers", "wheel"}
            ``"names"``: the circle. ``"tokens"``: one row per token of the texts, with its
            coordinates and angle. ``"words"``: next-token log-probabilities at the hand.
            ``"layers"``: the profile. ``"wheel"``: peak, amplitude and fit per word.
        """
        import pandas as pd

        if what not in TABLES:
            raise ValueError(f"what is {what!r}, expected one of {', '.join(TABLES)}")
        if what == "names":
            return super().to_pandas()
        if what == "layers":
            circle: Any = self.circle
            return circle.profile()
        if what == "wheel":
            return pd.DataFrame() if self.wheel is None else self.wheel.to_pandas()
        if what == "words":
            held: Any = self._now
            known = self._words[: len(held)]
            return pd.DataFrame({"word": known, "unsteered": self._base, "steered": held})
        xy: Any = self._token_xy
        starts: Any = self._text_starts
        index = np.arange(len(xy))
        ring = float(self._facts.get("ring", 1.0))
        return pd.DataFrame(
            {
                "text": np.searchsorted(starts, index, side="right") - 1,
                "string": self._token_strings,
                "x": xy[:, 0] * ring,
                "y": xy[:, 1] * ring,
                "angle": np.degrees(np.arctan2(xy[:, 1], xy[:, 0])) % 360,
            }
        )

    def _export_title(self) -> str:
        facts = self._facts
        parts = [facts[key] for key in ("model", "point") if key in facts]
        return f"Circle of emotions: {', '.join(parts)}" if parts else "Circle of emotions"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
