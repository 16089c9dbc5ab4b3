"""A front end that is not built breaks no import, and says how to build it."""

from pathlib import Path

import pytest

from volvelle.views.kit import bundle as module
from volvelle.views.kit.bundle import LOADER, bundle, bundle_text
from volvelle.views.kit.view import View


def test_a_built_bundle_is_a_path(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    (tmp_path / "dial.js").write_text("export default {}")
    assert bundle("dial") == Path(tmp_path / "dial.js")
    assert bundle_text("dial") == "export default {}"


def test_a_view_sends_a_loader_and_the_text_beside_it(tmp_path, monkeypatch):
    """Of a path anywidget makes a signal that holds every view there was."""
    monkeypatch.setattr(module, "STATIC", tmp_path)
    (tmp_path / "dial.js").write_text("export default {}")

    class Dial(View):
        _esm = bundle("dial")

    state = Dial().get_state()
    assert state["_esm"] == LOADER
    assert state["_bundle"] == "export default {}"
    assert len(LOADER) < 1000  # this is what stays on the page for every view


@pytest.mark.filterwarnings("ignore:anywidget. Live-reloading")  # where watchfiles is missing
def test_a_bundle_that_is_watched_is_left_to_anywidget(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    monkeypatch.setenv("ANYWIDGET_HMR", "1")
    (tmp_path / "dial.js").write_text("export default {}")

    class Dial(View):
        _esm = bundle("dial")

    assert Dial().get_state()["_esm"] == "export default {}"


def test_a_missing_bundle_is_a_module_that_says_how_to_build(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    notice = bundle("dial")
    assert "npm run build" in notice
    assert "(dial)" in notice
    assert "export default" in notice


def test_a_view_without_its_bundle_can_still_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)

    class Dial(View):
        _esm = bundle("dial")

    assert "npm run build" in Dial()._esm


def test_a_missing_bundle_stops_an_export_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"dial\.js is not built; run `npm ci"):
        bundle_text("dial")
