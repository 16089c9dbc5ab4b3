"""Maps in a JupyterLab: first pixels, bytes, a lasso's way to Python; jupyter-scatter beside."""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median

from browser.lab import FLAGS, LabServer, chromium
from browser.maps.map_page import MapPage
from browser.notebook import Notebook
from harness import Table
from playwright.sync_api import sync_playwright

N = 500_000
TURNS = 5
MAKE = f"""
import numpy as np
random = np.random.default_rng(0)
middle = random.standard_normal((40, 2)) * 4
xy = [(middle[random.integers(40, size={N})] + random.standard_normal(({N}, 2))).astype("float32")
      for _ in range(2)]
"""
# A finished layout of given places: what is measured is the way to the screen.
OURS = """
import volvelle as vv
from volvelle.compute.maps.scores import Faithfulness
from volvelle.compute.maps.matching import Matching
from volvelle.experiments.maps.half import Half
from volvelle.experiments.maps.result import DualLayout
n = len(xy[0])
labels = [tuple(f"{name}/{i}" for i in range(n)) for name in "ab"]
none, score = np.full((n, 3), -1, np.int32), np.full((n, 3), np.nan, np.float32)
halves = [Half(name, "", "", places, label, np.full(n, np.nan, np.float32),
               np.zeros(n, np.uint8), none, score, none, score, (), {})
          for name, places, label in zip("ab", xy, labels)]
pairs = np.arange(0, n, 10, dtype=np.int32)
yes = np.ones(len(pairs), bool)
matching = Matching(pairs, pairs, np.linspace(1, .5, len(pairs), dtype=np.float32),
                    yes.astype(np.int8), yes.astype(np.int8), yes, yes, .3, .2, 1, n, n)
nan = Faithfulness(float("nan"), float("nan"), 15, 0)
pair = DualLayout(*halves, matching, "joint", "decoder", "", 0, None, nan, nan, float("nan"),
                  (), (), (), 0, 15, 100)
"""
SHOW_OURS = "w = vv.DualUMAP(pair)\nw"
PEER = "import jscatter, pandas as pd\nframes = [pd.DataFrame(p, columns=['x', 'y']) for p in xy]"
SHOW_PEER = """
plots = [jscatter.Scatter(data=f, x='x', y='y', width=360, height=440) for f in frames]
jscatter.link(plots, rows=1)
"""
# The classes are there, as after a first look at anything; nothing was laid out before.
AXES = """
import os, tempfile, numpy as np, volvelle as vv
os.environ["VOLVELLE_CACHE"] = tempfile.mkdtemp()
vv.DualUMAP
x = np.random.default_rng(0).standard_normal((24_576, 768), np.float32)
"""
# When a canvas first holds a drawn pixel: copied to a small 2-D canvas each frame.
FIRST = """() => { window.__first = undefined; const began = performance.now();
const small = document.createElement('canvas'); small.width = small.height = 32;
const context = small.getContext('2d', { willReadFrequently: true });
const look = () => {
  for (const canvas of document.querySelectorAll('.jp-OutputArea canvas')) {
    if (!canvas.width || canvas.className === 'vv-overlay') continue;
    context.clearRect(0, 0, 32, 32);
    try { context.drawImage(canvas, 0, 0, 32, 32); } catch { continue; }
    const { data } = context.getImageData(0, 0, 32, 32);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 4).join());
    if (seen.size > 20) { window.__first = performance.now() - began; return; }
  }
  requestAnimationFrame(look);
}; requestAnimationFrame(look); }"""
# Without a GPU a first picture shows some of the points; when all of them are on the canvas.
ALL = """async () => {
  const stage = document.querySelector('.vv-stage');
  while (stage.dataset.every !== '1') await new Promise(requestAnimationFrame);
  const small = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  small.drawImage(stage.querySelector('.vv-points'), 0, 0, 8, 8);
  small.getImageData(0, 0, 8, 8);
}"""
# A box over all of the width, from the top down to a world y; when the button was released.
BOX = """([low]) => {
  const stage = document.querySelector('.vv-stage');
  const { left, top, width, height } = stage.getBoundingClientRect();
  const bottom = height / 2 - (low - 0.5) * (Math.min(width, height) - 36);
  const at = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, { bubbles: true, button: 0,
    pointerId: 1, clientX: left + x, clientY: top + y }));
  stage.setPointerCapture = () => {}; // no pointer of that number is down
  at('pointerdown', 1, 1);
  at('pointermove', width - 2, bottom);
  const released = performance.timeOrigin + performance.now();
  at('pointerup', width - 2, bottom);
  return released / 1e3;
}"""
WATCH = """
import time
arrived = []
w.observe(lambda c: arrived.append((time.time(), len(c['new']))), ['selected_a', 'selected_b'])
w.panels = 'one'
"""
# 65 % of all points lie above.
LOW = "float(np.quantile(np.concatenate([w._xy_a[:, 1], w._xy_b[:, 1]]), 0.35)) / 65534"


