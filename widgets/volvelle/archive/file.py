"""One object in one file: safetensors, its JSON in the header, a checksum over both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from volvelle.archive.fields import Unfit
from volvelle.archive.pack import Packer
from volvelle.archive.paths import file_to_read, file_to_write, path_of
from volvelle.archive.unpack import Unpacker
from volvelle.archive.whole import written_whole
from volvelle.arguments.texts import cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

SUFFIX = ".safetensors"
HEADER = "volvelle"
# Suffixes of other kinds of files: a result is none of them, whatever it is called.
OTHERS = frozenset(
    [
        ".json",
        ".csv",
        ".tsv",
        ".parquet",
        ".html",
        ".svg",
        ".png",
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".bin",
        ".npy",
        ".npz",
        ".txt",
        ".gguf",
    ]
)


@dataclass(frozen=True)
class Format:
    """What a file says it is.

    Attributes
    ----------
    kind : str
        The class it holds.
    version : int
        Of its fields: raised when they change.
    """

    kind: str
    version: int


class OnFile(Protocol):
    """A dataclass whose fields are a file's format."""

    file_format: ClassVar[Format]


K = TypeVar("K", bound=OnFile)


def save(thing: OnFile, path: str | Path, key: str = "") -> Path:
    """Write an object to one file.

    Parameters
    ----------
    thing : dataclass with a `file_format`
    path : str or pathlib.Path
        ``.safetensors`` is added where it does not end so. An existing file is replaced, once
        the new one is whole.
    key : str
        What it was made of, for a cache: `load` is asked for the same.

    Returns
    -------
    pathlib.Path
        Where it is.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Where there is no such folder, or the path is one.
    OSError
        Where the path is that of a named pipe, a device, a socket.
    TypeError
        For what is no path.
    ValueError
        For the suffix of another kind of file, a path that is empty or no name, and an object
        whose fields do not fit each other.
    """
    file = _target(path, thing.file_format.kind)
    packer = Packer()
    fields, tensors = packer.object(thing), packer.packed()
    try:
        Unpacker(tensors).object(type(thing), fields)  # what `load` would refuse is not written
    except Unfit as error:
        raise ValueError(f"this {thing.file_format.kind} cannot be kept: {error}") from error
    what = thing.file_format
    told = {"kind": what.kind, "version": what.version, "key": key, "fields": fields}
    write(file, told, tensors)
    return file


def write(file: Path, told: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write header and tensors with their checksum."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # ASCII: nothing that a string holds can fail here, halves of characters and NUL included
    text = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
    # one entry: safetensors writes several in any order, and equal results are equal files
    header = {HEADER: f"{checksum(text, tensors)} {text}"}
    with written_whole(file) as part:
        try:
            save_file(dict(tensors), str(part), header)
        except SafetensorError as error:  # what the disk said, wrapped
            raise OSError(f"{file} could not be written: {error}") from error


def load(cls: type[K], path: str | Path, key: str = "") -> K:
    """Read an object that `save` wrote.

    Parameters
    ----------
    cls : type
    path : str or pathlib.Path
        With or without ``.safetensors``.
    key : str
        As it was saved with.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Where there is no such file.
    OSError
        Where the path is that of a named pipe, a device, a socket.
    TypeError
        For what is no path.
    ValueError
        For a path that is no name, a file of something else, one that is cut or damaged, and
        one that a newer volvelle wrote.
    """
    what = cls.file_format
    file = _source(path, what.kind)
    header, tensors = _opened(file, what.kind)
    said, _, text = header.partition(" ")
    again = f"make the {what.kind} again and save it"
    try:
        told = _told(file, what, text)
        if said != checksum(text, tensors):
            raise ValueError(
                f"{file.name} is damaged: its checksum is not that of its content. Take it from a "
                f"copy, or {again}"
            )
        if key and told["key"] != key:
            raise ValueError(f"{file.name} was made of something else, and put here")
        unpacker = Unpacker(tensors, filling=told["version"] < what.version)
        thing = unpacker.object(cls, told["fields"])
        unpacker.finish()
    except Unfit as error:
        raise ValueError(f"{file.name} holds no whole {what.kind}: {error}; {again}") from error
    return thing


def _told(file: Path, what: Format, text: str) -> dict[str, Any]:
    """Return what a header says, once it is of this kind and not newer."""
    try:
        told: Any = json.loads(text)
        # ASCII: so are halves of characters written, which a stranger's file may hold
        told = cleaned(told) if "\\ud" in text else told
    except (ValueError, RecursionError) as error:
        raise Unfit(f"its header cannot be read ({error})") from error
    if not isinstance(told, dict) or set(cast("Any", told)) != {"kind", "version", "key", "fields"}:
        raise Unfit("its header lacks kind, version, key or fields")
    found = cast("dict[str, Any]", told)
    kind, version = found["kind"], found["version"]
    if kind != what.kind:
        raise ValueError(
            f"{file.name} holds a {kind!s:.40}, expected a {what.kind}; read it with what saved it"
        )
    if type(version) is not int or version < 1:
        raise Unfit(f"its layout is {version!r:.40}, expected a number from 1")
    if version > what.version:
        raise ValueError(
            f"{file.name} was written by a newer volvelle (layout {version!s:.20} of {kind}, this "
            f"one reads up to {what.version}); update volvelle"
        )
    return found


def checksum(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Return a digest of all that a file holds: its JSON, and names, types and numbers."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"\0{name}\0{array.dtype.name}\0{array.shape}\0".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _target(path: Any, kind: str) -> Path:
    what = f"a file to keep the {kind} in"
    file = path_of(path, what)
    if file.is_dir() or not file.name:
        raise IsADirectoryError(
            f"{file} is a folder; give a file name, such as {file / 'a'}{SUFFIX}"
        )
    if file.suffix.lower() in OTHERS:
        raise ValueError(
            f"{file.name} would hold a {kind} as {SUFFIX}; name it {file.stem}{SUFFIX} "
            "(tables: .to_pandas().to_csv)"
        )
    if file.suffix != SUFFIX:
        if file.exists() and not file.is_file():
            file_to_write(file, what)  # which says what it is
        file = file.with_name(file.name + SUFFIX)
    return file_to_write(file, what)


def _source(path: Any, kind: str) -> Path:
    what = f"a file that holds a {kind}"
    file = path_of(path, what)
    if not file.exists() and file.suffix != SUFFIX:
        file = file.with_name(file.name + SUFFIX)
    if not file.exists():
        near = sorted(one.name for one in file.parent.glob(f"*{SUFFIX}"))[:5]
        beside = f"; there are {', '.join(near)}" if near else ""
        raise FileNotFoundError(f"there is no file {file}{beside}")
    return file_to_read(file, what)


def _opened(file: Path, kind: str) -> tuple[str, dict[str, np.ndarray]]:
    """Return our entry of a file's header, and its tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), "numpy") as content:
            header = content.metadata() or {}
            if HEADER not in header:
                before = any("volvelle" in text for one in header.items() for text in one)
                what = "a file of a volvelle before 0.1" if before else "something else"
                raise ValueError(
                    f"{file.name} holds {what}, expected a {kind} that {kind}.save wrote"
                )
            return header[HEADER], {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, MemoryError, OverflowError, TypeError, UnicodeError) as error:
        raise ValueError(
            f"{file.name} is no whole {SUFFIX} file ({error}): it was cut short, damaged, or is "
            f"something else. Take it from a copy, or make the {kind} again and save it"
        ) from error
