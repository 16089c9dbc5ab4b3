"""The traits of each view in Python and in TypeScript: the same names, the same kinds."""

import importlib
import re
from functools import cache

import pytest
import traitlets
from house.tree import ROOT, module, views

from volvelle.views.kit.arrays import Array
from volvelle.views.kit.view import HOST_TRAITS, View

VIEWS = views()
KINDS = {
    traitlets.Unicode: "string",
    traitlets.Enum: "string",
    traitlets.Bool: "boolean",
    traitlets.Int: "number",
    traitlets.Float: "number",
    traitlets.Dict: "record",
    Array: "array",
}


def kind_in_python(trait):
    if isinstance(trait, traitlets.List):
        return f"list of {kind_in_python(trait._trait) if trait._trait else 'anything'}"
    if isinstance(trait, traitlets.Any) and type(trait) is traitlets.Any:
        return "anything"
    return next(kind for base, kind in KINDS.items() if isinstance(trait, base))


def kind_in_typescript(text):
    text = text.strip()
    if text == "WireArray":
        return "array"
    if text.endswith("[]"):
        return f"list of {kind_in_typescript(text[:-2].strip('()'))}"
    if text.startswith("Record<"):
        return "record"
    if re.fullmatch(r'"[^"]*"(\s*\|\s*"[^"]*")*', text):
        return "string"
    if text in ("string", "number", "boolean"):
        return text
    return "anything" if text == "unknown" else f"no kind: {text}"


def interface(source, name):
    """The members of an interface: name to kind; comments left out."""
    body = re.search(rf"interface {name}\b[^{{]*\{{(.*?)\n\}}", source, re.DOTALL)
    assert body, f"no interface {name}"
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", body.group(1), flags=re.DOTALL)
    return {n: kind_in_typescript(t) for n, t in re.findall(r"(\w+): ([^;]+);", text)}


@cache
def base_in_typescript():
    return interface((ROOT / "js/src/lib/wire/model.ts").read_text(), "BaseTraits")


def synced(cls):
    traits = cls.class_traits(sync=True)
    return {n: kind_in_python(t) for n, t in traits.items() if n not in HOST_TRAITS}


def test_the_base_has_the_same_traits_on_both_sides():
    assert base_in_typescript() == synced(View)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_same_traits_on_both_sides(name):
    stem = VIEWS[name].stem
    cls = getattr(importlib.import_module(module(VIEWS[name])), name)
    source = (ROOT / f"js/src/widgets/{stem}.ts").read_text()
    assert re.search(rf"interface {name}Traits extends BaseTraits\b", source)
    assert base_in_typescript() | interface(source, f"{name}Traits") == synced(cls)


@pytest.mark.parametrize("name", VIEWS)
def test_the_choices_of_a_trait_are_the_same_on_both_sides(name):
    stem = VIEWS[name].stem
    cls = getattr(importlib.import_module(module(VIEWS[name])), name)
    source = (ROOT / f"js/src/widgets/{stem}.ts").read_text()
    own = {n: t for n, t in cls.class_traits(sync=True).items() if n not in View.class_traits()}
    for trait, enum in ((n, t) for n, t in own.items() if isinstance(t, traitlets.Enum)):
        line = re.search(rf"^\s*{trait}: ([^;]+);", source, re.MULTILINE)
        assert line, trait
        assert re.findall(r'"([^"]*)"', line.group(1)) == list(enum.values or ())
