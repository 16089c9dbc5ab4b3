"""A front end that is not built breaks no import, and says how to build it."""

from pathlib import Path

import pytest

from volvelle.views.kit import bundle as module
from volvelle.views.kit.bundle import bundle, bundle_text


def test_a_built_bundle_is_a_path(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    (tmp_path / "dial.js").write_text("export default {}")
    assert bundle("dial") == Path(tmp_path / "dial.js")
    assert bundle_text("dial") == "export default {}"


def test_a_missing_bundle_is_a_module_that_says_how_to_build(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    notice = bundle("dial")
    assert "npm run build" in notice
    assert "(dial)" in notice
    assert "export default" in notice


def test_a_view_without_its_bundle_can_still_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    from volvelle.views.kit.view import View

    class Dial(View):
        _esm = bundle("dial")

    assert "npm run build" in Dial()._esm


def test_a_missing_bundle_stops_an_export_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STATIC", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"dial\.js is not built; run `npm ci"):
        bundle_text("dial")
