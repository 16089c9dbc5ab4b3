"""Texts of views: whole ones, whoever sets them."""

from __future__ import annotations

from typing import Any

import traitlets

from volvelle.arguments.texts import clean, cleaned


class WholeText(traitlets.Unicode):
    """A text; halves of characters in it are replaced, as `clean` does."""

    def validate(self, obj: Any, value: Any) -> str:
        """Return a text that files, pages and tokenizers take."""
        if not isinstance(value, str):  # traitlets would decode bytes
            self.error(obj, value)
        return clean(super().validate(obj, value))


class Dict(traitlets.Dict):
    """Values by name; every text in it, names too, is `clean`."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return a dict whose texts files, pages and tokenizers take."""
        try:
            return super().validate(obj, cleaned(value))
        except ValueError as error:
            raise traitlets.TraitError(f"{self.name}: {error}") from error
