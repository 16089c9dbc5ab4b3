"""The controls of a Steering view as traits, each checked where it is set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from traitlets import Bool, HasTraits, List, TraitError, validate

from volvelle.arguments.texts import cleaned
from volvelle.compute.directions.points import Point
from volvelle.compute.steering.methods import METHODS, UNITS
from volvelle.models.plan import MOST_WRITTEN
from volvelle.names import unknown
from volvelle.views.kit.check import check
from volvelle.views.kit.choice import Choice
from volvelle.views.kit.numbers import Float, Int
from volvelle.views.kit.server import on_server
from volvelle.views.kit.texts import Dict, WholeText
from volvelle.views.steering.where import Places

if TYPE_CHECKING:
    from volvelle.compute.directions.directions import Direction
    from volvelle.models.model import Model
    from volvelle.views.steering.rows import Row

MOST_COLUMNS = 6  # strengths side by side; more is a sweep, for vv.steer
MOST_PLACEBOS = 1000
# What a run is made of, and what restoring it sets.
CONTROLS = (
    *("strengths", "units", "method", "methods", "points", "settings", "muted", "where"),
    *("prompt", "messages", "chat", "multiples", "watch", "placebo"),
    *("seed", "temperature", "max_new_tokens"),
)


# Bounds, and the value of each that bounds nothing.
NO_BOUND = {"min": -math.inf, "max": math.inf}


class MethodSettings(TypedDict, total=False):
    """A method's own parameters; a target is a number of clamp, a name of swap.

    None is no bound of min and max, and of the others as if they were not there.
    """

    c: float | None
    min: float | None
    max: float | None
    factor: float | None
    target: float | str | None


class ChatMessage(TypedDict):
    """One turn of a chat."""

    role: str
    content: str


class Controls(HasTraits):
    """What a person sets in a Steering view, and what one of its runs is made of."""

    _model: Model | None
    _all: dict[str, Row]

    strengths = Dict().tag(sync=True, of=dict[str, float])
    """Strength of each direction by name, in its unit; names left out are at 0, which is off."""
    units = Dict().tag(sync=True, of=dict[str, str])
    """Unit of each strength by name: ``norm`` (of the residual stream, the default), ``raw``
    (the vector as given), ``max_act`` (a feature's largest activation)."""
    method = Choice(list(METHODS), "add").tag(sync=True)
    """Method of every direction that `methods` does not name."""
    methods = Dict().tag(sync=True, of=dict[str, str])
    """Method by name, where it is not `method`."""
    points = Dict().tag(sync=True, of=dict[str, str])
    """Point by name, where it is not the direction's own: ``{"joy": "resid_post.12"}``."""
    settings = Dict().tag(sync=True, of=dict[str, MethodSettings])
    """A method's own parameters by name: ``{"joy": {"c": 0.5}}``; ``target`` of swap is a name. A
    bound that is None, or infinite, is none: ``{"joy": {"min": None, "max": None}}`` is neutral."""
    muted = List(WholeText()).tag(sync=True)
    """Names that are switched off, their strengths kept."""
    where = Places()
    """Which tokens are touched: a dict of text (``"all"``, ``"-5:"``), or a `vv.Where`."""
    prompt = WholeText("").tag(sync=True)
    """The text to continue. Empty while `messages` holds a chat."""
    messages = List(Dict()).tag(sync=True, of=list[ChatMessage])
    """Chat messages with ``role`` and ``content``, put in the model's template."""
    chat = Bool(False).tag(sync=True)
    """Put `prompt` in the chat template as the user's turn."""
    multiples = List(Float(), [1.0]).tag(sync=True)
    """One column per number: how many times the `strengths`. The unsteered text always stands
    beside them."""
    watch = List().tag(sync=True, of=list[str | list[str]])
    """Answers whose probability is followed, as texts exactly as written (mind the leading
    space); a list of texts counts its spellings together. `vv.steer` says what is measured."""
    placebo = Int(5).tag(sync=True)
    """Norm-matched random counterparts run beside each column, and as many of other features
    where there are SAE features."""
    seed = Int(0).tag(sync=True)
    """Of the noise tokens are drawn with, and of the placebos."""
    temperature = Float(0.0).tag(sync=True)
    """0 takes the likeliest token."""
    max_new_tokens = Int(48).tag(sync=True)
    """Length of the continuation, in tokens."""
    live = Bool(True).tag(sync=True)
    """Run when a control of the view is let go. Only for models that run here."""
    query = WholeText("").tag(sync=True)
    """Search in the labels of the SAE's features."""

    def remember(self, direction: Direction) -> None:
        """Keep a direction that is named but has no row."""
        raise NotImplementedError

    @validate("strengths")
    def _check_strengths(self, proposal: dict[str, Any]) -> dict[str, float]:
        found = dict.fromkeys(self._all, 0.0)
        for name, value in self._keyed(proposal).items():
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise TraitError(f"strengths: {name!r} is {value!r}, expected a finite number")
            found[name] = float(value)
        return found

    @validate("units", "methods")
    def _check_choices(self, proposal: dict[str, Any]) -> dict[str, str]:
        kind = proposal["trait"].name
        found = self._keyed(proposal)
        for name, value in found.items():
            row = self._all[name]
            options = row.methods if kind == "methods" else (*UNITS, "factor")
            if value not in options:
                raise TraitError(f"{kind} of {name!r}: {unknown(kind[:-1], value, options)}")
            if value == "max_act" and not all(d.a_max is not None for d in row.directions):
                raise TraitError(
                    f"units of {name!r}: max_act is for SAE features, which know their largest "
                    "activation; use norm or raw"
                )
        return found

    @validate("points")
    def _check_points(self, proposal: dict[str, Any]) -> dict[str, str]:
        found = {}
        for name, value in self._keyed(proposal).items():
            if not self._all[name].movable:
                raise TraitError(f"points: {name!r} acts at several points, which stay")
            try:
                point = self._model.layout.point(value) if self._model else Point.parse(value)
            except (TypeError, ValueError) as error:
                raise TraitError(f"points of {name!r}: {error}") from error
            found[name] = str(point)
        return found

    @validate("settings")
    def _check_settings(self, proposal: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, given in self._keyed(proposal).items():
            own: Any = given
            if isinstance(given, Mapping):  # from Python also with numpy's numbers
                own = {k: v.item() if hasattr(v, "item") else v for k, v in given.items()}
                own = {k: None if v == NO_BOUND.get(k) else v for k, v in own.items()}
            target: Any = own.get("target") if isinstance(own, dict) else None
            if hasattr(target, "vector"):
                own["target"] = target.name
            check(own, MethodSettings, f"settings[{name!r}]")
            if hasattr(target, "vector"):
                self.remember(target)
            found[name] = {k: v for k, v in own.items() if v is not None or k in NO_BOUND}
        return found

    def _keyed(self, proposal: dict[str, Any]) -> dict[str, Any]:
        self._known(proposal)
        return dict(proposal["value"])

    def _known(self, proposal: dict[str, Any]) -> None:
        for name in proposal["value"]:
            if name not in self._all:
                kind = proposal["trait"].name
                raise TraitError(f"{kind}: {unknown('direction', name, self._all)}")

    @validate("muted")
    def _check_muted(self, proposal: dict[str, Any]) -> list[str]:
        self._known(proposal)
        return list(proposal["value"])

    @validate("multiples")
    def _check_multiples(self, proposal: dict[str, Any]) -> list[float]:
        found = sorted({float(value) for value in proposal["value"]} - {0.0})
        if not found or len(found) > MOST_COLUMNS or not all(map(math.isfinite, found)):
            raise TraitError(
                f"multiples={proposal['value']} must be 1...{MOST_COLUMNS} finite numbers other "
                "than 0 (the unsteered text is always there); sweep with vv.steer"
            )
        return found

    @validate("watch")
    def _check_watch(self, proposal: dict[str, Any]) -> list[str | list[str]]:
        found: list[str | list[str]] = []
        for given in proposal["value"]:
            several = isinstance(given, (list, tuple))
            if not all(isinstance(one, str) and one for one in (given if several else [given])):
                raise TraitError(f"watch holds {given!r}; an answer is a text, or a list of them")
            if several and not given:
                raise TraitError("watch holds an answer without a spelling")
            one = cleaned(list(given) if several else given)
            if one not in found:  # an answer is followed once
                found.append(one)
        return found

    @validate("placebo", "max_new_tokens", "temperature", "seed")
    def _check_size(self, proposal: dict[str, Any]) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        least, most, of = 0, math.inf, ""
        if name == "placebo":
            most, of = MOST_PLACEBOS, f", at most {MOST_PLACEBOS}; more with vv.steer"
        if name == "max_new_tokens":
            least, model = 1, self._model
            if model is not None:
                most = MOST_WRITTEN if on_server(model) else getattr(model, "context", most)
                of = f", at most {most} for {model.name}"
        if not (least <= value <= most and math.isfinite(value)):
            raise TraitError(f"{name}={value} must be a finite number, {least} or more{of}")
        return value

    @validate("live")
    def _check_live(self, proposal: dict[str, Any]) -> bool:
        if proposal["value"] and on_server(self._model):
            raise TraitError("live is for models that run here; on a server, press Run")
        return proposal["value"]
