"""The layouts of volvelle's files as text: what `make surface` records beside the surface.

The fields of a class are the format of its file, so a field that changes changes what can be
read. Whoever changes one raises the class's version, and this record shows both.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from volvelle.archive.fields import kept_fields
from volvelle.experiments import result
from volvelle.experiments.circles.vectors import ClassVectors

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).with_name("files.txt")
HEAD = """\
# The layout of every file: kind, version, and the fields that are in it.
# Recorded by `make surface`, compared by test_files.py: raise a class's version with its fields.
"""


def kept_classes() -> list[Any]:
    """Return every class that has a file of its own."""
    import volvelle as vv

    for name in vv.__all__:
        getattr(vv, name)  # results are defined as their verbs are loaded
    found, waiting = [ClassVectors], [result.Result]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            waiting.append(cls)
            if cls.__module__.startswith("volvelle."):
                found.append(cls)
    return sorted(found, key=lambda cls: cls.file_format.kind)


def inner(hint: Any) -> Iterator[Any]:
    """Yield the dataclasses that a type is made of."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for each in get_args(hint):
        yield from inner(each)


def layout(cls: Any, at: str = "") -> Iterator[str]:
    """Yield one line per field, those of nested classes below it."""
    for name, (hint, axes, _) in kept_fields(cls).items():
        told = re.sub(r"(?:[a-z_]+\.)+(?=\w)|<class '|'>", "", str(hint))
        shape = "" if axes is None else f" {axes.lengths} {axes.kind}"
        yield f"{at}{name}: {told}{shape}"
        for each in inner(hint):
            yield from layout(each, f"{at}{name}.")


def files() -> str:
    """Return the record."""
    blocks = []
    for cls in kept_classes():
        what = cls.file_format
        blocks.append("\n".join([f"{what.kind} {what.version}", *(f"  {x}" for x in layout(cls))]))
    return HEAD + "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    RECORDED.write_text(files(), encoding="utf-8")
