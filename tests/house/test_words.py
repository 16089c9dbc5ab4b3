"""One word, one meaning: a class name leads to one class."""

import ast
from collections import defaultdict

from house.tree import PACKAGE, module


def classes():
    """Return where each class name of the package is defined; underscores in front left out."""
    found = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].append(module(path))
    return found


def test_a_class_name_exists_once():
    assert {name: where for name, where in classes().items() if len(where) > 1} == {}
