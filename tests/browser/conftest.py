"""One JupyterLab, one Chromium and one kernel with the real model for all tests.

`live` is a notebook whose kernel holds ``model`` (smollm2), ``a`` and ``b`` (the demo
dictionaries): each test runs its own cells in it, and finds it empty. `fresh` is a
notebook with a kernel of its own, to restart and kill.
"""

from __future__ import annotations

import pytest
from browser.lab import FLAGS, LabServer, chromium
from browser.notebook import Notebook
from browser.waits import patient
from playwright.sync_api import sync_playwright

SIZE = {"width": 1200, "height": 900}
MODEL = """
import torch; torch.set_num_threads(2)
import volvelle as vv
model = vv.load("smollm2")
a, b = vv.demo_sae("a"), vv.demo_sae("b")
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def server():
    with LabServer() as running:
        yield running


@pytest.fixture(scope="session")
def chrome():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chrome):
    """A fresh browser profile."""
    with chrome.new_context(viewport=SIZE) as fresh:
        yield fresh


@pytest.fixture
def exported(chrome, tmp_path):
    """Write a view of a notebook's kernel to a file, and open it where there is no network.

    Called with the notebook, the name the view has there, and whatever a browser context takes;
    gives the page. What its console complains of, or a request, fails the test.
    """
    said, asked, contexts = [], [], []

    def open_page(notebook, view="w", **options):
        path = tmp_path / f"{view}.html"
        notebook.tell(f"{view}.to_html({str(path)!r})")
        context = patient(chrome.new_context(offline=True, viewport=SIZE, **options))
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: m.type in ("error", "warning") and said.append(m.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == [], "what the exported page complains of"
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}


def check(notebook):
    assert notebook.console == [], "errors in the browser's console"
    assert notebook.outside == [], "requests that left the machine"


@pytest.fixture(scope="session")
def model_notebook(chrome, server):
    with chrome.new_context(viewport=SIZE) as fresh:
        notebook = Notebook(fresh, server)
        notebook.run(MODEL)
        yield notebook
        notebook.kill_kernel()


@pytest.fixture
def live(model_notebook):
    model_notebook.clear()
    yield model_notebook
    check(model_notebook)


@pytest.fixture
def fresh(context, server):
    notebook = Notebook(context, server)
    yield notebook
    check(notebook)
