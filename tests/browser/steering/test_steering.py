"""Steering on the real model, in a real JupyterLab: dragged, typed, streamed, stopped, kept."""

import re

import pytest
from browser.waits import at_rest, shown, until

SHIP = 808  # a feature of the demo dictionary that fires on "ship"
MADE = f"""w = vv.Steering(
    model, {{"ship": vv.Steer(a.feature({SHIP}), 0.4)}}, "They travelled by", sae=a,
    watch=[" ship", " a big ship"], placebo=2, max_new_tokens=6, live=False)
w"""


class Page:
    """One view, found below a locator."""

    def __init__(self, within):
        self.root = within.locator(".vv-steering")
        self.columns = self.root.locator(".vv-column")
        self.slider = self.root.get_by_role("slider").first
        self.typed = self.root.get_by_label("strength of ship, typed")
        self.card = self.root.locator(".vv-card")
        self.run = self.root.get_by_role("button", name="Run", exact=True)
        shown(self.root)

    def text(self, column):
        return "".join(self.tokens(column).all_inner_texts())

    def tokens(self, column):
        return self.columns.nth(column).locator(".vv-tok")


@pytest.fixture
def view(live):
    page = Page(live.run(MADE).view)
    live.tell("w.wait(60)")
    return page


@pytest.fixture
def ran(live, view):
    view.run.click()
    live.until("w.status == 'idle' and w.result is not None", expected=True, timeout=90)
    view.root.locator(".vv-summary").wait_for()
    return view


def test_a_drag_moves_the_trait_and_a_live_view_runs_once_when_let_go(live, view):
    live.tell("w.live = True; runs = []; w.observe(lambda c: runs.append(c['new']), 'result')")
    at_rest(live.page)
    box = view.slider.bounding_box()
    mouse = live.page.mouse
    middle = box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.7, middle)
    mouse.down()
    for i in range(20):
        mouse.move(box["x"] + box["width"] * (0.7 + 0.005 * i), middle)
    live.until("w.strengths['ship'] > 0.45", expected=True)
    assert live.ask("w.result is None")
    mouse.up()
    live.until("len(runs)", 1, timeout=60)
    live.tell("w.wait(60)")
    dragged = live.ask("w.strengths['ship']")
    assert live.ask("w.result.steers[0].strength") == dragged
    assert view.typed.input_value() == f"{dragged:g}"


def test_keys_step_the_slider_zero_turns_it_off_and_typing_goes_beyond_its_ends(live, view):
    view.slider.focus()
    before = live.ask("w.strengths['ship']")
    live.page.keyboard.press("ArrowRight")
    live.until(f"round(w.strengths['ship'] - {before}, 3)", 0.01)
    live.page.keyboard.press("0")
    live.until("w.strengths['ship']", 0.0)
    view.typed.fill("1.5")
    view.typed.press("Enter")
    live.until("w.strengths['ship']", 1.5)
    assert float(view.slider.get_attribute("max")) == 1.5
    live.tell("w.strengths = {'ship': -0.25}")
    view.root.locator("input[type=range][aria-valuetext*='0.25']").wait_for()


def test_the_unit_switch_says_the_same_vector_in_another_unit(live, view):
    size = "(lambda s: s.parts()[0].scale(model.norm('resid_post.14')) * s.strength)(w.steers()[0])"
    before = live.ask(f"float({size})")
    view.root.get_by_label("unit of ship").select_option("max_act")
    live.until("w.units['ship']", "max_act")
    assert live.ask(f"float({size})") == pytest.approx(before, rel=1e-3)


def test_texts_stream_side_by_side_and_a_stop_keeps_what_was_written(live, view):
    live.tell("w.max_new_tokens = 200; w.placebo = 0")
    view.run.click()
    view.tokens(1).nth(2).wait_for()
    assert live.ask("w.status") == "running"
    view.root.get_by_role("button", name="Stop").click()
    live.until("w.status", "idle")
    view.root.get_by_text("Stopped before the end").wait_for()
    live.until("w._work.job.ended", expected=True)
    written = view.tokens(1).count()
    assert 2 < written < 200
    live.tell("w.wait()")
    at_rest(live.page)
    assert view.tokens(1).count() == written
    assert live.ask("w.result is None")
    # all but the newest token had been read, and the prompt but for its first
    marked = "all => all.map(e => e.hasAttribute('data-steered'))"
    assert view.tokens(1).evaluate_all(marked) == [True] * (written - 1) + [False]
    assert not any(view.tokens(0).evaluate_all(marked))
    assert view.root.locator(".vv-given .vv-tok").evaluate_all(marked) == [False, True, True]


