"""FeatureActivations shows any text as that text: strange scripts, long tokens, hostile markup."""

import pytest
from browser.activations.activations_page import Page

HOSTILE = (
    "<img src=x onerror='window.hacked=1'>",
    "<script>window.hacked=1</script>",
    "</script><svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "&lt;b&gt; {{7*7}} ${window.hacked=1}",
)
ODD = {
    "newlines and spaces": "one\n\n  two   three\n",
    "tab": "a\tb",
    "right to left": "שלום עולם, مرحبا بالعالم",
    "emoji of several code points": "👩‍👩‍👧‍👦 and 🇫🇷 and 👍🏽",
    "combining marks": "e\u0301 and Z\u0351\u036b",
    "Chinese in byte pieces": "龘 means a dragon in flight",
    "a control character": "a\u0007b",
}


def no_markup_ran(notebook, root):
    assert notebook.page.evaluate("() => window.hacked") is None
    assert root.locator("img, script, iframe, a").count() == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(live, text):
    page = Page(live.run(f"w = vv.FeatureActivations(model, a, {text!r})\nw").view)
    assert page.shown() == text
    page.chips.first.hover()
    page.card.wait_for()
    no_markup_ran(live, page.root)


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_is_shown_as_text(live, label):
    page = Page(
        live.run(
            "w = vv.FeatureActivations.from_values("
            f"['one', ' two'], [[1.0], [-2.0]], [{label!r}])\nw"
        ).view
    )
    assert label in page.rows.first.inner_text().replace("\n", "")
    assert label in page.legend.inner_text().replace("\n", "")
    page.chips.first.hover()
    assert label in page.card.inner_text().replace("\n", "")
    no_markup_ran(live, page.root)


def test_a_hostile_error_is_shown_as_text(live):
    page = Page(live.run("w = vv.FeatureActivations.from_values(['a'], [1.0])\nw").view)
    live.tell(f"w.error = {HOSTILE[0]!r}")
    page.root.get_by_role("alert").wait_for()
    assert HOSTILE[0] in page.root.get_by_role("alert").inner_text()
    no_markup_ran(live, page.root)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_text_is_shown_whole(live, text):
    page = Page(live.run(f"w = vv.FeatureActivations(model, a, {text!r})\nw").view)
    assert page.shown() == text
    assert "\N{REPLACEMENT CHARACTER}" not in page.root.inner_text()


def test_pieces_of_one_character_are_one_chip(live):
    page = Page(live.run("w = vv.FeatureActivations(model, a, 'a 龘 b')\nw").view)
    assert live.ask("len(w.to_pandas())") > page.chips.count()
    page.chips.filter(has_text="龘").hover()
    assert "+" in page.card.locator(".vv-facts").inner_text()  # the ids of its pieces


def test_right_to_left_text_runs_from_the_right(live):
    page = Page(live.run("w = vv.FeatureActivations(model, a, 'שלום עולם')\nw").view)
    first, last = page.chips.first.bounding_box(), page.chips.last.bounding_box()
    assert first["x"] > last["x"]


def test_newlines_break_lines_and_have_a_sign(live):
    page = Page(live.run("w = vv.FeatureActivations(model, a, 'one\\ntwo')\nw").view)
    one, two = page.chip("one").bounding_box(), page.chip("two").bounding_box()
    assert two["y"] > one["y"]
    assert page.strip.locator("[data-sign]").first.get_attribute("data-sign") == "↵"


def test_a_token_of_400_characters_stays_inside_the_view(live):
    long = "x" * 400
    page = Page(
        live.run(
            f"w = vv.FeatureActivations.from_values(['a', {long!r}, 'b'], [1, 2, 3.0])\nw"
        ).view
    )
    assert page.shown() == f"a{long}b"
    for width in (600, 1200):
        with live.width(width):
            chip, root = page.chips.nth(1).bounding_box(), page.root.bounding_box()
            assert chip["x"] + chip["width"] <= root["x"] + root["width"] + 1


def test_the_text_can_be_selected_and_copied(live):
    text = "A cat  sat\non the mat."
    page = Page(live.run(f"w = vv.FeatureActivations(model, a, {text!r})\nw").view)
    copied = page.strip.evaluate(
        "strip => { const s = getSelection(); s.selectAllChildren(strip); return s.toString(); }"
    )
    assert " ".join(copied.split()) == " ".join(text.split())


def test_values_made_by_hand_need_no_model_and_show_their_sign(live):
    page = Page(
        live.run(
            """import numpy as np
w = vv.FeatureActivations.from_values(
    ["up", " down", " rest"], np.array([[2.0, 0], [-2.0, 1], [0, 0]]), ["mood", "noun"])
w.selected_features = [0]
w"""
        ).view
    )
    up, down, rest = page.tints()
    assert up
    assert down
    assert up != down
    assert rest in ("", "transparent")
    assert "mood" in page.legend.inner_text()
    assert page.root.get_by_role("button", name="Edit").count() == 0
