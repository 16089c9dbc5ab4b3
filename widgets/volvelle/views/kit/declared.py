"""What crosses a view's wire, read from its class: each trait's type, who writes it, what is asked.

The class is the one declaration. Messages of the page are held against it (`check`), and the
TypeScript of the page is written from it (`tests/house/wire.py`).
"""

from __future__ import annotations

import inspect
import weakref
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitType, Unicode

from volvelle.views.kit.arrays import Array

if TYPE_CHECKING:
    from traitlets import HasTraits

PLAIN = {Unicode: str, Bool: bool, Int: int, Float: float}
# What a notebook itself may change on any widget.
HOST_WRITES = frozenset({"tabbable", "tooltip", "_view_count"})

# Of each class; weakly, because anywidget makes a class of its own for every view.
_asked: weakref.WeakKeyDictionary[type, dict[str, dict[str, Any]]] = weakref.WeakKeyDictionary()


def type_of(trait: Any) -> Any:
    """Return the Python type of what a trait holds on the wire.

    Parameters
    ----------
    trait : traitlets.TraitType
        A `Dict`, or a `List` of what is no plain value, says it itself:
        ``Dict().tag(sync=True, of=dict[str, float])``, or a `TypedDict`, of a module that can be
        imported at run time.

    Returns
    -------
    type
        `str`, `bool`, `int`, `float`, a `Literal`, `list`, `dict`, a `TypedDict`, a union; of an
        `Array` the trait itself.

    Raises
    ------
    TypeError
        For a trait that does not say what it holds.
    """
    found = trait.metadata.get("of") or _type_of_kind(trait)
    if found is None:
        raise TypeError(f"trait {trait.name!r} does not say what it holds; tag it with of=")
    return found | None if trait.allow_none else found


def _type_of_kind(trait: Any) -> Any:
    if isinstance(trait, Array):
        return trait
    if isinstance(trait, Enum):
        return Literal[tuple(trait.values or ())]
    if isinstance(trait, List):
        inner: Any = trait._trait  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        held = _type_of_kind(inner) if isinstance(inner, TraitType) else None
        return list[held] if held else None
    if isinstance(trait, Dict):
        return None
    return next((plain for kind, plain in PLAIN.items() if isinstance(trait, kind)), None)


def page_writes(trait: Any) -> bool:
    """Return whether the page may write a trait.

    Public ones it may, private ones Python writes alone; ``page=`` of its tag says otherwise.
    """
    name = trait.name or ""
    if name in HOST_WRITES:
        return True
    known = trait.metadata.get("of") or _type_of_kind(trait)
    return known is not None and trait.metadata.get("page", not name.startswith("_"))


def requests_of(cls: type[HasTraits]) -> dict[str, dict[str, Any]]:
    """Return what the page may ask of a view: kind of request to the types of its fields.

    Both are those of the methods ``_on_<kind>(self, field: type, ...)``.
    """
    if cls in _asked:
        return _asked[cls]
    found: dict[str, dict[str, Any]] = {}
    for name in dir(cls):
        if name.startswith("_on_"):
            answer = getattr(cls, name)
            types = get_type_hints(answer)
            fields = list(inspect.signature(answer).parameters)[1:]
            found[name[4:]] = {field: types[field] for field in fields}
    _asked[cls] = found
    return found
