"""A call of many arguments cannot be read without being told what each is."""

import ast
import re

import pytest
from house.tree import PACKAGE, module

# Above so many parameters a function has a section that says what each is.
MOST = 5
# Functions that do without, each with its reason.
WITHOUT: dict[str, str] = {}

PARAMETERS = re.compile(
    r"^Parameters\n-{3,}\n(.*?)(?=^\w[^\n]*\n-{3,}$|\Z)", re.DOTALL | re.MULTILINE
)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def parameters(function):
    """Return the names of all parameters but `self` and `cls`."""
    told = function.args
    extra = [one for one in (told.vararg, told.kwarg) if one is not None]
    names = [one.arg for one in (*told.posonlyargs, *told.args, *told.kwonlyargs, *extra)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def is_overload(function):
    return any(ast.unparse(one).endswith("overload") for one in function.decorator_list)


def untold(source):
    """Yield (qualified name, parameters it says nothing of) for functions with too many of them."""

    def walk(node, above, documented):
        for child in ast.iter_child_nodes(node):
            name = (
                f"{above}.{child.name}" if isinstance(child, (*FUNCTION, ast.ClassDef)) else above
            )
            if isinstance(child, FUNCTION) and not is_overload(child):
                asked = parameters(child)
                # what an __init__ takes is told in its class's docstring
                texts = [ast.get_docstring(child) or ""]
                texts += [documented] * (child.name == "__init__")
                told = {
                    word
                    for text in texts
                    for section in PARAMETERS.findall(text)
                    for line in re.findall(r"^\*{0,2}\w[^\n]*", section, re.MULTILINE)
                    for word in re.findall(r"\w+", line.partition(" : ")[0])
                }
                if len(asked) > MOST and (missing := [one for one in asked if one not in told]):
                    yield name.removeprefix("."), missing
            inside = isinstance(child, ast.ClassDef)
            yield from walk(child, name, (ast.get_docstring(child) or "") if inside else "")

    yield from walk(ast.parse(source), "", "")


def missing():
    """Return what the package does not tell, by dotted name."""
    return {
        f"{module(path)}.{name}": wrong
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, wrong in untold(path.read_text(encoding="utf-8"))
    }


def test_a_function_of_many_parameters_says_what_each_is():
    found = missing()
    assert {name: found[name] for name in found.keys() - WITHOUT.keys()} == {}


def test_every_allowance_is_in_use():
    assert missing().keys() >= WITHOUT.keys()


MANY = "def f(a, b, c, d, e, *, g):\n    '''Do it.{}'''\n"
SECTION = "\n\n    Parameters\n    ----------\n    {}\n        What they are.\n    "


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        (MANY.format(""), ["a", "b", "c", "d", "e", "g"]),
        (
            MANY.format(SECTION.format("a, b, c : int\n    d, e\n        Numbers.\n    g : str")),
            None,
        ),
        (MANY.format(SECTION.format("a, b, c, d : int\n        Not of e.\n    g : str")), ["e"]),
        ("def f(a, b, c, d, e): ...", None),
        ("class A:\n    def f(self, a, b, c, d, e): ...", None),
        ("class A:\n    def f(self, a, b, c, d, e, *f): ...", ["a", "b", "c", "d", "e", "f"]),
    ],
)
def test_what_is_not_told_is_found(source, wrong):
    found = [missing for _, missing in untold(source)]
    assert found == ([] if wrong is None else [wrong])


def test_an_init_is_told_by_its_class():
    told = SECTION.format("a, b, c, d, e, g : int")
    body = "    def __init__(self, a, b, c, d, e, g): ...\n"
    assert list(untold(f"class A:\n    '''An a.{told}'''\n{body}")) == []
    assert [name for name, _ in untold(f"class A:\n    '''An a.'''\n{body}")] == ["A.__init__"]
