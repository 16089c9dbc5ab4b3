"""Half an hour of work with every view: neither the kernel nor the page grows.

A round makes every view anew in one cell, types, drags, exports, and closes them, as somebody does
who runs a cell again. After the warm-up (the first third: caches fill, pages of the allocator
settle) a line is fitted to what is left after a forced collection; it may rise by 5 % of where it
began. JupyterLab itself keeps some of every widget that was closed, whoever made it: a round of as
many bare anywidgets is run beside each of ours, its growth measured alone and taken off the page's.
"""

import os
import time

import numpy as np
import pytest
from browser.conftest import MODEL

# Minutes; shorter for a look while one works, see CONTRIBUTING.md.
MINUTES = float(os.environ.get("VOLVELLE_SOAK_MINUTES", "30"))
MOST = 0.05  # growth after the warm-up, as a part of what there was
WARM = 1 / 3

MADE = """
import ctypes, gc, pathlib, tempfile
import anywidget, numpy as np
from IPython.display import display
folder = pathlib.Path(tempfile.mkdtemp())
circle = vv.emotion_circle(model, layer=14)
draw = np.random.default_rng(0)
rows = [draw.standard_normal((300, 16)).astype(np.float32) for _ in range(2)]
pair = vv.dual_layout(*rows, cache=False, n_epochs=2)
dose = vv.dose(model, "I feel", [vv.Steer(circle.direction(0), 0.1)])

def seven():
    return [
        vv.Jobs(model),
        vv.FeatureActivations(model, a, "The old sailor laughed."),
        vv.Steering(model, {"joy": circle.direction(0)}, "I feel"),
        vv.DoseResponse(dose),
        vv.CircularManifold(circle),
        vv.EmotionCircle(circle),
        vv.DualUMAP(pair),
    ]

class Bare(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.append('bare'); } };"

made = []
def anew(make):
    while made:
        made.pop().close()
    made.extend(make())
    display(*made)

def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
"""
RERUN = """async (kind) => {
  const app = window.jupyterapp, nb = app.shell.currentWidget.content;
  const source = kind === 'ours' ? 'anew(seven)' : 'anew(lambda: [Bare() for _ in range(7)])';
  const at = nb.model.cells.length - 1;
  nb.model.sharedModel.cells[at].setSource(source);
  nb.deselectAll(); nb.activeCellIndex = at;
  await app.commands.execute('notebook:run-cell');
}"""


class Page:
    """A notebook whose last cell is run again and again."""

    def __init__(self, notebook):
        self.notebook, self.page = notebook, notebook.page
        self.tools = notebook.context.new_cdp_session(self.page)

    def heap(self):
        """Bytes that the page holds after a collection: objects, and buffers beside them."""
        for _ in range(3):
            self.tools.send("HeapProfiler.collectGarbage")
        use = self.tools.send("Runtime.getHeapUsage")
        return use["usedSize"] + use["backingStorageSize"]

    def bare(self):
        self.page.evaluate(RERUN, "bare")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-OutputArea')]"
            ".some(o => o.innerText.split('bare').length === 8)"
        )

    def ours(self, turn):
        """Run the cell of all views, and do something in each."""
        self.page.evaluate(RERUN, "ours")
        for name in ("jobs", "feature_activations", "steering", "dose_response", "dual_umap"):
            self.page.locator(f".vv-{name}").last.wait_for()
        self.notebook.tell("[view.wait(120) for view in made]")
        self.type(f"The sea is {turn}.")
        for dial in self.page.locator("[role=slider]").all():
            if dial.is_visible():
                dial.focus()
                self.page.keyboard.press("ArrowRight")
        self.drag(self.page.locator(".vv-dual_umap canvas").first)
        self.notebook.tell("[view.wait(120) for view in made]")
        self.notebook.tell("for view in made: view.to_html(folder / f'{type(view).__name__}.html')")
        assert self.notebook.ask("[view.error for view in made]") == [""] * 7

    def type(self, text):
        field = self.page.locator(".vv-feature_activations textarea").last
        if field.count():
            field.fill(text)

    def drag(self, canvas):
        box = canvas.bounding_box()
        self.page.mouse.move(box["x"] + 60, box["y"] + 60)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 120, box["y"] + 90, steps=8)
        self.page.mouse.up()

    def close(self):
        self.notebook.tell("while made: made.pop().close()")
        self.page.wait_for_timeout(300)  # the page's own clean-up, which nothing announces


def slope(seconds, values):
    """Growth over the time watched, of the line through the samples, as a part of its start."""
    rise, start = np.polyfit(seconds, values, 1)
    return rise * (seconds[-1] - seconds[0]) / (start + rise * seconds[0])


@pytest.mark.nightly
@pytest.mark.timeout(MINUTES * 120 + 600)
def test_half_an_hour_of_every_view_leaves_kernel_and_page_as_they_were(fresh, capsys):
    fresh.run(MODEL)
    fresh.run(MADE)
    fresh.run("0")  # the cell that is run again
    page, began, samples, comms = Page(fresh), time.monotonic(), [], []
    hosts = 0.0  # what the bare ones left on the page
    while time.monotonic() - began < 60 * MINUTES:
        page.ours(len(samples))
        page.close()
        held = page.heap()
        samples.append((time.monotonic() - began, fresh.ask("resident()"), held - hosts))
        page.bare()
        page.close()
        hosts += page.heap() - held
        comms.append(fresh.ask("len(__import__('comm').get_comm_manager().comms)"))
    seconds, kernel, heap = np.array(samples[int(len(samples) * WARM) :]).T
    growth = {"kernel": slope(seconds, kernel), "page": slope(seconds, heap)}
    with capsys.disabled():
        print(
            f"\n{len(samples)} rounds, kernel {kernel[0] / 1e6:.0f} to {kernel[-1] / 1e6:.0f} MB "
            f"({growth['kernel']:+.1%}), page without the host's own {heap[0] / 1e6:.1f} to "
            f"{heap[-1] / 1e6:.1f} MB ({growth['page']:+.1%}), the host's own "
            f"{hosts / 1e6:.1f} MB; comms {comms[0]} to {comms[-1]}"
        )
    assert all(rise < MOST for rise in growth.values()), growth
    # a bare anywidget's layout stays open: seven a round, none of ours
    assert comms[-1] - comms[0] == 7 * (len(comms) - 1)
