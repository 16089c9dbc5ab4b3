"""The public surface of volvelle as text, one thing a line: what `make surface` records.

Names, signatures, fields, properties and traits as they are written, no module paths and nothing
of the machine: code may move as long as what users type stays.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

import volvelle as vv

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).with_name("surface.txt")
HEAD = """\
# Every public name with its signature, methods, properties, fields and traits.
# Recorded by `make surface`, compared by test_surface.py.
# A commit that changes this file says so in CHANGELOG.md.
"""
# Of special methods, those by which one uses a thing.
SPECIAL = ("__call__", "__contains__", "__getitem__", "__iter__", "__len__")
PLAIN = (str, int, float, tuple, frozenset, type(None))


class AsWritten(str):
    """An annotation in a signature, without the quotes that its being a string would bring."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def written(annotation: Any) -> Any:
    """Return an annotation as its source has it."""
    if annotation is inspect.Parameter.empty:
        return annotation
    if isinstance(annotation, str):
        return AsWritten(bare(annotation))
    return AsWritten(inspect.formatannotation(annotation))


class Bare(ast.NodeTransformer):
    """Takes away what is annotated beside a type: the axes of an array are in its docstring."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.value) != "Annotated":
            return node
        assert isinstance(node.slice, ast.Tuple)
        return node.slice.elts[0]


def bare(annotation: str) -> str:
    """Return the source of an annotation without `Annotated`."""
    if "Annotated[" not in annotation:
        return annotation
    return ast.unparse(Bare().visit(ast.parse(annotation, mode="eval")))


def signature(function: Any, *, bound: bool = False, returns: bool = True) -> str:
    """Return a signature; `bound` leaves out its first parameter."""
    found = inspect.signature(function)
    parameters = list(found.parameters.values())[bound:]
    parameters = [one.replace(annotation=written(one.annotation)) for one in parameters]
    result = written(found.return_annotation) if returns else inspect.Signature.empty
    return str(found.replace(parameters=parameters, return_annotation=result))


def own_classes(cls: type) -> list[type]:
    """Return the class and its bases that are volvelle's, nearest first."""
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "volvelle"]


def is_public(name: str) -> bool:
    """Return whether a member is for users."""
    return not name.startswith("_") or name in SPECIAL


def trait_kind(trait: Any) -> str:
    """Return what a trait holds."""
    kind = type(trait).__name__
    if isinstance(trait, traitlets.Enum):
        return f"{kind}[{' | '.join(map(repr, trait.values or ()))}]"
    if isinstance(trait, traitlets.List) and isinstance(trait._trait, traitlets.TraitType):
        inner = trait_kind(trait._trait)
        return kind if inner == "Any" else f"{kind}[{inner}]"
    if hasattr(trait, "dtypes"):
        shape = ", ".join("any" if n is None else str(n) for n in trait.shape)
        return f"{kind}[{' | '.join(trait.dtypes)}; {shape}]"
    return kind


def trait_default(trait: Any) -> str:
    """Return the value a trait has at first."""
    if hasattr(trait, "dtypes"):
        return "empty"
    return repr(trait.default())


def set_by_constructor(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the public attributes that a class's own constructor sets, with their annotation."""
    if "__init__" not in vars(cls) or dataclasses.is_dataclass(cls):
        return
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(cls.__init__)))
    for node in ast.walk(ast.parse(source)):
        targets: list[Any] = []
        if isinstance(node, ast.Assign):
            targets = [
                inner
                for target in node.targets
                for inner in (target.elts if isinstance(target, ast.Tuple) else [target])
            ]
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                says = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
                yield target.attr, says


def member(found: Any) -> str:
    """Return how a member found in a class is written behind its name; empty for what is none."""
    if isinstance(found, (staticmethod, classmethod)):
        kind = type(found).__name__
        bound = isinstance(found, classmethod)
        return f"{signature(found.__func__, bound=bound)} ({kind})"
    if isinstance(found, (property, functools.cached_property)):
        getter = found.fget if isinstance(found, property) else found.func
        says = written(inspect.signature(getter).return_annotation)
        settable = isinstance(found, property) and found.fset is not None
        typed = "" if says is inspect.Signature.empty else f": {says}"
        return f"{typed} (property{', settable' * settable})"
    if inspect.isfunction(found):
        return signature(found, bound=True)
    return f" = {found!r} (constant)" if isinstance(found, PLAIN) else ""


def of_class(cls: type) -> Iterator[str]:
    """Yield what is public of a class, behind the class's name."""
    yield " (exception)" if issubclass(cls, BaseException) else signature(cls, returns=False)
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    traits = cls.class_traits() if issubclass(cls, traitlets.HasTraits) else {}
    found = {field.name: f": {written(field.type)}{default(field)} (field)" for field in fields}
    for base in own_classes(cls):
        for name, value in vars(base).items():
            if name in traits:
                says = f": {trait_kind(traits[name])} = {trait_default(traits[name])} (trait)"
            else:
                says = member(value)
            if says:
                found.setdefault(name, says)
    for base in own_classes(cls):
        for name, says in set_by_constructor(base):
            found.setdefault(name, f"{f': {says}' * bool(says)} (attribute)")
    yield from (f".{name}{says}" for name, says in found.items() if is_public(name))


def default(field: Any) -> str:
    """Return how the default of a field is written."""
    if field.default is not dataclasses.MISSING:
        return f" = {field.default!r}"
    return " = <factory>" if field.default_factory is not dataclasses.MISSING else ""


def surface() -> str:
    """Return the whole surface, sorted, as `RECORDED` keeps it."""
    lines = []
    for name in vv.__all__:
        value = getattr(vv, name)
        if inspect.isclass(value):
            lines += [f"{name}{says}" for says in of_class(value)]
        elif callable(value):
            lines.append(f"{name}{signature(value)}")
        else:
            lines.append(f"{name}: {type(value).__name__}")
    return HEAD + "".join(f"{line}\n" for line in sorted(lines))


if __name__ == "__main__":
    RECORDED.write_text(surface(), encoding="utf-8")
