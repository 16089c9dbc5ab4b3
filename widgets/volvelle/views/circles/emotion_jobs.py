"""The work behind EmotionCircle: what is to be done, in order, on the model's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from volvelle.experiments.circles import plan
from volvelle.models.work.worker import Cancelled
from volvelle.views.circles import emotion_work as work
from volvelle.views.circles.circular_manifold import CircularManifold
from volvelle.views.circles.emotion_traits import EmotionTraits
from volvelle.views.kit.work import Stopped

if TYPE_CHECKING:
    import numpy as np

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.models.model import Model
    from volvelle.views.circles.emotion_work import Report

# What there may be to do, in the order it is done.
WORK = ("circle", "trail", "words", "text", "wheel")


class EmotionJobs(EmotionTraits, CircularManifold):
    """Makes and shows each thing an EmotionCircle holds."""

    def _begin(self, model: Model | None) -> None:
        """Set what must be there before any trait is."""
        self._model = model
        self._todo: set[str] = set()
        self._layers: dict[int, FittedCircle] = {}
        self._centres: dict[str, np.ndarray] = {}
        self._single: dict[str, int] | None = None
        self._bases: dict[str, np.ndarray] = {}
        self.wheel: Wheel | None = None

    @property
    def _asked(self) -> Model:
        """The model, without which there is nothing to do."""
        if self._model is None:
            raise ValueError("this view holds no model; vv.EmotionCircle(model, circle) has one")
        return self._model

    def _want(self, what: set[str]) -> Self:
        """Add to what is to be done, and do it all; what runs now is begun again if unfinished."""
        with self._lock:
            self._todo |= what
            self._start(self._asked, self._do, lambda _none: self._make_plan())
        return self

    def _make_plan(self) -> None:
        """Say what Run will send, where it sends anything."""
        if self._model is None or not self._model.remote:
            return
        if self._circle is None:
            self._plan = plan.finding_emotions(self._model)
            return
        self._plan = plan.turning(
            self._model,
            self._circle,
            list(self.texts) or ([self.text] if self.text else []),
            mode=self.mode,
            n_prompts=1 if self.prompt in self._bases else 2,
            n_new=self.max_new_tokens,
            n_placebos=sum(work.placebos_of(self.placebo).values()),
            centred=str(self._circle.point) in self._centres,
        )

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

    def _make_circle(self, report: Report) -> FittedCircle:
        from volvelle.experiments.circles.emotion_circle import emotion_circle

        layer = None if self.layer < 0 else self.layer
        if self._circle is None:
            return emotion_circle(self._asked, layer, progress=report)
        if layer is None or layer == self._circle.point.layer:
            return self._circle
        report(0.5, f"layer {layer} against its null")
        return self._at(layer)

    def _at(self, layer: int) -> FittedCircle:
        if layer not in self._layers:
            at: Any = getattr(self.circle, "at", None)
            if at is None:
                raise ValueError("this circle holds one layer; vv.emotion_circle(model) holds all")
            self._layers[layer] = at(layer)
        return self._layers[layer]

    def _show_circle(self, circle: FittedCircle) -> None:
        with self._quietly(), self.hold_sync():
            if self._circle is not None and circle is not self._circle:
                self._forget("trail", "words", "text", "wheel")
            kept = {k: self._facts[k] for k in ("model", "remote") if k in self._facts}
            self._layers[circle.point.layer] = circle
            self._send_circle(circle, kept)
            self._send_layers(getattr(circle, "layers", None))
            self.layer = circle.point.layer

    def _make_trail(self, report: Report) -> work.Trail:
        texts = list(self.texts) or [self.text]
        point = str(self.circle.point)
        if point not in self._centres:
            report(0.1, "reading neutral sentences for the origin")
            self._centres[point] = work.neutral_centre(self._asked, self.circle)
        return work.trail_of(self._asked, self.circle, texts, self._centres[point], report)

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
            self._single = work.single_words(self._asked, self.circle.names)
        base = self._bases.get(at["prompt"])
        base, now = work.expected_at(
            self._asked, at["prompt"], self._single, self._turned(at), base
        )
        self._bases = {at["prompt"]: base}
        return work.Expected(tuple(self._single), base, now, at)

    def _show_words(self, expected: work.Expected) -> None:
        self._send_expected(expected)

    def _make_text(self, report: Report) -> dict[str, Any]:
        def show(picture: dict[str, Any]) -> None:
            self._written = picture

        at = self._hand()
        return work.write(
            self._asked,
            at,
            self._turned(at),
            n=self.max_new_tokens,
            temperature=self.temperature,
            show=show,
            report=report,
        )

    def _show_text(self, written: dict[str, Any]) -> None:
        self._written = written

    def _make_wheel(self, report: Report) -> Wheel:
        return work.around(
            self._asked,
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
