"""One name everywhere: a view's class leads to its files, in every room that has one."""

import json
import re

import pytest
from house.tree import ROOT, views

import volvelle

VIEWS = views()
PLACES = (
    "js/src/widgets/{name}.ts",
    "js/src/views/{name}/index.tsx",
    "js/test/views/{name}.test.ts",
    "tests/views/{subject}/test_{name}.py",
    "tests/browser/{subject}/test_{name}.py",
)


def snake(camel):
    """FeatureActivations -> feature_activations, DualUMAP -> dual_umap."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", camel).lower()


def code_of_notebooks():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def test_there_is_a_view():
    assert VIEWS


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_lives_in_the_module_of_its_name(view):
    assert VIEWS[view].stem == snake(view)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_a_public_name(view):
    assert view in volvelle.__all__


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_its_entry_its_drawing_and_its_tests(view):
    names = {"name": snake(view), "subject": VIEWS[view].parent.name}
    paths = [place.format(**names) for place in PLACES]
    assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_appears_in_a_notebook(view):
    assert any(re.search(rf"\b{view}\b", code) for code in code_of_notebooks())


def test_every_entry_of_the_front_end_belongs_to_a_view():
    entries = {path.stem for path in (ROOT / "js/src/widgets").glob("*.ts")}
    assert entries == {snake(view) for view in VIEWS}


def test_every_drawing_of_the_front_end_belongs_to_a_view():
    drawings = {path.name for path in (ROOT / "js/src/views").iterdir()}
    assert drawings == {snake(view) for view in VIEWS}


def test_every_test_of_the_front_end_lies_where_what_it_tests_lies():
    """test/lib/ui.test.ts tests src/lib/ui/, test/views/steering/fields.test.ts that one file.

    What makes the bundles lies beside src: test/budgets.test.ts tests budgets.mjs.
    """
    tests = sorted((ROOT / "js/test").glob("**/*.test.ts"))
    assert tests
    for path in tests:
        tested = (ROOT / "js/src" / path.relative_to(ROOT / "js/test")).with_suffix("")
        places = [tested.with_suffix(end) for end in ("", ".ts", ".tsx")]
        places.append(ROOT / "js" / f"{tested.stem}.mjs")
        assert any(place.exists() for place in places), path.relative_to(ROOT)
