"""Things that were made once and kept: read again where they are whole, else made again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from volvelle.archive.file import OnFile, load, save
from volvelle.cache import cannot_keep

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeVar

    K = TypeVar("K", bound=OnFile)

log = logging.getLogger("volvelle")


def recall(cls: type[K], path: Path) -> K | None:
    """Return what was kept; None where nothing was, or where it is not whole, which is said.

    Parameters
    ----------
    cls : type
        A dataclass with a `file_format`.
    path : pathlib.Path
    """
    if not path.is_file():
        return None
    try:
        return load(cls, path, path.stem)
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is made again: %s", path.name, error)
        return None


def keep(thing: OnFile, path: Path) -> None:
    """Keep an object; where that cannot be done it is said once, and nothing is lost."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(thing, path, path.stem)
    except OSError as error:
        cannot_keep(error)
