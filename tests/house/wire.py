"""The page's side of every view's wire, written from the Python traits: what `make wire` records.

One file a view, `js/src/views/<view>/traits.ts`: its traits, the records in them, and what the page
may ask. What every view has is `js/src/lib/wire/traits.ts`. All are committed, `test_wire.py`
compares them, and the front end's types stand on them: a trait that is renamed in Python alone
leaves the page's code without the name it uses.
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, is_typeddict

from house.tree import ROOT, module, views

from volvelle.views.kit.arrays import Array, Packed
from volvelle.views.kit.check import fields
from volvelle.views.kit.declared import requests_of, type_of
from volvelle.views.kit.view import HOST_TRAITS, View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = ROOT / "js/src/lib/wire/traits.ts"
WIDE = 100  # characters of a line, as biome lays it out
PLAIN = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
PLAIN[Any] = "unknown"


def ts(kind: Any) -> str:
    """Return a declared type as TypeScript writes it."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, Array) or kind is Packed:
        return "WireArray"
    if origin in (Union, types.UnionType):
        return " | ".join(ts(one) for one in inner)
    if origin is Literal:
        return " | ".join(f'"{one}"' for one in inner)
    if origin is list:
        held = ts(inner[0])
        several = get_origin(inner[0]) in (Union, types.UnionType, Literal)
        return f"({held})[]" if several else f"{held}[]"
    if origin is dict:
        return f"Record<string, {ts(inner[1])}>"
    return kind.__name__ if is_typeddict(kind) else PLAIN[kind]


def records_in(kind: Any) -> Iterator[Any]:
    """Yield the records a type is made of, those within others first."""
    if is_typeddict(kind) and kind is not Packed:
        for one in fields(kind).values():
            yield from records_in(one)
        yield kind
    for one in get_args(kind):
        if not isinstance(one, str):
            yield from records_in(one)


def member(name: str, kind: Any, *, optional: bool = False) -> str:
    """Return a line of an interface; a choice too long for one stands one option a line."""
    text = ts(kind)
    line = f"  {name}{'?' * optional}: {text};"
    if len(line) <= WIDE:
        return line
    return f"  {name}{'?' * optional}:" + "".join(f"\n    | {o}" for o in text.split(" | ")) + ";"


def interface(head: str, members: list[str]) -> str:
    """Return an interface; one without members of its own is a type."""
    return "\n".join([f"export interface {head} {{", *members, "}"])


def of_record(record: Any) -> str:
    """Return a `TypedDict` as an interface."""
    members = [
        member(name, kind, optional=name not in record.__required_keys__)
        for name, kind in fields(record).items()
    ]
    return interface(record.__name__, members)


def of_requests(name: str, asked: dict[str, dict[str, Any]], extends: str = "") -> str:
    """Return what the page may ask: kind of request to its fields."""
    members = []
    for kind, found in asked.items():
        inside = "; ".join(f"{field}: {ts(one)}" for field, one in found.items())
        members.append(f"  {kind}: {f'{{ {inside} }}' if inside else 'Record<string, never>'};")
    if not members:
        return f"export type {name} = {extends.removeprefix(' extends ')};"
    return interface(name + extends, members)


def declared(cls: type) -> dict[str, Any]:
    """Return the synced traits of a view with their types."""
    traits = cls.class_traits(sync=True)
    return {n: type_of(t) for n, t in traits.items() if n not in HOST_TRAITS}


def written(cls: type, source: Path) -> str:
    """Return a view's side of the wire in TypeScript; of `View` what all have."""
    base, asks = (declared(View), requests_of(View)) if cls is not View else ({}, {})
    own = {name: kind for name, kind in declared(cls).items() if name not in base}
    asked = {kind: found for kind, found in requests_of(cls).items() if kind not in asks}
    records = dict.fromkeys(record for kind in own.values() for record in records_in(kind))
    name = "Base" if cls is View else cls.__name__
    requests = of_requests(f"{name}Requests", asked, " extends BaseRequests" if base else "")
    traits = [member(n, kind) for n, kind in own.items()]
    parts = [
        *map(of_record, records),
        interface(f"{name}Traits" + (" extends BaseTraits" if base else ""), traits),
        requests,
    ]
    body = "\n\n".join(parts)
    lines = [f"// Written by `make wire` from {source.relative_to(ROOT / 'widgets')}: change that."]
    if "WireArray" in body:
        lines.append('import type { WireArray } from "../../lib/wire/arrays";')
    if base:
        lines.append('import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";')
    return "\n".join(lines) + f"\n\n{body}\n"


def wire() -> dict[Path, str]:
    """Return every file of the page's side with its text."""
    view = ROOT / "widgets/volvelle/views/kit/view.py"
    found = {BASE: written(View, view)}
    for name, path in views().items():
        cls = getattr(importlib.import_module(module(path)), name)
        found[ROOT / f"js/src/views/{path.stem}/traits.ts"] = written(cls, path)
    return found


if __name__ == "__main__":
    for path, text in wire().items():
        path.write_text(text, encoding="utf-8")
