"""What the browser tells a view: values of traits, and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywidgets import Widget
from traitlets import Dict, Int, observe

from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.views.kit.work import Work


class Messages(Widget):
    """Takes what the browser sends; answers its requests in ``_on_<kind>(request)``."""

    _fail: Callable[[Exception], None]
    _work: Work
    run: Callable[[], Any]
    stop: Callable[[], Any]

    _request = Dict().tag(sync=True)
    """Intent of the browser: ``{"serial": 3, "kind": "stop", ...}``, serial counting up."""
    _answered = Int(0).tag(sync=True)
    """Serial of the last request that reached Python: tells the browser a kernel lives."""

    @observe("_request")
    def _answer(self, change: dict[str, Any]) -> None:
        request = change["new"]
        if not request:
            return
        self._answered = int(request.get("serial", 0))
        kind = str(request.get("kind", ""))
        handler = getattr(self, f"_on_{kind}", None)
        if handler is None:
            kinds = [name[4:] for name in dir(self) if name.startswith("_on_")]
            self._fail(ValueError(unknown("request", kind, kinds)))
            return
        with self._work.reporting():
            handler(request)

    def _on_ping(self, request: dict[str, Any]) -> None:
        """Answer only: the browser asks whether a kernel took what it sent."""

    def _on_stop(self, request: dict[str, Any]) -> None:  # noqa: ARG002
        self.stop()

    def _on_run(self, request: dict[str, Any]) -> None:  # noqa: ARG002
        self.run()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take traits from the browser; what Python refuses is shown, and put back there."""
        try:
            super().set_state(sync_data)
        except Exception as error:  # noqa: BLE001  (the boundary: shown, logged, never lost)
            self._fail(error)
            self.send_state([key for key in sync_data if key in self.keys])