def test_underlines_are_the_mask_and_hovering_shows_both_probabilities(live, ran):
    row = "w.result.row(1)"
    mask = live.ask(f"{row}.masks[0].tolist()")
    n = live.ask("len(w.result.prompt_ids)")
    marked = "all => all.map(e => e.hasAttribute('data-steered'))"
    assert ran.tokens(1).evaluate_all(marked) == mask[n:]
    assert ran.root.locator(".vv-given .vv-tok").evaluate_all(marked) == mask[:n]
    assert ran.text(1) == live.ask(f"''.join({row}.strings)")
    ran.tokens(1).nth(2).hover()
    ran.card.wait_for()
    card = ran.card.inner_text()
    seen = [-float(value) for value in re.findall(r"ln P .([\d.e-]+)", card)]
    true = live.ask(f"[float({row}.logprobs[2]), float({row}.base_logprobs[2])]")
    assert seen == pytest.approx(true, rel=0.01)
    assert "|δ|/|h|" in card
    first = ran.columns.nth(1).locator(".vv-watch").first
    assert "placebo band" in first.get_attribute("title")
    # an answer of several tokens keeps its bar at every token, and says where it is from
    whole = ran.columns.nth(1).locator(".vv-watch").nth(1)
    assert "after the prompt" in whole.inner_text()
    live.page.mouse.move(0, 0)
    live.picture(ran.root, "steering")


def test_the_keyboard_reads_token_by_token(live, ran):
    ran.columns.nth(1).locator(".vv-written").focus()
    live.page.keyboard.press("ArrowRight")
    live.page.keyboard.press("ArrowRight")
    ran.card.get_by_text("token 1 of").wait_for()
    live.page.keyboard.press("Escape")
    ran.card.wait_for(state="detached")


def test_history_compares_and_restores(live, ran):
    first = ran.text(1)
    live.tell("w.strengths = {'ship': -0.6}; w.seed = 3; w.run().wait(90)")
    history = ran.root.get_by_role("group", name="history of runs")
    history.get_by_role("button", name=re.compile(r"^1 ship")).click()
    live.until("w.compare", 1)
    other = ran.root.locator(".vv-compared")
    other.get_by_text("differs in").wait_for()
    assert "strengths" in other.inner_text()
    assert "".join(other.locator(".vv-column").nth(1).locator(".vv-tok").all_inner_texts()) == first
    history.get_by_role("button", name="restore run 1").click()
    live.until("(w.strengths['ship'], w.seed)", (0.4, 0))
    live.until("w.result is w.history[1]", expected=True)
    until(lambda: ran.text(1), lambda text: text == first)


def test_a_search_adds_a_feature_and_a_click_removes_it(live, view):
    view.root.get_by_role("combobox", name="add a feature").fill("snow winter")
    found = view.root.get_by_role("option").filter(has_text="snow").first
    found.click()
    live.until("len(w.names)", 2)
    name = live.ask("w.names[1]")
    view.root.get_by_role("button", name=f"remove {name}").click()
    live.until("w.names", ["ship"])


def test_where_is_typed_as_text_and_a_mistake_is_shown_and_taken_back(live, view):
    view.root.locator("summary").click()
    place = view.root.get_by_label("where in the prompt")
    place.fill("-2:")
    place.press("Enter")
    live.until("w.where['prompt']", "-2:")
    place.fill("the end")
    place.press("Enter")
    alert = view.root.get_by_role("alert").locator("> span")
    alert.get_by_text("names no tokens").wait_for()
    assert "while the model ran" not in alert.inner_text()
    assert live.ask("w.where['prompt']") == "-2:"
    live.tell("w.where = vv.Where(generated='none')")
    view.root.locator("summary").get_by_text("generated none").wait_for()


def test_two_hundred_rapid_moves_end_in_the_last_one(live, view):
    live.tell("w.live = True")
    view.slider.evaluate(
        """slider => { for (let i = 1; i <= 200; i++) {
        slider.value = String(i / 250);
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        slider.dispatchEvent(new Event('change', { bubbles: true })); } }"""
    )
    live.until("w.strengths['ship']", 0.8)
    live.until("w.result is not None and w.status == 'idle'", expected=True, timeout=90)
    assert live.ask("(w.error, w.result.steers[0].strength)") == ("", 0.8)
    assert live.ask("max(w.history)") <= 3  # moves that rest make runs, not each move


