"""DualUMAP in a real JupyterLab: pixels read back, hovered, lassoed, searched, linked, lost."""

import pytest
from browser.maps.map_page import COUNT, PLANTED, MapPage, around
from browser.notebook import Notebook
from browser.waits import at_rest, passing, until

WHERE = "[float(v) for v in w._xy_{0}[{1}] / 65534]"
# Both end once the views have been told.
LOSE = """() => new Promise(told => {
  const { gl, canvas } = globalThis[Symbol.for('volvelle.gl/2')];
  globalThis.__lost = { gl, canvas, by: gl.getExtension('WEBGL_lose_context') };
  canvas.addEventListener('webglcontextlost', () => told(), { once: true });
  globalThis.__lost.by.loseContext();
})"""
RESTORE = """() => new Promise(told => {
  globalThis.__lost.canvas.addEventListener('webglcontextrestored', () => told(), { once: true });
  globalThis.__lost.by.restoreContext();
})"""
# As in browsers and virtual machines that have no WebGL at all.
NO_WEBGL = """for (const C of [OffscreenCanvas, HTMLCanvasElement]) {
  const open = C.prototype.getContext;
  C.prototype.getContext = function (kind, ...rest) {
    return kind.startsWith('webgl') ? null : open.call(this, kind, ...rest);
  };
}"""


@pytest.fixture(scope="module")
def book(chrome, server):
    with chrome.new_context(viewport={"width": 1200, "height": 900}) as fresh:
        notebook = Notebook(fresh, server)
        notebook.run(PLANTED)
        yield notebook
        notebook.kill_kernel()


@pytest.fixture
def lab(book):
    book.clear()
    yield book
    assert book.console == []
    assert book.outside == []


@pytest.fixture
def view(lab):
    page = MapPage(lab.run("w = vv.DualUMAP(pair)\nw").view)
    page.drawn()
    return page


def place(lab, view, which, index, panel=None):
    return view.spot(
        tuple(lab.ask(WHERE.format(which, index))), panel if panel is not None else which == "b"
    )


def test_both_panels_are_drawn_in_their_colours_by_webgl(lab, view):
    assert view.stage.get_attribute("data-renderer") == "webgl2"
    left, right = view.inked((0, 0.5)), view.inked((0.5, 1))
    assert min(left, right) > 300
    assert abs(left - right) < 0.5 * max(left, right)
    lab.picture(view.root, "dual_umap")


def test_the_head_says_the_numbers_beside_their_nulls(lab, view):
    said = view.root.inner_text()
    for part in (
        "left and right",
        "joint",
        "matched by decoder",
        "95 % of chance",
        "twins",
        "permuted",
    ):
        assert part in said
    assert f"{lab.ask('pair.trustworthiness'):.3f}" in said


def test_hover_shows_the_point_and_joins_it_to_its_match(lab, view):
    before = view.inked(canvas=view.overlay)
    view.move(place(lab, view, "a", 5))
    view.card.wait_for()
    card = view.card.inner_text()
    assert "left/5" in card
    assert "alpha5" in card
    assert "beta5" in card
    # the line crosses into the other panel
    until(lambda: view.inked((0.5, 1), view.overlay))
    assert view.inked(canvas=view.overlay) > before


def test_a_lasso_reaches_python_and_shows_matches_in_the_other_panel(lab, view):
    view.button("Lasso").click()
    view.drag(around(place(lab, view, "a", 5)))
    lab.until("5 in w.selected_a.tolist()", expected=True)
    assert lab.ask("w.selected_b.tolist()") == []
    heads = view.heads.all_inner_texts()
    assert any(head.startswith("selected in left") for head in heads)
    assert any(head.startswith("their matches in right") for head in heads)
    n = lab.ask("len(w.selected_a)")
    view.drag(around(place(lab, view, "a", 20)), keys="Shift")
    lab.until(f"len(w.selected_a) > {n}", expected=True)
    view.drag(around(place(lab, view, "a", 5)), keys="Alt")
    lab.until("5 in w.selected_a.tolist()", expected=False)


def test_a_selection_greys_the_rest(lab, view):
    vivid = view.colours()
    lab.tell("w.selected_a = [3]")
    view.root.get_by_text("1 selected").wait_for()
    until(view.colours, lambda now: sum(now.values()) < sum(vivid.values()))


def test_a_click_selects_and_links_to_feature_activations(lab, view):
    lab.tell(
        "import ipywidgets; f = vv.FeatureActivations(); link = ipywidgets.jslink("
        "(w, 'selected_features'), (f, 'selected_features'))"
    )
    lab.run("link, f")
    at = place(lab, view, "a", 7)
    view.stage.click(position={"x": at[0], "y": at[1]})
    lab.until("len(w.selected_features)", 1)
    lab.until("f.selected_features == w.selected_features", expected=True)


