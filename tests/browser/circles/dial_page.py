"""Where things are in the views with a dial."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from browser.waits import at_rest, shown

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Pairs of the dial's names whose boxes overlap by more than half a pixel.
OVERLAPS = """() => {
  const names = [...document.querySelectorAll('.vv-dial .vv-place text')]
    .map(e => [e.textContent, e.getBoundingClientRect()]);
  return [names.length, names.flatMap(([a, p], i) => names.slice(0, i)
    .filter(([, q]) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 0.5
      && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 0.5)
    .map(([b]) => `${a} / ${b}`))];
}"""


class Dial:
    """One dial, found below a locator."""

    def __init__(self, within: Locator, kind: str = "emotion_circle") -> None:
        self.page: Page = within.page
        self.root = within.locator(f".vv-{kind}")
        self.svg = self.root.locator(".vv-dial")
        self.disc = self.root.locator(".vv-dial-disc")
        self.hand = self.root.get_by_role("slider", name="hand of the dial")
        self.names = self.root.locator(".vv-place[role=button]")
        self.chips = self.root.locator(".vv-chip[data-token]")
        self.marks = self.root.locator(".vv-token-mark")
        self.words = self.root.locator(".vv-words li")
        shown(self.svg)

    def at(self, degrees: float, share: float) -> tuple[float, float]:
        """Return the point of the page at an angle and a share of the disc's radius."""
        box = self.disc.bounding_box()
        turn, radius = math.radians(degrees), share * box["width"] / 2
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        return x + radius * math.cos(turn), y - radius * math.sin(turn)

    def drag(self, start: float, end: float, share: float = 0.5) -> None:
        """Drag from one angle to another through a few places."""
        self.svg.scroll_into_view_if_needed()
        at_rest(self.page)
        mouse = self.page.mouse
        mouse.move(*self.at(start, share))
        mouse.down()
        for step in range(1, 6):
            mouse.move(*self.at(start + (end - start) * step / 5, share))
        mouse.up()

    def swipe(self, start: float, end: float, share: float = 0.5) -> None:
        """Drag as `drag` does, with a finger."""
        self.svg.scroll_into_view_if_needed()
        at_rest(self.page)
        browser = self.page.context.new_cdp_session(self.page)
        places = [self.at(start + (end - start) * step / 5, share) for step in range(6)]
        kinds = ["touchStart", *["touchMove"] * 5, "touchEnd"]
        for kind, place in zip(kinds, [*places, None], strict=True):
            points = [{"x": place[0], "y": place[1]}] if place else []
            browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        browser.detach()

    def ordered(self) -> list[str]:
        """Return the words of the bars, likeliest first."""
        return self.words.evaluate_all(
            """rows => rows
            .map(r => [Number(r.style.transform.match(/[\\d.]+/)[0]), r.dataset.word])
            .sort((a, b) => a[0] - b[0]).map(r => r[1])"""
        )

    def overlaps(self) -> tuple[int, list[str]]:
        """Return how many names there are, and which overlap."""
        return tuple(self.page.evaluate(OVERLAPS))
