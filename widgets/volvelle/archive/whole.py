"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PART = ".part"
# A part that nobody has touched for so long was left by a process that was killed.
LEFT_S = 3600


def part_of(path: Path) -> Path:
    """Return a name beside `path` that nobody else writes to: hidden, and known as a part."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PART}")


@contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """Give a name to write a file to; it becomes `path` when the block ends well.

    Parts that a killed process left of the same file are removed.

    Parameters
    ----------
    path : pathlib.Path
        An existing file is replaced; through a link, what it links to.

    Raises
    ------
    FileNotFoundError
        Where there is no folder to write it in.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in")
    remove_parts(path, LEFT_S)
    part = part_of(path)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def made_whole(folder: Path) -> Generator[Path]:
    """Give an empty folder to fill; it becomes `folder` when the block ends well.

    The caller holds a lock: what others left half made of the same folder is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_parts(folder, 0)
    part = part_of(folder)
    part.mkdir()
    try:
        yield part
        if folder.exists():
            # a folder that is not empty cannot be replaced: it steps aside first
            folder.replace(part_of(folder))
        part.replace(folder)
    finally:
        remove_parts(folder, 0)


def remove_parts(path: Path, age: float) -> None:
    """Remove parts of a file or folder that are older than `age` seconds."""
    for part in path.parent.glob(f".{glob_literal(path.name)}.*{PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime >= age:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def glob_literal(name: str) -> str:
    """Return a pattern that matches only this name."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
