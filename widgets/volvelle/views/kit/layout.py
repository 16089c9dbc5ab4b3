"""A view's `Layout`: made when somebody asks for it, closed with the view it was made for."""

from __future__ import annotations

import weakref
from typing import Any

import anywidget
from ipywidgets import Layout, widget_serialization
from ipywidgets.widgets.trait_types import InstanceDict
from traitlets import default

from volvelle.arguments.call import checked_in

# Layouts that a view made for itself. One that is handed on to another view is left to that.
_made: weakref.WeakSet[Layout] = weakref.WeakSet()


class OwnedLayout(InstanceDict):
    """Knows which layouts its widget made, of a dict or by default, and which it was given."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Make a layout of a dict; of a given one, note that it is not the widget's to close."""
        if isinstance(value, dict):
            return super().validate(obj, obj._made_layout(Layout(**value)))  # noqa: SLF001
        if value not in (obj._layouts or ()):  # noqa: SLF001
            _made.discard(value)
        return super().validate(obj, value)


@checked_in
class LateLayout(anywidget.AnyWidget):
    """Has a layout only once it is looked at or given.

    ipywidgets makes one for every widget, a widget itself with a comm and a model on the page, and
    nothing ever closes it: it outlives the view it was made for, in the kernel as on the page.
    """

    layout = OwnedLayout(Layout).tag(sync=True, **widget_serialization)
    _layouts: list[Layout] | None = None

    def _made_layout(self, layout: Layout) -> Layout:
        """Take a layout for one to close with the view; returns it."""
        _made.add(layout)
        self._layouts = [*(self._layouts or ()), layout]
        return layout

    @default("layout")
    def _first_look(self) -> Layout:
        layout = self._made_layout(Layout())
        if self.comm is not None:
            # the page was told that there is none
            told = {"layout": f"IPY_MODEL_{layout.model_id}"}
            self._send({"method": "update", "state": told, "buffer_paths": []})
        return layout

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return what the page is told; of a layout nobody has looked at, that there is none."""
        keys = list(self.keys) if key is None else [key] if isinstance(key, str) else list(key)
        late = "layout" in keys and "layout" not in self._trait_values
        asked = [name for name in keys if name != "layout"] if late else keys
        state = super().get_state(asked, drop_defaults=drop_defaults)
        return state | {"layout": None} if late and not drop_defaults else state

    def close(self) -> None:
        """Leave the notebook, with the layouts that were made for it."""
        layouts, self._layouts = self._layouts or (), None
        super().close()
        for layout in layouts:
            if layout in _made:
                layout.close()
