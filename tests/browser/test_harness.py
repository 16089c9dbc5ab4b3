"""The harness itself: what it sees, what it lets through, what it refuses."""

import pytest
from browser.notebook import Notebook

COUNTER = """
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const button = document.createElement("button");
      const draw = () => { button.textContent = `count is ${model.get("value")}`; };
      button.onclick = () => { model.set("value", model.get("value") + 1); model.save_changes(); };
      model.on("change:value", draw);
      draw();
      el.append(button);
    } };'''
    value = traitlets.Int(41).tag(sync=True)
counter = Counter()
counter
"""


@pytest.fixture(scope="module")
def notebook(chrome, server):
    with chrome.new_context() as context:
        yield Notebook(context, server)


def test_a_click_reaches_python_and_python_reaches_the_page(notebook):
    view = notebook.run(COUNTER).view
    view.get_by_text("count is 41").click()
    view.get_by_text("count is 42").wait_for()
    notebook.until("counter.value", 42)
    notebook.run("counter.value = 7")
    view.get_by_text("count is 7").wait_for()


def test_requests_that_leave_the_machine_are_stopped_and_listed(notebook):
    failed = notebook.page.evaluate("() => fetch('https://example.org/').then(() => 0, () => 1)")
    assert failed
    assert notebook.outside == ["https://example.org/"]
    notebook.outside.clear()
    notebook.console.clear()


def test_console_errors_are_collected(notebook):
    notebook.page.evaluate("() => console.error('seen')")
    assert notebook.console == ["seen"]
    notebook.console.clear()


def test_a_failing_cell_fails_the_test_with_its_traceback(notebook):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run("1 / 0")
    assert "ZeroDivisionError" in notebook.run("1 / 0", fails=True).error


def test_webgl2_draws_without_a_gpu(notebook):
    assert notebook.page.evaluate(
        "() => document.createElement('canvas').getContext('webgl2') !== null"
    )


def test_the_theme_switches(notebook):
    scheme = "() => getComputedStyle(document.body).colorScheme"
    notebook.theme("dark")
    assert notebook.page.evaluate(scheme) == "dark"
    notebook.theme("light")
    assert notebook.page.evaluate(scheme) == "light"
