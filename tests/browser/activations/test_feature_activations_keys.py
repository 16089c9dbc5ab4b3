"""FeatureActivations without a mouse, in the dark, and for those who cannot see colours."""

import pytest
from browser.activations.activations_page import TEXT, Page

# Relative luminance and contrast as WCAG 2.2 defines them.
CONTRAST = """element => {
  const channels = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = colour => {
    const [r, g, b] = channels(colour).map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opaque = node => {
    const colour = getComputedStyle(node).backgroundColor;
    return (channels(colour)[3] ?? 1) > 0.99 ? colour : opaque(node.parentElement);
  };
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(opaque(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
READABLE = 4.5  # WCAG 2.2 AA for text


@pytest.fixture
def view(live):
    return Page(live.run(f"w = vv.FeatureActivations(model, a, {TEXT!r})\nw").view)


def test_arrows_move_space_selects_shift_extends_escape_clears(live, view):
    keys = live.page.keyboard
    view.strip.focus()
    for _ in range(3):
        keys.press("ArrowRight")
    keys.press("Space")
    live.until("w.selected_tokens", [3])
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    live.until("w.selected_tokens", [3, 4, 5])
    keys.press("Escape")
    live.until("w.selected_tokens", [])
    assert live.page.evaluate("() => document.activeElement.className") == "vv-strip"


def test_the_keyboard_shows_what_hovering_shows(live, view):
    view.strip.focus()
    live.page.keyboard.press("End")
    view.card.wait_for()
    assert f"token {live.ask('len(w.to_pandas()) - 1')} of" in view.card.inner_text()
    active = view.strip.get_attribute("aria-activedescendant")
    assert view.chips.last.get_attribute("id") == active


def test_features_are_found_picked_added_and_pinned_by_keys_alone(live, view):
    keys = live.page.keyboard
    live.tell("w.selected_features = []")
    order = view.listed()
    view.filter.focus()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    live.until("w.selected_features", [order[1]])
    keys.press("p")
    live.until("w.pinned_features", [order[1]])
    keys.press("End")
    keys.press("Space")
    live.until("len(w.selected_features)", 2)


def test_tab_reaches_every_control_in_order_and_focus_is_visible(live, view):
    seen, faint = [], []
    view.root.get_by_role("button", name="Edit").focus()
    for _ in range(12):
        found = live.page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            if (!e.closest('.vv-feature_activations')) return null;
            const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1;
            const name = e.getAttribute('aria-label') ?? e.textContent;
            return [name, ring || s.boxShadow !== 'none']; }"""
        )
        if found is None:
            break
        seen.append(found[0])
        if not found[1]:
            faint.append(found[0])
        live.page.keyboard.press("Tab")
    words = " ".join(seen)
    for control in ("Edit", "PNG", "tokens of the text", "filter", "sort", "features;"):
        assert control in words
    assert faint == []


def test_every_control_has_a_name_for_a_screen_reader(view):
    nameless = view.root.locator("button, input, select, textarea, [tabindex='0']").evaluate_all(
        """all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()
        || e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_on_every_tint(live, view, theme):
    live.theme(theme)
    contrasts = view.chips.evaluate_all(f"chips => chips.map({CONTRAST})")
    assert min(contrasts) >= READABLE
    for part in (view.root.locator(".vv-title"), view.rows.first.locator(".vv-name")):
        assert part.evaluate(CONTRAST) >= READABLE


def test_the_view_follows_the_notebooks_theme(live, view):
    def look():
        return view.root.evaluate(
            "e => { const s = getComputedStyle(e); return [s.color, s.colorScheme]; }"
        ), view.tints()

    live.theme("light")
    light, light_tints = look()
    live.theme("dark")
    dark, dark_tints = look()
    live.theme("light")
    assert light != dark
    assert light_tints != dark_tints
    assert look() == (light, light_tints)


@pytest.mark.parametrize("width", [600, 1200])
def test_nothing_is_cut_off(live, view, width):
    with live.width(width):
        overflow = view.root.evaluate("e => e.scrollWidth - e.clientWidth")
        assert overflow <= 1
        for part in (view.strip, view.list, view.filter):
            assert part.bounding_box()["width"] > 100
