"""One open notebook: run cells, look at what they show, ask the kernel."""

from __future__ import annotations

import ast
import os
import re
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from browser.waits import at_rest, patient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser.lab import LabServer
    from playwright.sync_api import BrowserContext, Locator, Page

OUTSIDE = re.compile(r"^(?!https?://127\.0\.0\.1[:/]|blob:|data:|file:|about:)")
MINUTE = 60_000  # ms
WIDTHS = (600, 1200)
TALL = 2400  # px, so that a picture shows the whole of a view
THEMES = ("light", "dark")

KERNEL_IDLE = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
}"""
TIDY = """() => {
  const { shell } = window.jupyterapp;
  shell.collapseLeft?.(); shell.collapseRight?.();
  shell.currentWidget.content.model.sharedModel.metadata.trusted = true;
}"""
# The command's promise settles on the kernel's reply, so nothing is polled.
RUN = """async ([source, limit]) => {
  const app = window.jupyterapp, nb = app.shell.currentWidget.content;
  const at = nb.model.cells.length;
  nb.model.sharedModel.insertCell(at, { cell_type: 'code', source, metadata: { trusted: true } });
  nb.deselectAll(); nb.activeCellIndex = at;
  const late = new Promise((_, no) => setTimeout(no, limit, Error(`over ${limit} ms`)));
  const start = performance.now();
  await Promise.race([app.commands.execute('notebook:run-cell'), late]);
  const cell = nb.model.cells.get(at);
  return { index: at, ms: performance.now() - start, outputs: cell.outputs.toJSON() };
}"""
# Without a cell: nothing on the page moves, and no focus is lost.
ASK = """async code => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code, store_history: false });
  const said = { text: '', error: '' };
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === 'stream') said.text += content.text;
    if (header.msg_type === 'error') said.error = content.traceback.join('\\n');
  };
  await future.done;
  return said;
}"""
CLEAR = """() => {
  const shared = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
  shared.deleteCellRange(0, shared.cells.length);
}"""
THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })"


@dataclass(frozen=True)
class Cell:
    """What came of running one cell."""

    seconds: float
    text: str
    error: str
    view: Locator


class Notebook:
    """A page on a notebook of a `LabServer`.

    Parameters
    ----------
    context : playwright BrowserContext
        A fresh profile; requests that would leave the machine are stopped and listed.
    server : LabServer

    Attributes
    ----------
    console : list of str
        Errors of the page's console, uncaught ones included.
    outside : list of str
        Addresses of stopped requests.
    """

    def __init__(self, context: BrowserContext, server: LabServer) -> None:
        self.context, self.server = context, server
        self.console: list[str] = []
        self.outside: list[str] = []
        patient(context).route(OUTSIDE, self._stop)
        self.page: Page = context.new_page()
        self.page.on("console", lambda m: m.type == "error" and self.console.append(m.text[:400]))
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"[:400]))
        self.page.goto(server.new_notebook(), wait_until="domcontentloaded", timeout=MINUTE)
        self.page.wait_for_selector(".jp-Notebook", timeout=MINUTE)
        self.wait_for_kernel()
        self.page.evaluate(TIDY)
        self.console.clear()  # what JupyterLab itself says while it loads

    def _stop(self, route: object) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is connected and idle."""
        self.page.wait_for_function(KERNEL_IDLE, timeout=MINUTE)

    def run(self, source: str, *, fails: bool = False, timeout: float = 180.0) -> Cell:
        """Append a cell, run it and wait for the kernel's reply.

        Parameters
        ----------
        source : str
            The cell.
        fails : bool
            Expect an error; otherwise one fails the test.
        timeout : float
            Seconds.
        """
        ran = self.page.evaluate(RUN, [source, timeout * 1e3])
        errors = [out for out in ran["outputs"] if out["output_type"] == "error"]
        trace = "\n".join(line for out in errors for line in out["traceback"])
        error = plain(trace)
        assert bool(errors) == fails, error or f"the cell did not fail:\n{source}"
        texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in ran["outputs"]]
        text = "".join(t if isinstance(t, str) else "".join(t) for t in texts)
        view = self.page.locator(".jp-Notebook .jp-CodeCell").nth(ran["index"])
        return Cell(ran["ms"] / 1e3, text, error, view.locator(".jp-Cell-outputArea"))

    def tell(self, code: str) -> str:
        """Run code in the kernel without a cell; what it printed."""
        said = self.page.evaluate(ASK, code)
        assert not said["error"], plain(said["error"])
        return said["text"]

    def ask(self, expression: str) -> object:
        """Evaluate an expression in the kernel; its value, as a Python literal."""
        return ast.literal_eval(self.tell(f"print(repr({expression}))"))

    def until(self, expression: str, expected: object, timeout: float = 60.0) -> None:
        """Wait until an expression in the kernel has the expected value."""
        deadline = time.monotonic() + timeout
        while (seen := self.ask(expression)) != expected:
            assert time.monotonic() < deadline, f"{expression} is {seen!r}, expected {expected!r}"
            self.page.wait_for_timeout(50)

    def clear(self) -> None:
        """Remove every cell, close every view, forget what the console said."""
        self.tell("import ipywidgets; ipywidgets.Widget.close_all()")
        self.page.evaluate(CLEAR)
        self.console.clear()
        self.outside.clear()

    def theme(self, name: str) -> None:
        """Switch JupyterLab to its ``"light"`` or ``"dark"`` theme."""
        self.page.evaluate(THEME, f"JupyterLab {name.capitalize()}")
        light = str(name == "light").lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        at_rest(self.page)

    @contextmanager
    def width(self, pixels: int, height: int | None = None) -> Iterator[None]:
        """Look through a window of another width, once all is laid out in it."""
        before = self.page.viewport_size
        self.page.set_viewport_size({"width": pixels, "height": height or before["height"]})
        try:
            at_rest(self.page)
            yield
        finally:
            self.page.set_viewport_size(before)
            at_rest(self.page)

    def picture(self, view: Locator, name: str, themes: tuple[str, ...] = THEMES) -> None:
        """Save pictures of a view at two widths, light and dark, where $VOLVELLE_SHOTS says."""
        folder = os.environ.get("VOLVELLE_SHOTS")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        for theme in themes:
            self.theme(theme)
            for pixels in WIDTHS:
                with self.width(pixels, TALL):
                    view.screenshot(path=Path(folder, f"{name}-{pixels}-{theme}.png"))
        self.theme("light")

    def kernel_id(self) -> str:
        """Return the kernel's id in the server's REST interface."""
        session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
        return self.page.evaluate(f"() => {session}.kernel.id")

    def restart_kernel(self) -> None:
        """Restart the kernel, as the button of the toolbar does."""
        session = "window.jupyterapp.shell.currentWidget.sessionContext.session"
        self.page.evaluate(f"() => {session}.kernel.restart()")
        self.wait_for_kernel()

    @contextmanager
    def silent_kernel(self) -> Iterator[None]:
        """Stop the kernel's process: what happens inside happens without any answer of it."""
        pid = self.ask("__import__('os').getpid()")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill_kernel(self) -> None:
        """End the kernel for good, behind the page's back."""
        self.server.request("DELETE", f"api/kernels/{self.kernel_id()}")


def plain(traceback: str) -> str:
    """Return a traceback without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", traceback)