def test_search_finds_greys_and_selects(lab, view):
    view.query.fill("alpha11")
    view.button("11 found").wait_for()  # alpha11, alpha110...alpha119
    assert view.rows.count() >= 10
    lab.until("w.query", "alpha11")
    view.button("11 found").click()
    lab.until("w.selected_a.tolist()", [11, *range(110, 120)])
    lab.tell("w.query = 'beta3'")
    until(view.query.input_value, lambda query: query == "beta3")


def test_both_panels_share_zoom_and_pan(lab, view):
    at = view.spot((0.5, 0.5))
    before = view.inked((0, 0.5)), view.inked((0.5, 1))
    view.stage.focus()
    view.move(at)
    for _ in range(6):
        view.page.mouse.wheel(0, -240)
    at_rest(view.page)
    after = view.inked((0, 0.5)), view.inked((0.5, 1))
    assert all(a != b for a, b in zip(after, before, strict=True))
    view.button("Fit").click()
    until(lambda: view.inked((0, 0.5)), lambda inked: inked == before[0])
    assert lab.ask("w.status") == "idle"


def test_the_wheel_belongs_to_the_page_until_the_map_is_in_use(lab, view):
    before = view.inked()
    view.page.evaluate("document.activeElement.blur()")
    view.move(view.spot((0.5, 0.5)))
    view.page.mouse.wheel(0, -240)
    at_rest(view.page)
    assert view.inked() == before


def test_keys_walk_select_search_and_clear(lab, view):
    view.stage.focus()
    view.page.keyboard.press("ArrowRight")
    view.card.wait_for()
    first = view.card.inner_text()
    view.page.keyboard.press("ArrowRight")
    until(view.card.inner_text, lambda card: card != first)
    view.page.keyboard.press("Enter")
    lab.until("len(w.selected_a)", 1)
    view.page.keyboard.press("/")
    assert view.query.evaluate("e => e === document.activeElement")
    view.page.keyboard.press("Escape")
    view.page.keyboard.press("Escape")
    view.page.keyboard.press("Escape")
    lab.until("len(w.selected_a)", 0)


def test_interaction_does_not_wait_for_a_busy_kernel(lab, view):
    view.button("Lasso").click()
    at = place(lab, view, "a", 5)
    with lab.silent_kernel():
        view.drag(around(at))
        view.heads.filter(has_text="their matches in right").wait_for()
    lab.until("5 in w.selected_a.tolist()", expected=True)


def test_one_panel_holds_both(lab, view):
    view.button("Overlay").click()
    lab.until("w.panels", "one")
    until(lambda: view.inked((0.4, 0.6)), lambda inked: inked > 100)
    lab.picture(view.root, "dual_umap-one", themes=("light",))


def test_colours_follow_the_choice_and_values_from_python(lab, view):
    by_dictionary = view.colours()
    view.root.get_by_role("combobox").select_option("match")
    lab.until("w.color_by", "match")
    until(view.colours, lambda now: now != by_dictionary)
    lab.tell("w.values_name = 'x of a'; w.values_a = np.linspace(-1, 1, 120)")
    view.root.locator(".vv-legend-title", has_text="x of a").wait_for()


def test_the_theme_is_followed(lab, view):
    light = view.colours()
    lab.theme("dark")
    until(view.colours, lambda now: now != light)
    lab.theme("light")


def test_twenty_views_share_one_context(lab):
    lab.tell("many = [vv.DualUMAP(pair) for _ in range(20)]")
    cell = lab.run("import ipywidgets; ipywidgets.VBox(many)")
    stages = cell.view.locator(".vv-stage")
    until(stages.count, lambda count: count == 20)
    points = stages.locator(".vv-points")
    until(
        lambda: [points.nth(i).evaluate(COUNT, [0, 1]) for i in range(20)],
        lambda inked: min(inked) > 300,
    )
    renderers = stages.evaluate_all("all => all.map(s => s.dataset.renderer)")
    assert set(renderers) == {"webgl2"}


def test_a_lost_context_leaves_the_picture_and_comes_back(lab, view):
    before = view.inked()
    colours = view.colours()
    view.page.evaluate(LOSE)
    lab.tell("w.color_by = 'cluster'")  # must be drawn anew, without WebGL
    at_rest(view.page)
    assert view.colours() != colours
    assert 0.6 * before < view.inked() < 1.6 * before
    view.page.evaluate(RESTORE)
    lab.tell("w.color_by = 'dictionary'")
    at_rest(view.page)
    assert abs(view.inked() - before) < 0.05 * before