class Traffic:
    """Bytes over the page's websockets, both ways."""

    def __init__(self, page) -> None:
        self.received = self.sent = 0
        page.on("websocket", self._watch)

    def _watch(self, websocket) -> None:
        websocket.on("framereceived", lambda data: self._add("received", data))
        websocket.on("framesent", lambda data: self._add("sent", data))

    def _add(self, way: str, data: str | bytes) -> None:
        size = len(data if isinstance(data, bytes) else data.encode())
        setattr(self, way, getattr(self, way) + size)


class Lab:
    """A notebook in a JupyterLab of one environment, its traffic counted."""

    def __init__(self, stack: ExitStack, chrome, *python: str) -> None:
        server = stack.enter_context(LabServer(*python))
        context = chrome.new_context(viewport={"width": 1200, "height": 900})
        self.notebook = Notebook(stack.enter_context(context), server)
        self.page = self.notebook.page
        # websockets opened before are not seen: a reload opens new ones
        self.traffic = Traffic(self.page)
        self.page.reload()
        self.page.wait_for_selector(".jp-Notebook", timeout=60_000)
        self.notebook.wait_for_kernel()
        self.whole = float("nan")

    def shown(self, source: str) -> tuple[float, float]:
        """Run the cell that shows a map; seconds until pixels, and the MB it took."""
        before = self.traffic.received
        self.page.evaluate(FIRST)
        began = time.perf_counter()
        self.notebook.run(source)
        self.page.wait_for_function("() => window.__first !== undefined", timeout=180_000)
        seconds = time.perf_counter() - began
        if self.page.locator(".vv-stage").count():
            self.page.evaluate(ALL)
            self.whole = time.perf_counter() - began
        self.page.wait_for_timeout(2000)
        return seconds, (self.traffic.received - before) / 1e6


def million(ours: Lab, peer: Lab | None) -> None:
    """1 M points in two panels, first pixels and bytes; in turn with the peer's linked pair."""
    table = Table(
        f"{2 * N:,} points in two panels, JupyterLab, software GL",
        ("", "first pixels s", "MB", "all points s"),
    )
    ours.notebook.run(MAKE + OURS)
    if peer:
        peer.notebook.run(MAKE + PEER)
    first, whole = [], []

    def clear() -> None:  # both: what one still shows takes time from the other
        for lab in filter(None, (ours, peer)):
            lab.notebook.clear()
            lab.page.wait_for_timeout(1000)

    for _ in range(TURNS):
        clear()
        seconds, size = ours.shown(SHOW_OURS)
        table.row("volvelle.DualUMAP", seconds, size, ours.whole)
        if peer:
            clear()
            theirs, size = peer.shown(SHOW_PEER)
            table.row("jupyter-scatter, two linked", theirs, size, float("nan"))
            first.append(theirs / seconds)
            whole.append(theirs / ours.whole)
    if first:
        print(f"  first pixels {median(first):.1f}x sooner (target 4x; a sample of the points),")
        print(f"  all of them {median(whole):.1f}x sooner; target 10 MB")


def lasso(lab: Lab) -> None:
    """Box 650 k points of a map; ms and bytes until Python has them."""
    lab.notebook.clear()
    lab.shown(SHOW_OURS)
    table = Table(
        "a box of points to Python (target 250 ms, 150 kB)", ("points", "ms from release", "kB")
    )
    notebook = lab.notebook
    notebook.tell(WATCH)
    view = MapPage(lab.page.locator("body"))
    view.button("Box").click()
    lab.page.wait_for_timeout(3000)
    low = notebook.ask(LOW)
    for _ in range(TURNS):
        notebook.tell("arrived.clear(); w.selected_a = w.selected_b = []; arrived.clear()")
        lab.page.wait_for_timeout(1500)
        before = lab.traffic.sent
        released = lab.page.evaluate(BOX, [low])
        lab.page.wait_for_timeout(2000)  # what asks the kernel below is not counted
        sent = lab.traffic.sent - before
        notebook.until("len(arrived)", 2, timeout=60)
        arrived = notebook.ask("arrived")
        points = sum(n for _, n in arrived)
        table.row(f"{points:,}", 1e3 * (arrived[-1][0] - released), sent / 1e3)


def axes(lab: Lab) -> None:
    """Print how soon the principal axes of 24 k directions are on the screen."""
    lab.notebook.restart_kernel()
    lab.notebook.run(AXES)
    table = Table("24,576 x 768 to the first picture (target 1.5 s)", ("", "s"))
    for _ in range(TURNS):
        lab.notebook.clear()
        seconds, _ = lab.shown("x += 1e-6\nw = vv.DualUMAP(x)\nw")
        table.row("principal axes on the screen", seconds)
        lab.notebook.tell("w.stop(); w.stop(); w.wait()")


def measure(peers: str | None) -> None:
    """Print the figures of ours, and of the peer where there is one."""
    with sync_playwright() as playwright, ExitStack() as stack:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        stack.callback(chrome.close)
        ours = Lab(stack, chrome)
        million(ours, Lab(stack, chrome, peers) if peers else None)
        lasso(ours)
        axes(ours)
