"""FeatureActivations on the real model, in a real JupyterLab: seen, clicked, typed, set."""

import pytest
from browser.activations.activations_page import TEXT, Page


@pytest.fixture
def view(live):
    cell = live.run(f"w = vv.FeatureActivations(model, a, {TEXT!r})\nw")
    return Page(cell.view)


def test_the_first_paint_shows_text_title_and_strongest_features(live, view):
    assert view.shown() == TEXT
    title = view.root.locator(".vv-head").inner_text()
    for fact in ("smollm2", "resid_post.14", "a", "features", "FVE"):
        assert fact in title
    # of this very text, not the figure of the dictionary's card
    fve = live.ask("float(vv.encode(model, w.text, a).fve)")
    assert f"FVE {fve:.2f} of this text, first tokens left out" in title
    strongest = live.ask("vv.encode(model, w.text, a).top_features(5)['feature'].tolist()")
    assert view.listed()[:5] == strongest
    assert live.ask("w.selected_features == w._shown.first_look()")
    live.picture(view.root, "feature_activations")


def test_exactly_the_tokens_on_which_the_feature_fires_are_tinted(live, view):
    column = "w.to_pandas().iloc[:, -1]"
    fires = live.ask(f"({column} > 0).tolist()")
    assert any(fires)
    assert not all(fires)
    assert [bool(tint) and tint != "transparent" for tint in view.tints()] == fires


def test_hovering_shows_token_id_position_values_and_strongest_features(live, view):
    view.chip("laughed").hover()
    view.card.wait_for()
    card = view.card.inner_text()
    token = live.ask("next(i for i, s in enumerate(model.tokens(w.text).strings) if 'laugh' in s)")
    assert f"id {live.ask(f'int(model.tokens(w.text).ids[{token}])')}" in card
    assert f"token {token} of" in card
    strongest = live.ask(
        f"vv.encode(model, w.text, a).top_features(5, token={token})['feature'].tolist()"
    )
    assert [int(i) for i in view.card.locator(".vv-index").all_inner_texts()][-5:] == strongest


def test_a_click_on_a_token_reaches_python_and_ranks_the_list_on_it(live, view):
    live.tell("seen = []; w.observe(lambda c: seen.append(c['new']), 'selected_tokens')")
    view.chips.nth(4).click()
    live.until("w.selected_tokens", [4])
    assert live.ask("seen") == [[4]]
    strongest = live.ask("vv.encode(model, w.text, a).top_features(3, token=4)['feature'].tolist()")
    pinned_on_top = live.ask("w.selected_features")
    view.root.get_by_text("on 1 selected").wait_for()
    rest = [feature for feature in view.listed() if feature not in pinned_on_top]
    assert rest[:3] == [feature for feature in strongest if feature not in pinned_on_top][:3]


def test_shift_selects_a_range_control_adds_and_clear_clears(live, view):
    view.chips.nth(2).click()
    view.chips.nth(5).click(modifiers=["Shift"])
    live.until("w.selected_tokens", [2, 3, 4, 5])
    view.chips.nth(8).click(modifiers=["Control"])
    live.until("w.selected_tokens", [2, 3, 4, 5, 8])
    assert view.selected() == [2, 3, 4, 5, 8]
    view.root.get_by_role("button", name="Clear 5 selected").click()
    live.until("w.selected_tokens", [])
    assert view.selected() == []


def test_picking_features_reaches_python_and_overlays_up_to_eight(live, view):
    shown = live.ask("w.selected_features")
    features = [feature for feature in view.listed() if feature not in shown]
    view.row(features[1]).locator(".vv-name").click()
    live.until("w.selected_features", [features[1]])
    for feature in (features[0], *features[2:8]):
        view.row(feature).get_by_role("button", name="add to the text").click()
    live.until("w.selected_features", [features[1], features[0], *features[2:8]])
    assert view.legend.locator(".vv-key").count() == 8
    colours = view.legend.locator(".vv-swatch").evaluate_all(
        "all => all.map(i => getComputedStyle(i).backgroundColor)"
    )
    assert len(set(colours)) == 8
    assert any("gradient" in tint for tint in view.tints())
    live.picture(view.root, "feature_activations-eight")


