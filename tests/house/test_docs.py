"""What the documentation shows runs, what it names exists, what it links to is there."""

import re

import pytest
from house import pages
from house.tree import ROOT, views

INDEX = ROOT / "docs/index.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.mark.slow
@each_page
def test_every_python_block_runs_in_the_order_of_the_page(page, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = pages.run(page, model, monkeypatch)
    assert names, f"{page.name} shows nothing that runs"
    assert [name for name, value in names.items() if getattr(value, "error", "")] == []


@each_page
def test_every_name_a_page_mentions_exists(page):
    assert pages.unknown_names(page.read_text("utf-8")) == []


@each_page
def test_every_link_of_a_page_resolves(page):
    assert pages.broken_links(page) == []


def test_every_page_is_on_the_map_of_pages():
    linked = {(INDEX.parent / link).resolve() for link in pages.links(INDEX.read_text("utf-8"))}
    assert [page.name for page in PAGES if page != INDEX and page not in linked] == []


@pytest.mark.parametrize("view", views())
def test_a_view_is_documented(view):
    assert any(re.search(rf"\bvv\.{view}\b", page.read_text("utf-8")) for page in PAGES)


def test_what_is_wrong_on_a_page_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A *first* heading\n[a](#a-first-heading) [b](#none) [c](gone.md) [d](page.md#none)\n"
        "`[e](f)`\n"
        "`vv.encode`, `vv.encod` and `vv.SAE.load`, `vv.SAE.lode`\n"
        "```python\nx = [1](2) if 0 else 1\n```\n```py\nraise SystemExit\n```\n",
        encoding="utf-8",
    )
    assert pages.broken_links(page) == ["#none", "gone.md", "page.md#none"]
    assert pages.unknown_names(page.read_text("utf-8")) == ["vv.SAE.lode", "vv.encod"]
    assert len(pages.blocks(page.read_text("utf-8"))) == 1
