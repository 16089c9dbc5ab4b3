"""Every view, full of strangers' texts, as a file in a browser: drawn, and they stay texts."""

import re

import pytest
from browser.conftest import SIZE
from browser.waits import patient, shown, until
from house.tree import views
from views import strange

from volvelle.arguments.texts import clean

# What a page may say of each view's texts: all of them, or those it has room for.
SAID = {
    "Steering": (".vv-name", len(strange.INJECTIONS)),
    "FeatureActivations": (".vv-chip", len(strange.INJECTIONS)),
    "CircularManifold": (".vv-place text", len(strange.INJECTIONS)),
    "EmotionCircle": (".vv-place text", len(strange.INJECTIONS)),
    "DoseResponse": ("button", 2),
    "DualUMAP": (".vv-row", 1),
    "Jobs": (".vv-job", 1),
}


@pytest.fixture
def opened(chrome, tmp_path):
    """Open a view's file where there is no network; what it complains of or asks for fails."""
    said, asked, contexts = [], [], []

    def open_page(view, title):
        path = view.to_html(tmp_path / "view.html", title=title)
        context = patient(chrome.new_context(offline=True, viewport=SIZE))
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: m.type in ("error", "warning") and said.append(m.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}


def letters(text):
    """A text without what a page folds, turns or shows as a sign."""
    return re.sub(r"[\s\0\u2028\u2029]+|U\+20[0-9A-F]{2}|·", "", text)


@pytest.mark.parametrize("name", list(views()))
def test_texts_that_would_leave_their_place_are_shown_as_they_are(opened, name):
    view = strange.MAKERS[name](strange.INJECTIONS)
    page = opened(view, "".join(strange.INJECTIONS))
    root = page.locator("#view .vv").first
    shown(root)
    selector, least = SAID[name]
    until(lambda: page.locator(selector).count(), lambda n: n >= least)
    found = letters("".join(page.locator(selector).all_text_contents()))
    seen = [one for one in strange.INJECTIONS if letters(one) in found]
    assert len(seen) >= least, found
    assert page.locator("#view img, #view script, #view iframe, #view b[onmouseover]").count() == 0
    assert page.evaluate("() => [Object.keys({}).length, ({}).norm, ({}).data]") == [0, None, None]
    assert page.title().split() == "".join(strange.INJECTIONS).split()
    view.close()


@pytest.mark.parametrize("name", list(views()))
def test_halves_of_characters_nul_and_marks_of_direction_are_drawn(opened, name):
    view = strange.MAKERS[name](strange.ODD)
    page = opened(view, strange.ODD[0])
    shown(page.locator("#view .vv").first)
    until(lambda: page.locator("#view").inner_text(), bool)
    page.get_by_text(clean(strange.ODD[0])).first.wait_for()
    assert page.title() == clean(strange.ODD[0])
    view.close()


def test_names_that_all_objects_have_are_names_like_others(opened):
    import numpy as np

    import volvelle as vv

    names = ("constructor", "__proto__", "toString", "$base64")
    made = {n: vv.Direction(np.ones(4), n, "resid_post.1") for n in names}
    view = vv.Steering(None, made, "a", method="orthogonal")
    view.strengths = {"constructor": 0.5, "__proto__": 0.25, "toString": 0.0, "$base64": -1}
    page = opened(view, "names")
    for name, strength in view.strengths.items():
        row = page.get_by_role("group", name=name, exact=True)
        typed = row.get_by_label(f"strength of {name}, typed")
        assert float(typed.input_value()) == strength
        assert row.get_by_label(f"method of {name}").input_value() == "orthogonal"
        assert "moved from" not in row.inner_text()
    view.close()


def test_a_cap_without_bounds_is_drawn_with_none(opened):
    import numpy as np

    import volvelle as vv

    joy = vv.Direction(np.ones(4), "joy", "resid_post.1")
    steer = vv.Steer(joy, method="projection_cap", min=-np.inf, max=np.inf)
    view = vv.Steering(None, [steer], "a")
    page = opened(view, "cap")
    for bound in ("min of joy", "max of joy"):
        field = page.get_by_label(bound)
        assert (field.input_value(), field.get_attribute("placeholder")) == ("", "none")
    view.close()
