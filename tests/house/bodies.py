"""What travels to a server, as text: name, format number, and a digest of each function's code.

A job that was left on a server is read by its format number. Whoever changes what is sent to a
function, or what comes back, raises the number; the record shows both beside each other.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volvelle.models.traces.bodies import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).with_name("bodies.txt")
HEAD = """\
# Name, format number and code of everything that travels to a server.
# Recorded by `make surface`, compared by test_bodies.py.
"""


def code_of(function: Callable[..., Any]) -> str:
    """Return a digest of a function's code, wherever it stands and whatever is said of it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def bodies() -> str:
    """Return the record."""
    rows = sorted((name, number, code_of(one)) for one, (name, number) in FORMATS.items())
    return HEAD + "".join(f"{name}: {number} {code}\n" for name, number, code in rows)


if __name__ == "__main__":
    RECORDED.write_text(bodies(), encoding="utf-8")
