"""What the README shows runs as it stands."""

import re

import pytest
from house.tree import ROOT

import volvelle as vv

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to write files into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_python_block_runs_in_the_order_of_the_page(model, here, monkeypatch):
    # the session's demo model: loading it again would double the time
    monkeypatch.setattr(vv, "load", {"smollm2": model}.__getitem__)
    names = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    view = names["view"]
    assert view.error == ""
    assert view.selected_features == [12, 77]
    assert view.to_pandas()["string"].str.cat() == "Another text."
    assert (here / "page.html").stat().st_size > 10_000


def test_every_name_the_readme_mentions_exists():
    for path in set(re.findall(r"\bvv\.([A-Za-z_]\w*(?:\.[a-z_]\w*)*)", README)):
        found = vv
        for name in path.split("."):
            found = getattr(found, name)


def test_every_file_the_readme_links_to_exists():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert linked
    for target in linked:
        assert (ROOT / target).is_file(), target


def test_every_make_target_that_a_page_names_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z][a-z-]+)", pages)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_line_that_installs_the_demo_model_is_the_one_the_error_prints():
    from volvelle.models.smollm2 import INSTALL

    assert INSTALL in README
    assert INSTALL.removeprefix("pip ") in (ROOT / "Makefile").read_text("utf-8").replace(
        "--quiet ", ""
    )
