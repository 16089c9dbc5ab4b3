"""The view of a model's circle of emotions: a dial that reads text and turns the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import TraitError, observe, validate

from volvelle.compute.circles.circle import FittedCircle
from volvelle.views.circles import emotion_work as work
from volvelle.views.circles.emotion_jobs import EmotionJobs
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.view import View, reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from volvelle.models.model import Model


TABLES = ("names", "tokens", "words", "layers", "wheel")


class EmotionCircle(EmotionJobs, View):
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
    >>> vv.steer(model, "When I woke up,", view.steer, strengths=(0, 1))
    """

    _esm = bundle("emotion_circle")

    def __init__(
        self,
        model: Model | None = None,
        circle: Any = None,
        text: str | Sequence[str] = "",
        **traits: Any,
    ) -> None:
        if isinstance(model, FittedCircle):
            model, circle = circle, model
        self._begin(model)
        texts = {"text": text} if isinstance(text, str) else {"texts": list(text)}
        super().__init__(None, **(texts | traits))
        if circle is not None and not isinstance(circle, FittedCircle):
            raise TypeError(
                f"circle is a {type(circle).__name__}, expected what vv.emotion_circle(model) gives"
            )
        if model is not None:
            self._facts = {"model": model.name, "remote": bool(model.remote)}
        if circle is not None:
            with self._quietly():
                wanted = self.layer
                self._show_circle(circle)
                if wanted not in (-1, circle.point.layer):
                    self.layer = wanted
        if model is not None and not model.remote:
            self.run()
        self._make_plan()

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
            self._make_plan()
            return
        self.run()

    @observe("text", "texts")
    @reported
    def _new_text(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        with self._quietly():
            if change["name"] == "text":
                self.texts = []
            elif self.texts:
                self.text = ""
        if not self.text and not self.texts:
            self._todo.discard("trail")
            self._forget("trail")
        elif self._model is None or not self._model.remote:
            self._needs_model()
            self._want({"circle", "trail"})
        self._make_plan()

    @observe("mode", "max_new_tokens", "placebo", "prompt")
    @reported
    def _new_size(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        self._make_plan()

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
        ring = float(self._facts.get("ring", 1.0))
        return work.token_frame(self._token_strings, self._token_xy, self._text_starts, ring)

    def _export_title(self) -> str:
        facts = self._facts
        parts = [facts[key] for key in ("model", "point") if key in facts]
        return f"Circle of emotions: {', '.join(parts)}" if parts else "Circle of emotions"
