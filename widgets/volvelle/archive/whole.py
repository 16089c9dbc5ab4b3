"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from volvelle.archive.paths import kind_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PART = ".part"
# A part that nobody has touched for so long was left by a process that was killed.
LEFT_S = 3600


def part_of(path: Path) -> Path:
    """Return a name beside `path` that nobody else writes to: hidden, and known as a part."""
    return path.with_name(f"{_mark(path)}{os.getpid()}-{secrets.token_hex(4)}{PART}")


def _mark(path: Path) -> str:
    """Return what the parts of one file begin with: short, however long its name is."""
    return f".{hashlib.blake2b(os.fsencode(path.name), digest_size=6).hexdigest()}."


@contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """Give a name to write a file to; it becomes `path` when the block ends well.

    It lies in a folder of its own, where what a library writes beside it is removed with it, and
    so is what a killed process left of the same file.

    Parameters
    ----------
    path : pathlib.Path
        An existing file is replaced, and keeps who may read it; through a link, what it links to.

    Raises
    ------
    FileNotFoundError
        Where there is no folder to write it in.
    OSError
        For a file that cannot be written, naming it and not its part; for what is no file.
    """
    try:
        path = path.resolve()
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in")
        if path.exists() and not path.is_file():
            # a device would be replaced by a file, and a pipe is nothing to replace
            raise OSError(f"{path} is {kind_of(path)}, expected a file to write to")
        remove_parts(path, LEFT_S)
        folder = part_of(path)
        folder.mkdir()
    except (RuntimeError, ValueError) as error:  # links in a circle; a name no system has
        raise OSError(f"{path!r} could not be written: {error}") from error
    part = folder / "part"
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(_mode(path))
        part.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mode(path: Path) -> int:
    """Return who may read and write a file: those who may now, else as of any new file."""
    with suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


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
    for part in path.parent.glob(f"{_mark(path)}*{PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime >= age:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
