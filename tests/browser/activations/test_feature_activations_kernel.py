"""FeatureActivations outlives its kernel, and a file of it needs none."""

import pytest
from browser.activations.activations_page import TEXT, Page
from browser.conftest import MODEL
from browser.waits import patient


@pytest.fixture
def view(fresh):
    fresh.run(MODEL)
    return Page(fresh.run(f"w = vv.FeatureActivations(model, a, {TEXT!r})\nw").view)


def explores(page, chip=4):
    """Hover, select, pick and filter with nobody to answer."""
    page.filter.fill("")
    page.chip("laughed").hover()
    page.card.get_by_text("token ").first.wait_for()
    page.chips.nth(chip).click()
    page.chips.and_(page.root.locator("[aria-selected=true]")).first.wait_for()
    assert page.selected() == [chip]
    other = page.listed()[3]
    page.row(other).locator(".vv-name").click()
    page.legend.get_by_text(str(other), exact=True).wait_for()
    assert any(page.tints())
    page.filter.fill("the")
    assert page.rows.count() >= 1


def test_a_view_survives_the_restart_and_the_death_of_its_kernel(fresh, view):
    fresh.restart_kernel()
    assert view.shown() == TEXT
    explores(view)
    fresh.console.clear()  # what JupyterLab says about comms of a kernel that is gone
    new = Page(
        fresh.run(
            "import volvelle as vv\nw = vv.FeatureActivations.from_values(['new'], [1.0])\nw"
        ).view
    )
    assert new.shown() == "new"
    fresh.kill_kernel()
    explores(view, chip=6)
    assert new.shown() == "new"
    view.root.get_by_text("kernel has not answered").wait_for()
    fresh.console.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_exported_file_works_offline_without_a_kernel(live, exported, theme):
    live.tell(f"w = vv.FeatureActivations(model, a, {TEXT!r}).wait(60)")
    page = Page(exported(live, color_scheme=theme).locator("body"))
    assert page.shown() == TEXT
    explores(page)
    page.filter.fill("")
    page.root.get_by_role("combobox").select_option("index")
    page.root.get_by_role("button", name="Clear").click()
    numbers = page.listed()
    kept = live.ask("w.selected_features") + numbers[:1]
    rest = [n for n in numbers if n not in kept]
    assert rest == sorted(rest)
    assert page.root.get_by_role("button", name="Edit").count() == 0
    scheme = page.root.evaluate("e => getComputedStyle(e).colorScheme")
    assert theme in scheme


def test_an_exported_prompt_set_complains_of_nothing(live, exported):
    live.tell("w = vv.FeatureActivations(model, a, ['He never came.', 'Nobody came.']).wait(60)")
    page = Page(exported(live).locator("body"))
    assert page.shown() == "He never came.Nobody came."
    assert page.root.get_by_role("alert").count() == 0


def test_a_hostile_text_stays_text_in_an_exported_file(live, chrome, tmp_path):
    text, path = "</script><img src=x onerror=window.hacked=1>", tmp_path / "hostile.html"
    live.run(
        f"w = vv.FeatureActivations.from_values([{text!r}], [1.0], [{text!r}])\n"
        f"w.to_html({str(path)!r}, title={text!r})"
    )
    with chrome.new_context(offline=True) as context:
        tab = patient(context).new_page()
        tab.goto(path.as_uri())
        page = Page(tab.locator("body"))
        assert page.shown() == text
        assert tab.title() == text
        assert tab.evaluate("() => window.hacked") is None
        assert tab.locator("img").count() == 0