def test_python_sets_what_the_page_shows(live, view):
    before = view.tints()
    chosen = view.listed()[1:3]
    live.tell(f"w.selected_features = {chosen}; w.selected_tokens = [1, 3]")
    view.legend.get_by_text(str(chosen[1])).wait_for()
    assert [int(i) for i in view.legend.locator(".vv-index").all_inner_texts()] == chosen
    assert view.selected() == [1, 3]
    assert view.tints() != before
    live.tell("w.text = 'She wrote other words.'; w.wait(30)")
    view.chip("She").wait_for()
    assert view.shown() == "She wrote other words."
    assert view.selected() == []


def test_typing_encodes_again_and_the_newest_text_wins(live, view):
    view.root.get_by_role("button", name="Edit").click()
    box = view.root.get_by_role("textbox", name="text")
    box.fill("")
    box.press_sequentially("She wrote a short letter to the king", delay=30)
    view.chip("king").wait_for()
    live.until("w.text", "She wrote a short letter to the king")
    live.tell("w.wait(30)")
    assert view.shown() == "She wrote a short letter to the king"
    assert box.input_value() == "She wrote a short letter to the king"
    assert live.ask("(w.status, w.error)") == ("idle", "")
    live.picture(view.root, "feature_activations-edit")


def test_the_list_sorts_filters_and_pins(live, view):
    view.root.get_by_role("combobox", name="sort features by").select_option("index")
    live.until("w.sort_by", "index")
    kept = set(live.ask("w.selected_features"))
    numbers = [feature for feature in view.listed() if feature not in kept]
    assert numbers == sorted(numbers)
    view.root.get_by_role("combobox", name="sort features by").select_option("max")
    live.until("w.sort_by", "max")
    last = view.listed()[20]
    view.row(last).get_by_role("button", name=f"pin feature {last}").click()
    live.until("w.pinned_features", [last])
    assert view.listed()[0] == last
    view.filter.fill("said")
    live.until("w.query", "said")
    view.rows.nth(1).wait_for()
    labels = view.rows.locator(".vv-name").all_inner_texts()
    assert len(labels) > 1
    assert all("said" in label or str(last) in label for label in labels[1:] if label)


def test_several_texts_are_rows(live):
    texts = ["A red house.", "Ein rotes Haus.", ""]
    page = Page(live.run(f"w = vv.FeatureActivations(model, a, {texts!r})\nw").view)
    rows = page.strip.locator(".vv-row")
    assert rows.all_text_contents() == texts
    assert rows.nth(1).get_attribute("aria-label") == "text 2"
    assert live.ask("w.to_pandas()['text'].nunique()") == 2


def test_linked_views_select_together(live):
    cell = live.run(
        f"""import ipywidgets
w = vv.FeatureActivations(model, a, {TEXT!r})
v = vv.FeatureActivations(model, b, {TEXT!r})
ipywidgets.jslink((w, "selected_tokens"), (v, "selected_tokens"))
ipywidgets.VBox([w, v])"""
    )
    both = cell.view.locator(".vv-feature_activations")
    first, second = both.nth(0).locator(".vv-chip"), both.nth(1).locator(".vv-chip")
    second.nth(3).wait_for()
    first.nth(3).click()
    second.nth(3).and_(cell.view.locator("[aria-selected=true]")).wait_for()
    live.until("(w.selected_tokens, v.selected_tokens)", ([3], [3]))
    second.nth(5).click()
    first.nth(5).and_(cell.view.locator("[aria-selected=true]")).wait_for()
    live.until("(w.selected_tokens, v.selected_tokens)", ([5], [5]))


def test_a_failure_is_shown_and_the_last_result_stays(live, view):
    live.tell("w._model = None; w._request = {'serial': 900, 'kind': 'run'}")
    view.root.get_by_role("alert").wait_for()
    assert "has no model" in view.root.get_by_role("alert").inner_text()
    assert live.ask("w.status") == "failed"
    assert view.chips.count() == live.ask("len(w.to_pandas())")


def test_the_strip_is_saved_as_a_picture(live, view):
    with live.page.expect_download() as download:
        view.root.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename.endswith(".png")
    assert download.value.path().read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
