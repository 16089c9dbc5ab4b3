"""FeatureActivations on ten thousand tokens: it scrolls, reports and stops."""

import json

import pytest
from browser.activations.activations_page import Page
from browser.waits import at_rest

N_TOKENS = 10_000
# CPU time of the page's thread for one task, between two of which it answers the user. Wall
# time would measure whatever else the machine does.
FREEZE_MS = 300
LONG_TEXT = f"""
from pydoc_data.topics import topics
ids = model.tokenizer(" ".join(topics.values()))["input_ids"][:{N_TOKENS}]
long_text = model.tokenizer.decode(ids)
"""
TASK = "ThreadControllerImpl::RunTask"


def longest_task_ms(notebook, act):
    """Return the longest task of the page's main thread while `act` runs, CPU ms."""
    browser = notebook.context.browser
    browser.start_tracing(page=notebook.page, categories=["toplevel"])
    try:
        act()
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {
        (e["pid"], e["tid"])
        for e in events
        if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        e["tdur"]
        for e in events
        if e["name"] == TASK and "tdur" in e and (e["pid"], e["tid"]) in mains
    ]
    return max(tasks) / 1e3


@pytest.fixture(scope="module")
def long_text(model_notebook):
    model_notebook.tell(LONG_TEXT)
    return model_notebook.ask("long_text")


@pytest.mark.parametrize("breaks", ["as they are", "none"])
def test_ten_thousand_tokens_scroll_and_repaint_without_freezing(live, long_text, breaks):
    within = "long_text" if breaks == "as they are" else "long_text.replace(chr(10), ' ')"
    values = "np.abs(np.random.default_rng(0).normal(size=(len(strings), 8)))"
    page = Page(
        live.run(
            f"import numpy as np\nstrings = model.tokens({within}).strings\n"
            f"w = vv.FeatureActivations.from_values(strings, {values}, list('abcdefgh'))\nw"
        ).view
    )
    assert page.chips.count() >= 0.9 * N_TOKENS
    box = page.strip.bounding_box()
    live.page.mouse.move(box["x"] + 200, box["y"] + 100)
    at_rest(live.page)  # else the first picture is taken for a part of the scrolling

    def scroll():
        for _ in range(30):
            live.page.mouse.wheel(0, 600)
            live.page.wait_for_timeout(30)  # the pace of a hand
        at_rest(live.page)

    def repaint():
        live.tell("w.selected_features = [3]")
        at_rest(live.page)

    before = page.tints()
    found = longest_task_ms(live, scroll), longest_task_ms(live, repaint)
    print(f"longest task while scrolling {found[0]:.0f} ms, at a repaint {found[1]:.0f} ms of CPU")
    assert page.tints() != before
    assert max(found) < FREEZE_MS


def test_a_text_longer_than_the_context_runs_in_windows_whose_borders_are_shown(live):
    page = Page(
        live.run(
            "acts = vv.encode(model, 'one two three four five six seven eight', a, window=6)\n"
            "w = vv.FeatureActivations(model, a, 'x')\nw"
        ).view
    )
    live.tell(
        "from volvelle.views.activations.shown import from_activations\n"
        "w.wait(30); w._show(from_activations(acts))"
    )
    page.chip("eight").wait_for()
    borders = live.ask("[int(i) for i in acts.windows[0] if i > 0]")
    assert borders
    marked = page.chips.evaluate_all(
        "chips => chips.flatMap((c, i) => i > 0 && 'window' in c.dataset ? [i] : [])"
    )
    assert marked == borders


def test_a_long_text_shows_progress_and_stops(live, long_text):
    page = Page(live.run("w = vv.FeatureActivations(model, a, 'short')\nw").view)
    live.tell("w.wait(30); w.text = long_text")
    page.root.get_by_role("progressbar").wait_for()
    page.root.get_by_role("button", name="Stop").click()
    live.until("w.status", "idle")
    page.root.get_by_role("button", name="Stop").wait_for(state="detached")
    assert page.shown() == "short"
    assert live.ask("w.error") == ""
    live.tell("w.text = 'and it runs again'; w.wait(60)")
    page.chip("again").wait_for()