def test_an_exported_file_hovers_selects_and_searches_offline(lab, view, tmp_path, context):
    path = tmp_path / "map.html"
    lab.tell(f"w.to_html({str(path)!r})")
    errors = []
    page = context.new_page()
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(path.as_uri())
    alone = MapPage(page.locator("body"))
    alone.drawn()
    at = alone.spot(tuple(lab.ask(WHERE.format("a", 5))))
    alone.move(at)
    alone.card.wait_for()
    assert "beta5" in alone.card.inner_text()
    alone.button("Lasso").click()
    alone.drag(around(at))
    alone.heads.filter(has_text="selected in left").wait_for()
    alone.query.fill("beta7")
    alone.button("11 found").wait_for()
    assert errors == []


def test_png_and_svg_are_saved(lab, view):
    with view.page.expect_download() as saved:
        view.button("SVG").click()
    text = saved.value.path().read_text()
    assert text.count("<circle") == 240
    assert "95 % of chance" in text
    with view.page.expect_download() as saved:
        view.button("PNG").click()
    assert saved.value.path().read_bytes()[:4] == b"\x89PNG"


def test_the_layout_streams_in_while_the_notebook_stays_usable(lab, tmp_path):
    cell = lab.run(
        "g = np.random.default_rng(1)\n"
        "big = g.standard_normal((2, 3000, 64)).astype('float32')\n"
        f"import os; os.environ['VOLVELLE_CACHE'] = {str(tmp_path)!r}\n"
        "w = vv.DualUMAP(big[0], big[1])\nw"
    )
    page = MapPage(cell.view)
    page.drawn()
    assert lab.run("1 + 1").seconds < 20
    lab.until("(w.status, w.error)", ("idle", ""), timeout=120)
    page.root.locator(".vv-numbers").wait_for()
    assert lab.ask("w._seen") >= 1


MANY = """
from dataclasses import replace
from volvelle.compute.maps.matching import Matching
n = 150_000
def half(h, name):
    none, nan = np.full((n, 3), -1, np.int32), np.full((n, 3), np.nan, np.float32)
    return replace(h, name=name, xy=random.standard_normal((n, 2)).astype("float32"),
        labels=tuple(f"{name}/{i}" for i in range(n)), densities=nan[:, 0],
        cluster=np.zeros(n, np.uint8), own=none, own_cosine=nan, other=none, other_score=nan)
w = vv.DualUMAP(replace(pair, a=half(pair.a, "left"), b=half(pair.b, "right"), regions=()))
w
"""


def test_without_a_gpu_very_many_points_are_drawn_some_first_then_all(lab):
    view = MapPage(lab.run(MANY).view)
    until(lambda: view.stage.get_attribute("data-every"), lambda every: every == "1")
    whole = view.inked()
    view.stage.focus()
    with passing(view.stage, "e => e.dataset.every === '5'", "e => e.dataset.every === '1'"):
        view.page.keyboard.press("+")
    assert view.inked() > 0.5 * whole
    view.button("Box").click()
    view.drag([(20, 40), (300, 300)])
    lab.until("len(w.selected_a) > 50_000", expected=True)


def test_of_a_very_large_map_a_sample_is_on_screen_before_the_rest_has_come(lab):
    lab.tell("from volvelle.views.maps import wire as map_wire; kept = vars(map_wire).copy()")
    lab.tell("map_wire.MOST_AT_ONCE = 10; map_wire.FIRST_POINTS = 120; map_wire.REST_S = 3600")
    try:
        view = MapPage(lab.run("w = vv.DualUMAP(pair)\nw").view)
        view.page.wait_for_function("s => s.dataset.renderer", arg=view.stage.element_handle())
        some = view.inked((0, 0.5)), view.inked((0.5, 1))
        assert min(some) > 200
        assert view.stage.get_attribute("data-every") == ""
        assert "matched by decoder" in view.root.inner_text()
        view.move(view.spot((0.5, 0.5), False))
        at_rest(view.page)
        assert view.card.count() == 0
        lab.tell("w._send_rest()")
        view.page.wait_for_function("s => s.dataset.every === '1'", arg=view.stage.element_handle())
        assert view.stage.get_attribute("data-renderer") == "webgl2"
        view.move(place(lab, view, "a", 5))
        view.card.wait_for()
        assert "left/5" in view.card.inner_text()
    finally:
        lab.tell("vars(map_wire).update(kept)")


def test_without_webgl_the_map_is_drawn_all_the_same(chrome, server):
    with chrome.new_context(viewport={"width": 1200, "height": 900}) as context:
        context.add_init_script(NO_WEBGL)
        notebook = Notebook(context, server)
        notebook.run(PLANTED)
        view = MapPage(notebook.run("w = vv.DualUMAP(pair)\nw").view)
        view.drawn()
        assert view.stage.get_attribute("data-renderer") == "canvas"
        view.move(place(notebook, view, "a", 5))
        view.card.wait_for()
        assert "beta5" in view.card.inner_text()
        assert notebook.console == []
        notebook.kill_kernel()
