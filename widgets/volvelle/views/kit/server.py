"""Whether nothing runs by itself: the one question a view asks about where its model is."""

from __future__ import annotations

from typing import TypeGuard, TypeVar

M = TypeVar("M")


def on_server(model: M | None) -> TypeGuard[M]:
    """Return whether a model is on a server, where each run is asked for; not where there is none.

    Parameters
    ----------
    model : Model or None
    """
    return bool(getattr(model, "remote", False))
