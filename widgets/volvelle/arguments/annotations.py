"""Readers made of annotations: ``int | None`` takes a whole number or None, and says so.

An annotation is read as it is written, never evaluated: its names may be imported for the type
checker alone. A part nobody here knows takes anything, and is left to the function: paths are
(`archive.paths` reads them), and points (`Point.parse`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

from volvelle.arguments import plain
from volvelle.arguments.nouns import NOUNS
from volvelle.arguments.said import came, seen
from volvelle.progress import looking

# What a reader returns for what it does not take.
REFUSED = object()

Take = Callable[[Any, str], Any]
LISTS = ("Sequence", "list", "tuple", "Iterable")


@dataclass(frozen=True)
class Kind:
    """One member of an annotation.

    Attributes
    ----------
    said : str
        What it is called in a sentence.
    take : callable(value, name)
        Returns the value as the function wants it, or `REFUSED`; raises ValueError for one of
        the right kind that cannot be used.
    way_out : str
        How to get one.
    as_is : type or None
        What is taken as it is, unread: token ids come by the hundred thousand.
    """

    said: str
    take: Take
    way_out: str = ""
    as_is: type | None = None


@dataclass(frozen=True)
class Argument:
    """Reads one argument by its annotation; `kinds` is empty where anything is taken."""

    kinds: tuple[Kind, ...]

    def __call__(self, value: Any, name: str) -> Any:
        """Return the value as the function wants it, or raise saying what came."""
        if not self.kinds:
            return value
        if isinstance(value, Iterator) and len(self.kinds) > 1:
            # which can be read once, and there are several that may read it
            listed = plain.listed(cast("object", value))
            value = value if listed is None else listed
        inside: list[TypeError] = []  # what is wrong with one member of a list
        for kind in self.kinds:
            try:
                taken = kind.take(value, name)
            except TypeError as error:
                inside.append(error)
                continue
            if taken is not REFUSED:
                return taken
        if inside and (furthest := _furthest(inside)) is not None:
            raise furthest
        said = [kind.said for kind in self.kinds]
        way_out = next((kind.way_out for kind in self.kinds if kind.way_out), "")
        raise TypeError(came(name, value, _either(said), _container(value, said) or way_out))


@cache
def reader_of(annotation: str) -> Argument:
    """Return the reader of an annotation as it stands in the source."""
    try:
        kinds = _kinds(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        kinds = None
    return Argument(() if kinds is None else tuple(kinds))


def _kinds(node: ast.expr) -> list[Kind] | None:
    """Return the members of an annotation, None where one of them takes anything."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _kinds(node.left), _kinds(node.right)
        return None if left is None or right is None else [*left, *right]
    if isinstance(node, ast.Constant):
        return [_NONE] if node.value is None else None
    known = _known(_name(node.value if isinstance(node, ast.Subscript) else node), _inner(node))
    return None if known is None else [known]


def _known(name: str, inner: list[ast.expr]) -> Kind | None:
    """Return the kind of one name and of what stands between its brackets."""
    if name in LISTS:
        return _list_of(inner, as_tuple=name == "tuple")
    if name in ("Mapping", "dict"):
        return _mapping_of(inner)
    if noun := NOUNS.get(name):
        return Kind(noun.said, partial(_noun, fits=noun.fits, kind=name), noun.way_out)
    return _PLAIN.get(name)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _inner(node: ast.expr) -> list[ast.expr]:
    """Return what stands between the brackets."""
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _reader(node: ast.expr) -> Argument:
    kinds = _kinds(node)
    return Argument(() if kinds is None else tuple(kinds))


