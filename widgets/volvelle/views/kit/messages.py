"""What the browser tells a view: values of traits, and requests. Taken whole or not at all.

Texts are made whole (`arguments.texts.clean`) by the traits that take them, as those that Python
sets; numbers that are not finite are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywidgets import Widget
from traitlets import Bunch, TraitError, observe, validate

from volvelle.arguments.call import checked_in
from volvelle.arguments.texts import cleaned
from volvelle.names import unknown
from volvelle.views.kit.check import MOST_WHOLE, check, check_fields
from volvelle.views.kit.declared import page_writes, requests_of, type_of
from volvelle.views.kit.numbers import Int
from volvelle.views.kit.texts import Dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from volvelle.views.kit.work import Work

REQUEST = {"serial": int, "kind": str}


@checked_in
class Messages(Widget):
    """Takes what the browser sends; answers its requests in ``_on_<kind>(self, field: type)``."""

    _work: Work
    _quietly: Any
    run: Callable[[], Any]
    stop: Callable[[], Any]

    _request = Dict().tag(sync=True, of=dict[str, Any], page=True)
    """Intent of the browser: ``{"serial": 3, "kind": "stop", ...}``, serial counting up."""
    _answered = Int(0).tag(sync=True)
    """Serial of the last request that reached Python: tells the browser a kernel lives."""

    # -- requests -------------------------------------------------------------------------

    @validate("_request")
    def _check_request(self, proposal: dict[str, Any]) -> dict[str, Any]:
        request, asked = proposal["value"], requests_of(type(self))
        kind = request.get("kind")
        check(kind, str, "kind of request")
        if kind not in asked:
            raise TraitError(unknown("request", kind[:60], asked))
        known = REQUEST | asked[kind]
        check_fields(request, known, frozenset(known), f"request {kind!r}")
        return request

    @observe("_request")
    def _answer(self, change: dict[str, Any]) -> None:
        fields = dict(change["new"])
        self._answered = fields.pop("serial")
        with self._work.reporting():
            getattr(self, f"_on_{fields.pop('kind')}")(**fields)

    def _on_ping(self) -> None:
        """Answer only: the browser asks whether a kernel took what it sent."""

    def _on_stop(self) -> None:
        self.stop()

    def _on_run(self) -> None:
        self.run()

    # -- values of traits -----------------------------------------------------------------

    def set_state(self, sync_data: Any) -> None:
        """Take traits from the browser: all of a message, or nothing and a sentence in `error`."""
        taken = False
        with self._work.reporting():
            self._check_message(sync_data)
            self._prove(sync_data)
            self._take(sync_data)
            taken = True
        if not taken:
            self._put_back(sync_data)
        elif mended := [name for name, sent in sync_data.items() if cleaned(sent) != sent]:
            self.send_state(mended)  # halves of characters were replaced: the page shows as much

    def _check_message(self, message: Mapping[str, Any]) -> None:
        """Hold a message against the declared traits, before anything is made of it."""
        check(message, dict[str, Any], "a message of the page")
        traits = {name: trait for name, trait in self.traits().items() if name in self.keys}
        for name, value in message.items():
            if name not in traits:
                raise TraitError(unknown("trait", name[:60], self._page_writes))
            if not page_writes(traits[name]):
                raise TraitError(f"{name} came from the page, expected from Python alone")
            check(value, type_of(traits[name]), name)

    @property
    def _page_writes(self) -> list[str]:
        """Names of the traits that the page may write."""
        return [name for name, trait in self.traits(sync=True).items() if page_writes(trait)]

    def _prove(self, message: Mapping[str, Any]) -> None:
        """Raise what any trait's own check raises, all of the message set and nobody told."""
        traits: dict[str, Any] = self.traits()
        before = {name: getattr(self, name) for name in message}
        try:
            for name, value in message.items():
                read = traits[name].metadata.get("from_json")
                made = read(value, self) if read else value
                if made is not None:
                    made = traits[name].validate(self, made)
                self._trait_values[name] = made
            for name in message:
                if own := self._trait_validators.get(name):
                    proposal = Bunch(trait=traits[name], value=getattr(self, name), owner=self)
                    self._trait_values[name] = own(self, proposal)
        finally:
            self._trait_values.update(before)

    def _take(self, message: dict[str, Any]) -> None:
        """Set traits; where an observer fails, what the page may write is as it was."""
        names = [name for name in self._page_writes if name != "_request"]
        before = {name: getattr(self, name) for name in names}
        known = self._work.complaints
        super().set_state(message)
        if self._work.complaints > known:
            with self._quietly():
                for name in names:
                    if getattr(self, name) is not before[name]:
                        self.set_trait(name, before[name])

    def _put_back(self, message: Any) -> None:
        """Show the page what Python has in place of a message that was refused."""
        if not isinstance(message, dict):
            return
        asked = message.get("_request")
        serial = asked.get("serial") if isinstance(asked, dict) else None
        if type(serial) is int and 0 < serial <= MOST_WHOLE:
            self._answered = serial  # refused, yet heard
        self.send_state([name for name in message if name in self.keys])
