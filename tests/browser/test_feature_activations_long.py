"""FeatureActivations on ten thousand tokens: it scrolls, reports and stops."""

import pytest
from browser.activations_page import Page

N_TOKENS = 10_000
# Longer than this is a freeze even where software draws on a busy machine.
FREEZE_MS = 1000
SMOOTH_MS = 50  # median
LONG_TEXT = f"""
from pydoc_data.topics import topics
ids = model.tokenizer(" ".join(topics.values()))["input_ids"][:{N_TOKENS}]
long_text = model.tokenizer.decode(ids)
"""
WATCH_FRAMES = """() => {
  const frames = window.__frames = [];
  let last = performance.now();
  const next = now => {
    frames.push(now - last);
    last = now;
    window.__raf = requestAnimationFrame(next);
  };
  window.__raf = requestAnimationFrame(next);
}"""
READ_FRAMES = "() => { cancelAnimationFrame(window.__raf); return window.__frames.slice(2); }"


@pytest.fixture(scope="module")
def long_text(model_notebook):
    model_notebook.tell(LONG_TEXT)
    return model_notebook.ask("long_text")


def test_ten_thousand_tokens_scroll_and_repaint_without_freezing(live, long_text):
    values = "np.abs(np.random.default_rng(0).normal(size=(len(strings), 8)))"
    page = Page(
        live.run(
            "import numpy as np\nstrings = model.tokens(long_text).strings\n"
            f"w = vv.FeatureActivations.from_values(strings, {values}, list('abcdefgh'))\nw"
        ).view
    )
    assert page.chips.count() >= 0.99 * N_TOKENS
    box = page.strip.bounding_box()
    live.page.mouse.move(box["x"] + 200, box["y"] + 100)
    live.page.wait_for_timeout(500)
    live.page.evaluate(WATCH_FRAMES)
    for _ in range(30):
        live.page.mouse.wheel(0, 600)
        live.page.wait_for_timeout(30)
    scrolling = sorted(live.page.evaluate(READ_FRAMES))
    live.page.evaluate(WATCH_FRAMES)
    live.tell("w.selected_features = [3]")
    live.page.wait_for_timeout(1500)
    repainting = live.page.evaluate(READ_FRAMES)
    print(
        f"frames while scrolling: median {scrolling[len(scrolling) // 2]:.0f} ms, "
        f"longest {scrolling[-1]:.0f} ms; longest at a repaint {max(repainting):.0f} ms"
    )
    assert scrolling[len(scrolling) // 2] < SMOOTH_MS
    assert scrolling[-1] < FREEZE_MS
    assert max(repainting) < FREEZE_MS


def test_a_text_longer_than_the_context_runs_in_windows_whose_borders_are_shown(live):
    page = Page(
        live.run(
            "acts = vv.encode(model, 'one two three four five six seven eight', a, window=6)\n"
            "w = vv.FeatureActivations(model, a, 'x')\nw"
        ).view
    )
    live.tell(
        "from volvelle.views.shown_activations import from_activations\n"
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
