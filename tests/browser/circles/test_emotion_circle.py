"""EmotionCircle on the real model, in a real JupyterLab: turned, read, set."""

import pytest
from browser.circles.dial_page import Dial
from browser.waits import at_rest, until

TEXT = "She laughed. Then the phone rang, and her face went white with fear."
MAKE = f"""
try: circle
except NameError: circle = vv.emotion_circle(model, n_null=200)
w = vv.EmotionCircle(model, circle, {TEXT!r}, placebo=1, max_new_tokens=4)
w.wait(120)
w
"""


@pytest.fixture
def dial(live):
    return Dial(live.run(MAKE).view)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_name_lies_over_another_and_nothing_is_cut_off(live, dial, theme):
    live.theme(theme)
    # in the narrowest window names are read by pointing at them
    for width, named in ((320, 0), (600, 25), (1200, 25)):
        with live.width(width):
            assert dial.overlaps() == (named, [])
            assert dial.root.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    scheme = live.page.evaluate("() => getComputedStyle(document.body).colorScheme")
    assert scheme == theme
    paper = dial.root.evaluate("e => getComputedStyle(e).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (theme == "light")
    live.theme("light")


def test_the_score_stands_beside_its_null(live, dial):
    said = dial.root.locator(".vv-verdict").inner_text()
    assert said == live.ask("circle.summary()")
    assert "95 % of shuffles below" in said
    title, verdict = (
        dial.root.locator(each).bounding_box() for each in (".vv-head", ".vv-verdict")
    )
    assert verdict["y"] - title["y"] - title["height"] <= 3  # no empty line between
    live.picture(dial.root, "emotion_circle")


def test_the_mouse_turns_the_hand_and_the_bars_follow(live, dial):
    dial.drag(330, 200)
    live.until("abs(w.angle - 200) < 1.5", expected=True)
    live.until("0.12 < w.strength < 0.18", expected=True)
    live.until("w._expected.get('at', {}).get('angle') == w.angle", expected=True, timeout=60)
    top = live.ask("w.to_pandas('words').sort_values('steered').word.tolist()[::-1][:6]")
    until(dial.ordered, lambda words: words[:6] == top)


def test_a_finger_turns_the_hand_and_does_not_scroll_the_page(live, dial):
    dial.swipe(330, 200)
    live.until("abs(w.angle - 200) < 1.5", expected=True)


def test_the_dial_stays_under_the_pointer_when_the_model_begins_to_run(live, dial):
    before = dial.disc.bounding_box()
    live.tell("w.set_trait('status', 'running')")
    dial.root.get_by_role("progressbar").wait_for()
    at_rest(live.page)
    assert dial.disc.bounding_box() == before
    live.tell("w.set_trait('status', 'idle')")


def test_keys_turn_the_hand_by_5_and_by_30(live, dial):
    dial.hand.focus()
    turns = {"ArrowRight": 5, "PageUp": 35, "Shift+ArrowLeft": 5, "ArrowUp": 10, "Home": 0}
    for key, angle in turns.items():
        live.page.keyboard.press(key)
        live.until("w.angle", float(angle))
    live.page.keyboard.press("+")
    live.until("round(w.strength, 3)", 0.16)
    assert dial.hand.get_attribute("aria-valuenow") == "0"
    halo = dial.root.locator(".vv-hand-halo")
    assert halo.evaluate("e => getComputedStyle(e).stroke") != "none"


def test_a_token_lights_up_in_the_text_and_on_the_dial(live, dial):
    assert dial.marks.count() == live.ask("int(w.to_pandas('tokens').x.notna().sum())")
    fear = dial.chips.filter(has_text="fear")
    fear.hover()
    lit = dial.root.locator(".vv-token-mark[data-lit]")
    assert lit.get_attribute("data-token") == fear.get_attribute("data-token")
    assert "fear" in dial.root.locator(".vv-readout").inner_text()
    dial.marks.first.hover(force=True)
    first = dial.marks.first.get_attribute("data-token")
    assert dial.root.locator(".vv-chip[data-lit]").get_attribute("data-token") == first


def test_typing_another_text_moves_the_trail(live, dial):
    dial.root.get_by_role("textbox", name="text to read").fill("I was calm and content.")
    live.until("w.text", "I was calm and content.")
    live.until("''.join(w._trail.get('strings', []))", "I was calm and content.", timeout=60)
    dial.chips.filter(has_text="content").wait_for()
    assert 270 < live.ask("float(w.to_pandas('tokens').set_index('string').angle[' calm'])") < 360


def test_a_click_on_the_strip_changes_the_layer(live, dial):
    before = dial.root.locator(".vv-verdict").inner_text()
    dial.root.locator(".vv-layer[data-layer='6']").click()
    live.until("w.layer", 6)
    live.until("str(w.direction.point)", "resid_post.6", timeout=60)
    dial.page.wait_for_function(
        "old => document.querySelector('.vv-verdict').textContent !== old", arg=before
    )
    assert "resid_post.6" in dial.root.locator(".vv-title").inner_text()
    # the layer was chosen by hand now
    verdict = dial.root.locator(".vv-verdict").inner_text()
    assert "not corrected for the choice of a layer out of 30" in verdict
    p = live.ask("float(w.circle.layers.corrected[7])")
    key = dial.root.locator(".vv-layer-key").inner_text()
    assert f"here p {p:.2g}" in key
    assert "over 31 points" in key


def test_the_wheel_is_turned_drawn_and_kept_in_a_file(live, dial, exported):
    dial.root.get_by_role("button", name="Turn all angles").click()
    live.until("w.wheel is not None and w.status", "idle", timeout=150)
    said = dial.root.locator(".vv-says").inner_text()
    assert said == live.ask("w.wheel.says()")
    assert "planes in the span" in said
    assert dial.root.locator(".vv-curve").count() == live.ask("len(w.wheel.names)")
    assert dial.root.locator(".vv-cards .vv-said").count() == 13
    live.picture(dial.root, "emotion_circle_wheel")
    page = exported(live)
    alone = Dial(page.locator("body"))
    before = alone.ordered()
    alone.drag(20, 210)
    until(alone.ordered, lambda words: words != before)
    assert "off the wheel" in alone.root.inner_text()
    assert alone.overlaps() == (25, [])


def test_what_python_refuses_is_said_in_the_view(live, dial):
    strength = dial.root.get_by_label("strength")
    strength.fill("9")
    strength.press("Enter")
    dial.root.get_by_role("alert").wait_for()
    assert "outside 0" in dial.root.get_by_role("alert").inner_text()
    assert live.ask("w.strength") == 0.15
