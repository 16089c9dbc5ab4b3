"""A bundle works wherever it is shown: it needs nothing beside it. (js/budgets.mjs weighs it.)"""

import re

import pytest
from house.tree import ROOT, STATIC

ENTRIES = sorted(path.stem for path in (ROOT / "js/src/widgets").glob("*.ts"))


def bundle(name):
    path = STATIC / f"{name}.js"
    assert path.is_file(), (
        f"{path.name} is not built: run `make install`, or `npm run build` in js/"
    )
    return path


@pytest.mark.parametrize("name", ENTRIES)
def test_a_bundle_is_one_module_that_imports_and_fetches_nothing(name):
    text = bundle(name).read_text(encoding="utf-8")
    assert re.search(r"export\s*\{[^}]*\bas default\b|export default", text)
    assert not re.search(r"""\bimport\s*(?:[\w{*][^;"']*from\s*)?["']""", text)
    namespaces = "http://www.w3.org/"  # of SVG and MathML: names, never fetched
    urls = set(re.findall(r"https?://[\w./-]+", text))
    assert {url for url in urls if not url.startswith(namespaces)} == set()