def _list_of(inner: list[ast.expr], *, as_tuple: bool) -> Kind:
    """Return the kind of a list: of one kind throughout, or of a place each (``tuple[a, b]``)."""
    open_ended = not as_tuple or not inner or _is_dots(inner[-1])
    members = [_reader(node) for node in inner if not _is_dots(node)]
    said = members[0].kinds[0].said if members and members[0].kinds else ""
    many = f"a list of {_plural(said)}" if open_ended else f"{len(members)} of them"

    def take(value: Any, name: str) -> Any:
        found = plain.listed(value)
        if found is None or (not open_ended and len(found) != len(members)):
            return REFUSED
        if members:
            found = _read(found, members[:1] * len(found) if open_ended else members, name)
        return tuple(found) if as_tuple or isinstance(value, tuple) else found

    return Kind(many if said or not open_ended else "a list", take)


def _read(found: list[Any], each: list[Argument], name: str) -> list[Any]:
    """Read the members of a list."""
    as_is = {kind.as_is for kind in each[0].kinds} - {None} if each else set[Any]()
    if as_is.issuperset(map(type, found)) and all(read is each[0] for read in each):
        return found
    pairs = enumerate(zip(found, each, strict=True))
    return [read(item, f"{name}[{n}]") for n, (item, read) in looking(pairs, 4096)]


def _furthest(errors: list[TypeError]) -> TypeError | None:
    """Return what was said of the member furthest on: all before it were taken, all in it meant.

    None where several were said of one member.
    """

    def place(error: TypeError) -> tuple[list[int], int]:
        name = str(error).partition("=")[0]
        return [int(n) for n in re.findall(r"\[(\d+)\]", name)], name.count("[")

    *_, last = ranked = sorted(errors, key=place)
    return last if len(ranked) == 1 or place(ranked[-2]) < place(last) else None


def _mapping_of(inner: list[ast.expr]) -> Kind:
    readers = [_reader(node) for node in inner]

    def take(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            return REFUSED
        given = cast("Mapping[Any, Any]", value)
        if len(readers) != 2:
            return given
        key_of, value_of = readers
        return {
            key_of(key, f"a key of {name}"): value_of(one, f"{name}[{key!r:.40}]")
            for key, one in given.items()
        }

    return Kind("a dict", take)


def _noun(value: Any, _name: str, *, fits: Callable[[object, str], bool], kind: str) -> Any:
    return value if fits(value, kind) else REFUSED


def _if(is_one: Callable[[Any], bool], read: Take) -> Take:
    return lambda value, name: read(value, name) if is_one(value) else REFUSED


_NONE = Kind("None", lambda value, _name: None if value is None else REFUSED)
_FUNCTION = Kind("a function", _if(callable, lambda value, _name: value))
_PLAIN = {
    "int": Kind("a whole number", _if(plain.is_whole, lambda value, _name: int(value)), as_is=int),
    "float": Kind("a number", _if(plain.is_real, plain.number)),
    # a number that may be infinite
    "Bound": Kind("a number", _if(plain.is_real, partial(plain.number, infinite=True))),
    "bool": Kind("True or False", _if(plain.is_flag, lambda value, _name: bool(value))),
    "str": Kind("a text", _if(lambda value: isinstance(value, str), plain.text)),
    "Callable": _FUNCTION,
    "Progress": _FUNCTION,
    "OnToken": _FUNCTION,
    "OnSteered": _FUNCTION,
}


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _either(said: list[str]) -> str:
    unique = list(dict.fromkeys(said))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} or {unique[-1]}"


def _plural(said: str) -> str:
    """Return ``texts`` of ``a text (str)``."""
    bare = said.partition(" ")[2] if said.startswith(("a ", "an ")) else said
    first, space, rest = bare.partition(" (")
    head, of, tail = first.partition(" of ")
    return f"{head}s{of}{tail}{space}{rest}"


def _container(value: object, said: list[str]) -> str:
    """Return the way out for what holds the right things and is no list of them."""
    if isinstance(value, str) and any(one.startswith("a list of texts") for one in said):
        return f"write [{seen(value)}]"
    if hasattr(value, "columns") and hasattr(value, "shape"):
        return "a data frame is several columns: give one of them, frame['name']"
    if isinstance(value, AbstractSet):
        return "a set has no order: write sorted(...)"
    if isinstance(value, bytes):
        return "write .decode()"
    return ""
