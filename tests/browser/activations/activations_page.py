"""Where things are in a FeatureActivations view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from browser.waits import shown

if TYPE_CHECKING:
    from playwright.sync_api import Locator

TEXT = "The old sailor laughed. In 1847, he said, he had never seen Paris."


class Page:
    """One view, found below a locator: a cell's output, or an exported page's body."""

    def __init__(self, within: Locator) -> None:
        self.root = within.locator(".vv-feature_activations")
        self.strip = self.root.locator(".vv-strip")
        self.chips = self.strip.locator(".vv-chip")
        self.card = self.root.locator(".vv-card")
        self.legend = self.root.locator(".vv-legend")
        self.list = self.root.locator(".vv-list")
        self.rows = self.list.locator(".vv-feature")
        self.filter = self.root.get_by_role("searchbox")
        shown(self.chips.first)

    def chip(self, text: str) -> Locator:
        """Return the chip of a token, spaces around it aside."""
        return self.chips.filter(has_text=re.compile(rf"^\s*{re.escape(text)}\s*$")).first

    def row(self, feature: int) -> Locator:
        """Return a feature's row of the list."""
        return self.list.locator(f"[id$='-{feature}']")

    def listed(self) -> list[int]:
        """Return the features of the list, from the top."""
        return [int(text) for text in self.rows.locator(".vv-index").all_inner_texts()]

    def tints(self) -> list[str]:
        """Return each chip's background."""
        return self.chips.evaluate_all("chips => chips.map(c => c.style.background)")

    def selected(self) -> list[int]:
        """Return the chips marked as selected."""
        return self.chips.evaluate_all(
            "chips => chips.flatMap((c, i) => c.ariaSelected === 'true' ? [i] : [])"
        )

    def shown(self) -> str:
        """Return the text of the strip, read off its chips."""
        return "".join(self.chips.evaluate_all("chips => chips.map(c => c.textContent)"))
