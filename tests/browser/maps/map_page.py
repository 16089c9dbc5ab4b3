"""Where things are in a DualUMAP view, and what its pixels say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from browser.waits import at_rest, shown, until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

# Two planted dictionaries: the first 40 of 120 directions are shared.
PLANTED = """
import numpy as np, volvelle as vv
random = np.random.default_rng(0)
va, vb = random.standard_normal((2, 120, 32)).astype("float32")
vb[:40] = va[:40]
da = vv.Dictionary(va, [f"alpha{i} · common" for i in range(120)], "resid_post.3", "left")
db = vv.Dictionary(vb, [f"beta{i} · common" for i in range(120)], "resid_post.3", "right")
pair = vv.dual_layout(da, db, cache=False, n_epochs=60)
"""
# How many pixels of the points' canvas are drawn on, in one half or all of it; and near a place.
COUNT = """(canvas, [from, to]) => {
  const { width, height } = canvas;
  const x = Math.round(from * width), w = Math.max(Math.round((to - from) * width), 1);
  const { data } = canvas.getContext('2d').getImageData(x, 0, w, height);
  let inked = 0;
  for (let i = 3; i < data.length; i += 4) inked += data[i] > 40;
  return inked;
}"""
COLOURS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = {};
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 200) continue;
    const key = [data[i] >> 5, data[i + 1] >> 5, data[i + 2] >> 5].join();
    seen[key] = (seen[key] || 0) + 1;
  }
  return seen;
}"""


class MapPage:
    """One view, found below a locator: a cell's output, or an exported page's body."""

    def __init__(self, within: Locator) -> None:
        self.root = within.locator(".vv-dual_umap")
        self.stage = self.root.locator(".vv-stage")
        self.points = self.stage.locator(".vv-points")
        self.overlay = self.stage.locator(".vv-overlay")
        self.card = self.root.locator(".vv-map-card")
        self.rows = self.root.locator(".vv-row")
        self.heads = self.root.locator(".vv-row-head")
        self.query = self.root.get_by_role("searchbox")
        self.page = self.root.page
        shown(self.stage)

    def button(self, name: str) -> Locator:
        """Return a button of the toolbar by what it says."""
        return self.root.get_by_role("button", name=name, exact=True)

    def inked(self, part: tuple[float, float] = (0, 1), canvas: Locator | None = None) -> int:
        """Return how many pixels are drawn on, in a stretch of the width."""
        return (canvas or self.points).evaluate(COUNT, list(part))

    def colours(self) -> dict[str, int]:
        """Return the opaque colours of the points, coarsely, and how often each is there."""
        return self.points.evaluate(COLOURS)

    def drawn(self, least: int = 300) -> int:
        """Wait until so many pixels are drawn on."""
        return until(self.inked, lambda inked: inked >= least)

    def spot(self, xy: tuple[float, float], panel: int = 0) -> tuple[float, float]:
        """Return the place of a 0...1 world point in the stage, at home zoom, in two panels."""
        box = self.stage.bounding_box()
        half = (box["width"] - 1) / 2
        scale = min(half, box["height"]) - 36
        x = panel * (half + 1) + half / 2 + (xy[0] - 0.5) * scale
        return x, box["height"] / 2 - (xy[1] - 0.5) * scale

    def move(self, at: tuple[float, float]) -> None:
        """Move the pointer to a place of the stage."""
        at_rest(self.page)
        self._to(at)

    def _to(self, at: tuple[float, float]) -> None:
        box = self.stage.bounding_box()
        self.page.mouse.move(box["x"] + at[0], box["y"] + at[1])

    def drag(self, places: list[tuple[float, float]], keys: str = "") -> None:
        """Press at the first place, move over the others, release."""
        if keys:
            self.page.keyboard.down(keys)
        self.move(places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self._to(place)
        self.page.mouse.up()
        if keys:
            self.page.keyboard.up(keys)


def around(at: tuple[float, float], size: float = 14) -> list[tuple[float, float]]:
    """Return a closed path around a place."""
    x, y = at
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    return [(x + size * dx, y + size * dy) for dx, dy in corners]