def test_an_interrupt_a_removed_cell_and_a_failing_model_leave_it_working(live, view):
    live.tell("w.max_new_tokens = 300; w.placebo = 0")
    wait = "w.run(); w.wait()"
    live.page.evaluate(
        """code => {
        const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
        session.kernel.requestExecute({ code, store_history: false }); }""",
        wait,
    )
    view.tokens(1).nth(1).wait_for()
    live.server.request("POST", f"api/kernels/{live.kernel_id()}/interrupt")
    live.until("w.status", "idle")
    live.tell("w.run()")
    live.page.evaluate(
        """() => { const { sharedModel } = window.jupyterapp.shell.currentWidget.content.model;
        sharedModel.deleteCell(sharedModel.cells.length - 1); }"""
    )
    view.root.wait_for(state="detached")
    live.tell("w.stop(); w.max_new_tokens = 4")
    again = Page(live.run("w").view)
    live.tell("norm, model.norms = model.norms, {}")
    live.tell("import volvelle.experiments.steering.steer as s; s_rows = s.generate_rows")
    live.tell("def boom(*a, **k): raise RuntimeError('device lost')\ns.generate_rows = boom")
    try:
        again.run.click()
        alert = again.root.get_by_role("alert").locator("> span")
        alert.get_by_text("Run again").wait_for()
    finally:
        live.tell("s.generate_rows = s_rows; model.norms = norm")
    again.run.click()
    again.root.locator(".vv-summary").wait_for()
    assert live.ask("(w.status, w.error)") == ("idle", "")
    live.console.clear()  # what JupyterLab says of the interrupted request


def test_an_exported_run_keeps_hover_and_comparison(live, ran, exported):
    live.tell("w.strengths = {'ship': -0.6}; w.run().wait(90)")
    texts = live.ask("[''.join(r.row(1).strings) for r in w.history.values()]")
    page = Page(exported(live).locator("body"))
    assert page.text(1) == texts[1]
    page.tokens(1).nth(1).hover()
    page.card.get_by_text("unsteered").first.wait_for()
    page.root.get_by_role("button", name=re.compile(r"^1 ship")).click()
    other = page.root.locator(".vv-compared .vv-column").nth(1).locator(".vv-tok")
    assert "".join(other.all_inner_texts()) == texts[0]
    assert page.run.count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme_and_nothing_is_cut_off(live, ran, theme):
    live.theme(theme)
    for pixels in (600, 1200):
        with live.width(pixels):
            assert ran.root.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
            assert ran.slider.bounding_box()["width"] > 80
    scheme = ran.root.evaluate("e => getComputedStyle(e).colorScheme")
    assert theme in scheme or scheme == "normal"
    live.theme("light")


def test_every_control_has_a_name_for_a_screen_reader(view):
    view.root.locator("summary").click()
    view.root.get_by_label("where in the prompt").wait_for()
    nameless = view.root.locator("button, input, select, textarea, [tabindex='0']").evaluate_all(
        """all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()
        || e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_a_chat_shows_what_its_template_writes_and_steers_the_turns_chosen(live):
    view = Page(
        live.run(
            f"""w = vv.Steering(
    model, {{"ship": vv.Steer(a.feature({SHIP}), 0.4)}}, "Tell me of the sea.", sae=a, chat=True,
    watch=[" ship"], placebo=1, max_new_tokens=5, live=False)
w"""
        ).view
    )
    view.root.locator(".vv-settings summary").click()
    turns = view.root.get_by_label("whose turns of a chat")
    turns.fill("last user")
    turns.press("Enter")
    live.until("w.where['turns']", "last user")
    view.run.click()
    live.until("w.status == 'idle' and w.result is not None", expected=True, timeout=90)
    given = view.root.locator(".vv-given .vv-tok")
    n = live.ask("len(w.result.prompt_ids)")
    until(given.count, lambda count: count == n)
    whose = live.ask("list(w.result.prompt_turns)")
    own = given.evaluate_all("all => all.map(e => e.dataset.own ?? 'user')")
    assert own == whose
    steered = given.evaluate_all("all => all.map(e => e.hasAttribute('data-steered'))")
    assert steered == [one == "user" for one in whose]
    hidden = view.root.locator(".vv-given [data-own=hidden]")
    assert "".join(hidden.all_inner_texts()).startswith("You are a helpful AI assistant")
    assert not any(
        view.tokens(1).evaluate_all("all => all.map(e => e.hasAttribute('data-steered'))")
    )
    live.picture(view.root, "steering-chat")
    view.root.get_by_role("button", name="hide the template").click()
    shown(view.root.get_by_role("button", name="show the template"))
    assert "".join(given.all_inner_texts()) == "Tell me of the sea."
    turns.fill("usr")
    turns.press("Enter")
    shown(view.root.get_by_text("where: unknown turn 'usr'; did you mean 'user'?", exact=True))
    live.until("w.where['turns']", "last user")
