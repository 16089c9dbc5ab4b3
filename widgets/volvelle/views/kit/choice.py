"""A trait that is one of a few words."""

from __future__ import annotations

from typing import Any

import traitlets


class Choice(traitlets.Enum[str]):
    """One of a few texts; anything else is refused, whatever its ``==`` says."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the word, or say what came."""
        if not isinstance(value, str):
            self.error(obj, value)
        return super().validate(obj, value)
