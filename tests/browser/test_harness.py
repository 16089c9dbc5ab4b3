"""The harness itself: what it sees, what it lets through, what it refuses."""

import pytest
from browser.notebook import ASK, Notebook
from browser.waits import at_rest, passing, until
from playwright.sync_api import Error

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
    with notebook.page.expect_console_message():  # which may come after the failure itself
        failed = notebook.page.evaluate(
            "() => fetch('https://example.org/').then(() => 0, () => 1)"
        )
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


# A box that waits, goes to the right for half a second, and says so for a moment.
MOVES = """() => {
  const box = document.createElement('div');
  box.className = 'vv'; box.id = 'moves'; box.style = 'position: fixed; left: 0';
  document.body.append(box);
  const began = performance.now();
  const move = now => {
    box.style.left = `${Math.min((now - began) / 5, 100)}px`;
    if (now - began < 500) requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
}"""
FLASHES = """() => {
  const box = document.querySelector('#moves');
  box.textContent = 'now'; Promise.resolve().then(() => { box.textContent = ''; });
}"""


def test_at_rest_waits_until_nothing_moves(notebook):
    notebook.page.evaluate(MOVES)
    at_rest(notebook.page)
    assert notebook.page.locator("#moves").evaluate("box => box.style.left") == "100px"


def test_what_passes_in_a_moment_is_seen_and_what_never_comes_is_told(notebook, monkeypatch):
    box = notebook.page.locator("#moves")
    now, gone = "box => box.textContent === 'now'", "box => box.textContent === ''"
    with passing(box, now, gone):
        notebook.page.evaluate(FLASHES)
    monkeypatch.setattr("browser.waits.SECONDS", 0.2)
    with pytest.raises(Error, match="only 0 of the states came"), passing(box, now):
        pass
    with pytest.raises(AssertionError, match=r"after 0\.2 s it is still ''"):
        until(box.text_content, seconds=0.2)


def test_a_silent_kernel_answers_again(notebook):
    with notebook.silent_kernel():
        asked = f"({ASK})('print(1)').then(() => true)"
        late = "new Promise(done => setTimeout(done, 500, false))"
        assert notebook.page.evaluate(f"() => Promise.race([{asked}, {late}])") is False
    assert notebook.ask("1 + 1") == 2
