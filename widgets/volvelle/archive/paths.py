"""Paths that people give: read in one place, and known for what they are before they are opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, cast

from volvelle.arguments.said import seen

# Bytes of one name that file systems hold.
MOST_BYTES = 255
# What a path may lead to, in words; opening the last three waits, or never ends.
KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def path_of(path: Any, what: str, argument: str = "path") -> Path:
    """Return a path that was given, with ``~`` read as the home folder.

    Nothing is asked of the disk.

    Parameters
    ----------
    path : str or os.PathLike of str
    what : str
        What it should lead to, for messages: ``"a file to write the page to"``.
    argument : str
        What the caller calls it.

    Raises
    ------
    TypeError
        For what is no path: numbers, None, bytes.
    ValueError
        For an empty text, and one that no file system takes as a name.
    """
    if isinstance(path, (bytes, bytearray)):
        raise TypeError(
            f"{argument} is bytes ({seen(bytes(path))}), expected {what} as a text or a "
            "pathlib.Path; os.fsdecode reads bytes"
        )
    try:
        given: object = os.fspath(cast("os.PathLike[Any]", path))
    except TypeError:
        given = None
    if not isinstance(given, str):
        raise TypeError(f"{argument} is {seen(path)}, expected {what} as a text or a pathlib.Path")
    text = given
    if not text:
        raise ValueError(f"{argument} is empty, expected {what}")
    if "\0" in text:
        raise ValueError(f"{argument} is {seen(path)}, expected {what}; a name holds no NUL")
    try:
        longest = max(map(len, os.fsencode(text).replace(b"\\", b"/").split(b"/")))
        found = Path(text).expanduser()
    except (RuntimeError, UnicodeError) as error:
        raise ValueError(f"{argument} is {seen(path)}, expected {what} ({error})") from error
    if longest > MOST_BYTES:
        raise ValueError(
            f"{argument} is {seen(path)}, expected {what}; a name in it has {longest:,} bytes, "
            f"and no more than {MOST_BYTES} can be kept"
        )
    return found


def kind_of(path: Path) -> str | None:
    """Return what a path leads to, in words: ``"a file"``, ``"a folder"``; None for nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return KINDS.get(stat.S_IFMT(mode), "no file")


def file_to_read(path: Any, what: str, argument: str = "path") -> Path:
    """Return a path to an ordinary file, which opening does not wait for.

    Parameters
    ----------
    path, what, argument
        As for `path_of`.

    Raises
    ------
    TypeError, ValueError
        As of `path_of`.
    FileNotFoundError
        Where there is none.
    IsADirectoryError
        For a folder.
    OSError
        For a named pipe, a device, a socket.
    """
    file = path_of(path, what, argument)
    kind = kind_of(file)
    if kind is None:
        folder = "" if file.parent.is_dir() else f": there is no folder {file.parent}"
        raise FileNotFoundError(f"there is no file {file}, expected {what}{folder}")
    _refuse(file, kind, what)
    return file


def file_to_write(path: Any, what: str, argument: str = "path") -> Path:
    """Return a path that an ordinary file can be written to; one that is there is replaced.

    Parameters
    ----------
    path, what, argument
        As for `path_of`.

    Raises
    ------
    TypeError, ValueError
        As of `path_of`.
    FileNotFoundError
        Where there is no folder to write it in.
    IsADirectoryError
        For a folder.
    OSError
        For a named pipe, a device, a socket.
    """
    file = path_of(path, what, argument)
    _refuse(file, kind_of(file), what)
    if not file.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {file.parent} to write {file.name} in; make it first"
        )
    return file


def refuse_odd(folder: Path) -> None:
    """Raise OSError where a folder holds what is neither a file nor a folder.

    Readers of others open what they find, and would wait for ever.
    """
    for one in sorted(folder.iterdir()):
        kind = kind_of(one)
        if kind not in (None, "a file", "a folder"):
            raise OSError(f"{one} is {kind}, expected a file; take it out of the folder")


def _refuse(file: Path, kind: str | None, what: str) -> None:
    if kind == "a folder":
        raise IsADirectoryError(f"{file} is a folder, expected {what}")
    if kind not in (None, "a file"):
        raise OSError(f"{file} is {kind}, expected {what}")
