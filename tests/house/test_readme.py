"""What the README shows runs as it stands."""

import pytest
from house import pages
from house.tree import ROOT

PAGE = ROOT / "README.md"
README = PAGE.read_text("utf-8")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to write files into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_python_block_runs_in_the_order_of_the_page(model, here, monkeypatch):
    names = pages.run(PAGE, model, monkeypatch)
    view = names["view"]
    assert view.error == ""
    assert view.selected_features == [12, 77]
    assert view.to_pandas()["string"].str.cat() == "Another text."
    assert (here / "page.html").stat().st_size > 10_000


def test_every_name_the_readme_mentions_exists():
    assert pages.unknown_names(README) == []


def test_every_file_the_readme_links_to_exists():
    assert pages.links(README)
    assert pages.broken_links(PAGE) == []


def test_the_line_that_installs_the_demo_model_is_the_one_the_error_prints():
    from volvelle.models.load.smollm2 import INSTALL

    assert INSTALL in README
    assert INSTALL.removeprefix("pip ") in (ROOT / "Makefile").read_text("utf-8").replace(
        "--quiet ", ""
    )
