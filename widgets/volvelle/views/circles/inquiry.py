"""What EmotionCircle asks of a model, and keeps, so that nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.experiments.circles import plan
from volvelle.views.circles import reading, turning
from volvelle.views.kit.server import on_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.models.model import Model
    from volvelle.models.verbs.writing import Writing
    from volvelle.views.circles.turning import Hand

    Report = Callable[[float, str], None]


class Inquiry:
    """The questions of an EmotionCircle.

    Parameters
    ----------
    model : Model or None
        Without one, a circle's own layers are all that can be asked for.
    """

    def __init__(self, model: Model | None) -> None:
        self._model = model
        self._layers: dict[int, FittedCircle] = {}
        self._centres: dict[str, np.ndarray] = {}
        self._single: dict[str, int] | None = None
        self._bases: dict[str, np.ndarray] = {}

    @property
    def model(self) -> Model:
        """The model, without which nothing is read or turned."""
        if self._model is None:
            raise ValueError(
                "this view holds a circle and no model to run; make one with "
                "vv.EmotionCircle(model, circle)"
            )
        return self._model

    @property
    def here(self) -> bool:
        """Whether there is a model, and no server between: one that runs on every change."""
        return self._model is not None and not on_server(self._model)

    @property
    def remote(self) -> bool:
        """Whether the model is on a server, where nothing runs on a drag."""
        return on_server(self._model)

    @property
    def n_layers(self) -> int:
        """Of the model; 0 without one."""
        return 0 if self._model is None else self._model.n_layers

    @property
    def facts(self) -> dict[str, Any]:
        """What the page is told of the model."""
        return {} if self._model is None else {"model": self._model.name, "remote": self.remote}

    def circle(self, now: FittedCircle | None, layer: int, report: Report) -> FittedCircle:
        """Return the circle of a layer, -1 for the best one; `now` is the one shown."""
        from volvelle.experiments.circles.emotion_circle import emotion_circle

        if now is None:
            return emotion_circle(self.model, None if layer < 0 else layer, progress=report)
        if layer in (-1, now.point.layer):
            return now
        report(0.5, f"layer {layer} against its null")
        return self.at(now, layer)

    def at(self, now: FittedCircle, layer: int) -> FittedCircle:
        """Return the circle of another layer of the same texts."""
        self._layers[now.point.layer] = now
        if layer not in self._layers:
            of_layer: Any = getattr(now, "at", None)
            if of_layer is None:
                raise ValueError("this circle holds one layer; vv.emotion_circle(model) holds all")
            self._layers[layer] = of_layer(layer)
        return self._layers[layer]

    def trail(self, circle: FittedCircle, texts: Sequence[str], report: Report) -> reading.Trail:
        """Return where the tokens of texts lie, from the mean of neutral sentences."""
        point = str(circle.point)
        if point not in self._centres:
            report(0.1, "reading neutral sentences for the origin")
            self._centres[point] = reading.neutral_centre(self.model, circle)
        return reading.trail_of(self.model, circle, texts, self._centres[point], report)

    def words(self, circle: FittedCircle, hand: Hand, report: Report) -> turning.Expected:
        """Return what the model expects next, unsteered and at the hand."""
        report(0.2, "asking for the next word")
        if self._single is None:
            self._single = turning.single_words(self.model, circle.names)
        known = self._bases.get(hand.prompt)
        base, now = turning.expected_at(
            self.model, hand.prompt, self._single, hand.steer(circle), known
        )
        self._bases = {hand.prompt: base}
        return turning.Expected(tuple(self._single), base, now, hand)

    def text(
        self,
        circle: FittedCircle,
        hand: Hand,
        writing: Writing,
        show: Callable[[dict[str, Any]], None],
        report: Report,
    ) -> dict[str, Any]:
        """Return what the model writes, unsteered and at the hand, shown as it comes."""
        turned = hand.steer(circle)
        return turning.write(self.model, hand, turned, writing, show=show, report=report)

    def wheel(
        self, circle: FittedCircle, hand: Hand, writing: Writing, placebo: int, report: Report
    ) -> Wheel:
        """Return what every angle gives at the hand's strength."""
        return turning.around(self.model, circle, hand, writing, placebo=placebo, report=report)

    def plan(
        self,
        circle: FittedCircle | None,
        texts: Sequence[str],
        *,
        mode: str,
        prompt: str,
        n_new: int,
        placebo: int,
    ) -> str:
        """Return what Run will send; empty where the model is here.

        Parameters
        ----------
        circle : FittedCircle or None
            The one shown; None while it is to be looked for.
        texts : sequence of str
            To place on the dial.
        mode : {"words", "text"}
        prompt : str
        n_new : int
            Tokens to write.
        placebo : int
            As `placebos_of` takes it.
        """
        if not self.remote:
            return ""
        if circle is None:
            return plan.finding_emotions(self.model)
        return plan.turning(
            self.model,
            circle,
            texts,
            mode=mode,
            n_prompts=1 if prompt in self._bases else 2,
            n_new=n_new,
            n_placebos=sum(turning.placebos_of(placebo).values()),
            centred=str(circle.point) in self._centres,
        )
