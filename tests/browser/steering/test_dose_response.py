"""DoseResponse on a real result, in a real JupyterLab: hovered, clicked, walked by keys."""

import pytest
from browser.waits import shown

MADE = """result = vv.dose(
    model, "Question: Is it cold? Answer yes or no.\\nAnswer:",
    {"snow": vv.Steer(a.feature(1402)), "ship": vv.Steer(a.feature(808))},
    strengths=(0, 0.3, 0.6), control="Question: Is it red? Answer yes or no.\\nAnswer:",
    reverse="Question: Is it hot? Answer yes or no.\\nAnswer:", placebo=3, max_new_tokens=3)
w = vv.DoseResponse(result)
w"""


class Page:
    """One view, found below a locator."""

    def __init__(self, within):
        self.root = within.locator(".vv-dose_response")
        self.charts = self.root.locator("svg")
        self.texts = self.root.locator(".vv-texts")
        shown(self.charts.first)

    def mark(self, concept, strength):
        return self.charts.first.locator(".vv-curve").nth(concept).locator(".vv-mark").nth(strength)


@pytest.fixture
def view(live):
    return Page(live.run(MADE).view)


def test_curves_band_control_and_entropy_are_drawn_with_units_n_and_seed(live, view):
    head = view.root.locator(".vv-head").inner_text()
    for fact in ("smollm2", "resid_post.14", "3 random placebos", "3 other features", "seed 0"):
        assert fact in head
    panels = view.root.locator("figcaption").all_inner_texts()
    assert len(panels) == 3
    assert "P(yes) among yes, no" in panels[0]
    assert "control" in panels[1]
    assert "nats" in panels[2]
    assert view.charts.last.get_by_text("multiples of the median |h|").count() == 1
    assert view.charts.first.locator(".vv-band").count() >= 2
    assert view.root.locator(".vv-summary").inner_text() == live.ask("result.summary()")


def test_a_click_on_a_point_reads_its_texts_and_reaches_python(live, view):
    box = view.mark(0, 2).bounding_box()
    live.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    live.until("w.selected.get('strength')", 0.6)
    name = live.ask("w.selected['concept']")
    text = live.ask(
        f"[t for t, c, s, q in zip(result.texts, result.concept, result.strength, result.question)"
        f" if (c, s, q) == ({name!r}, 0.6, 'asked')][0]"
    )
    assert view.texts.locator("b").nth(1).evaluate("e => e.textContent") == text
    readout = view.root.locator(".vv-readout")
    assert f"{live.ask(f'float(result.curve({name!r})[2])'):.3g}" in readout.inner_text()
    live.picture(view.root, "dose_response")
    live.tell("w.selected = {}")
    view.texts.wait_for(state="detached")


def test_keys_walk_over_strengths_and_concepts(live, view):
    view.root.get_by_role("group", name="curves").focus()
    live.page.keyboard.press("ArrowRight")
    live.until("w.selected.get('strength')", 0.0)
    live.page.keyboard.press("ArrowRight")
    live.until("w.selected['strength']", 0.3)
    live.page.keyboard.press("ArrowDown")
    live.until("w.selected['concept']", "ship")
    live.page.keyboard.press("Escape")
    live.until("w.selected", {})


def test_a_concept_is_hidden_from_the_page_and_from_python(live, view):
    legend = view.root.get_by_role("group", name="concepts")
    legend.get_by_role("button", name="ship").click()
    live.until("w.concepts", ["snow"])
    live.tell("w.concepts = ['ship']")
    legend.locator("button[aria-pressed=true]").get_by_text("ship").wait_for()


def test_an_exported_file_keeps_hover_and_texts(live, view, exported):
    page = Page(exported(live, color_scheme="dark").locator("body"))
    page.mark(1, 1).hover(force=True)
    page.root.locator(".vv-readout").wait_for()
    page.mark(1, 1).click(force=True)
    page.texts.wait_for()


@pytest.mark.parametrize("pixels", [600, 1200])
def test_nothing_is_cut_off(live, view, pixels):
    with live.width(pixels):
        assert view.root.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
        assert view.charts.first.bounding_box()["width"] > 300
