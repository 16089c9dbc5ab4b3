"""The view of a model's circle of emotions: a dial that reads text and turns the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import List, TraitError, observe, validate

from volvelle.arguments.said import seen
from volvelle.compute.circles.placebos import N_PLANES
from volvelle.models.plan import MOST_WRITTEN
from volvelle.models.verbs.writing import Writing
from volvelle.views.circles import wire
from volvelle.views.circles.dial import Dial, told_apart
from volvelle.views.circles.inquiry import Inquiry
from volvelle.views.circles.steps import Steps, WorkStep
from volvelle.views.circles.turning import Hand
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.check import MOST_WHOLE
from volvelle.views.kit.choice import Choice
from volvelle.views.kit.numbers import Float, Int
from volvelle.views.kit.texts import Dict, WholeText
from volvelle.views.kit.view import View, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.experiments.circles.wheel import Wheel
    from volvelle.models.model import Model
    from volvelle.views.circles.reading import Trail
    from volvelle.views.circles.steps import Report
    from volvelle.views.circles.turning import Expected

PLANES = ("circle", "random", "span")
TABLES = ("names", "tokens", "words", "layers", "wheel")


class EmotionCircle(Dial, View):
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
        Initial values of the traits: those below, and those of `Dial`.

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

    layer = Int(-1).tag(sync=True)
    """The block whose circle is shown, counted from 0; -1 until one is picked."""
    text = WholeText("").tag(sync=True)
    """The text whose tokens lie on the dial; setting it runs the model."""
    texts = List(WholeText()).tag(sync=True)
    """Several texts to compare. Empty while there is one."""
    prompt = WholeText("Right now I am feeling").tag(sync=True)
    """What the turned model continues."""
    mode = Choice(["words", "text"], "words").tag(sync=True)
    """What turning the hand shows: probabilities of the next word, or written text."""
    plane = Choice(list(PLANES), "circle").tag(sync=True)
    """What is turned: the circle's plane, or a placebo: a random one, or one in the names' span."""
    max_new_tokens = Int(24).tag(sync=True)
    """Length of written text, in tokens."""
    temperature = Float(0.0).tag(sync=True)
    """Of written text; 0 takes the likeliest token."""
    seed = Int(0).tag(sync=True)
    """Of placebo planes and of sampled text."""
    placebo = Int(N_PLANES["span"]).tag(sync=True)
    """Placebo planes in the names' span around the wheel, and as many random ones, at most 10."""

    # one record each, empty while there is none: see wire.py, and `turning.write`
    _layers = Dict().tag(sync=True, of=wire.LayersWire)
    _trail = Dict().tag(sync=True, of=wire.TrailWire)
    _expected = Dict().tag(sync=True, of=wire.ExpectedWire)
    _written = Dict().tag(sync=True, of=wire.WrittenText)
    _wheel = Dict().tag(sync=True, of=wire.WheelWire)

    def __init__(
        self,
        model: Model | FittedCircle | None = None,
        circle: FittedCircle | Model | None = None,
        text: str | Sequence[str] = "",
        **traits: Any,
    ) -> None:
        model, circle = told_apart(model, circle)
        self.wheel: Wheel | None = None
        self._ask = Inquiry(model)
        self._steps = Steps(
            WorkStep("circle", self._find, self._show),
            WorkStep("trail", self._place, self._put("_trail", wire.trail_wire)),
            WorkStep("words", self._expect, self._put("_expected", wire.expected_wire)),
            WorkStep("text", self._write, self._put("_written", dict)),
            WorkStep("wheel", self._turn, self._show_wheel),
            hold=self.hold_sync,
        )
        texts = {"text": text} if isinstance(text, str) else {"texts": list(text)}
        super().__init__(**(texts | traits))
        self._facts = self._ask.facts
        if circle is not None:
            with self._quietly():
                wanted = self.layer
                self._show(circle)
                if wanted not in (-1, circle.point.layer):
                    self.layer = wanted
        if self._ask.here:
            self.run()
        self._make_plan()

    # -- what a step needs, and how it is shown -------------------------------------------

    @property
    def _read(self) -> list[str]:
        return list(self.texts) or ([self.text] if self.text else [])

    @property
    def _hand(self) -> Hand:
        layer = self.circle.point.layer
        return Hand(self.angle, self.strength, self.plane, self.prompt, layer, self.seed)

    @property
    def _writing(self) -> Writing:
        return Writing(self.max_new_tokens, self.temperature, seed=self.seed)

    def _find(self, say: Report) -> FittedCircle:
        return self._ask.circle(self._circle, self.layer, say)

    def _place(self, say: Report) -> Trail:
        return self._ask.trail(self.circle, self._read, say)

    def _expect(self, say: Report) -> Expected:
        return self._ask.words(self.circle, self._hand, say)

    def _write(self, say: Report) -> dict[str, Any]:
        show = self._work.while_newest(self._put("_written", dict))
        return self._ask.text(self.circle, self._hand, self._writing, show, say)

    def _turn(self, say: Report) -> Wheel:
        return self._ask.wheel(self.circle, self._hand, self._writing, self.placebo, say)

    def _show(self, circle: FittedCircle) -> None:
        with self._quietly(), self.hold_sync():
            if self._circle is not None and circle is not self._circle:
                # what was found in another layer
                self._trail, self._expected, self._written, self._wheel = {}, {}, {}, {}
            self._lay_out(circle, **self._ask.facts)
            self._layers = wire.layers_wire(getattr(circle, "layers", None)) or self._layers
            self.layer = circle.point.layer

    def _put(self, trait: str, record: Callable[[Any], Any]) -> Callable[[Any], None]:
        return lambda found: self.set_trait(trait, record(found))

    def _show_wheel(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self._wheel = wire.wheel_wire(wheel)

    # -- work -----------------------------------------------------------------------------

    def _want(self, *steps: str) -> EmotionCircle:
        """Add to what is to be done, and do it all; what runs now is begun again if unfinished."""
        model = self._ask.model
        with self._lock:
            self._steps.todo.update(steps)
            self._start(model, self._steps.do, lambda _none: self._make_plan())
        return self

    def _make_plan(self) -> None:
        """Say what Run will send, where it sends anything."""
        self._plan = self._ask.plan(
            self._circle,
            self._read,
            mode=self.mode,
            prompt=self.prompt,
            n_new=self.max_new_tokens,
            placebo=self.placebo,
        )

    def run(self) -> EmotionCircle:
        """Do what the present traits ask for: find the circle, read the text, turn the hand."""
        return self._want("circle", self.mode, *(["trail"] if self._read else []))

    def around(self) -> EmotionCircle:
        """Turn the whole wheel at the present strength. Returns at once; see `wheel`."""
        if self.strength == 0:
            raise ValueError("strength is 0: the wheel would turn nothing; lengthen the hand")
        return self._want("circle", "wheel")

    def stop(self) -> EmotionCircle:
        """Drop queued and running work; the last result stays."""
        self._steps.todo.clear()
        return super().stop()

    # -- traits set by anyone -------------------------------------------------------------

    @validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> int:
        layer = proposal["value"]
        n = max(len(self._layers.get("points", ())) - 1, 0) or self._ask.n_layers
        # -1 is the best one, until one is shown
        if n > 0 and not -(self._circle is None) <= layer < n:
            raise TraitError(f"layer {layer} is outside 0...{n - 1}")
        return layer

    @validate("max_new_tokens", "placebo", "temperature", "seed")
    def _check_size(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        written = name == "max_new_tokens"
        least, most = int(written), MOST_WRITTEN if written and self._ask.remote else 1000
        most = MOST_WHOLE if name == "seed" else most
        if not least <= value <= most:
            raise TraitError(f"{name} is {value}, expected {least}...{most}")
        return value

    @observe("layer")
    @reported
    def _new_layer(self, change: dict[str, Any]) -> None:
        if self._quiet or change["new"] < 0 or self._circle is None:
            return
        if not self._ask.here:
            self._show(self._ask.at(self._circle, change["new"]))
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
        if not self._read:
            self._steps.todo.discard("trail")
            self._trail = {}
        elif not self._ask.remote:
            self._want("circle", "trail")
        self._make_plan()

    @observe("mode", "max_new_tokens", "placebo", "prompt")
    @reported
    def _new_size(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        self._make_plan()

    @observe("angle", "strength", "plane", "prompt", "mode", "seed")
    @reported
    def _new_turn(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        # on a server nothing runs on a drag: there is Run
        if self._ask.here and not self._quiet:
            self._want("circle", self.mode)

    # -- what the browser asks ------------------------------------------------------------

    def _on_around(self) -> None:
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
        if what not in TABLES:
            raise ValueError(f"what is {seen(what)}, expected one of {', '.join(TABLES)}")
        if what == "layers":
            circle: Any = self.circle
            return circle.profile()
        if what == "wheel":
            return wire.wheel_frame(self.wheel)
        if what == "words":
            return wire.word_frame(self._expected)
        if what == "tokens":
            return wire.token_frame(self._trail, float(self._facts.get("ring", 1.0)))
        return self._names_frame()

    def _export_title(self) -> str:
        parts = [self._facts[key] for key in ("model", "point") if key in self._facts]
        return f"Circle of emotions: {', '.join(parts)}" if parts else "Circle of emotions"
