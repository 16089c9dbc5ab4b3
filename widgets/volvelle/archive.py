"""Results as files: where they are written, and what a file is that is opened."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from _typeshed import DataclassInstance


def named(path: str | Path) -> Path:
    """Return where a result is written: with a suffix, in a folder that is there."""
    file = Path(path)
    if not file.suffix:
        file = file.with_suffix(".safetensors")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent} to save {file.name} in")
    return file


def open_file(file: Path, kind: str, version: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return tensors and header of a result's file, or say what it is instead."""
    from safetensors import SafetensorError, safe_open

    if not file.suffix and not file.exists():
        file = file.with_suffix(".safetensors")
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        with safe_open(str(file), "numpy"):
            pass
    except SafetensorError as error:
        what = kind.removeprefix("volvelle.")
        raise ValueError(f"{file.name} is no file that {what}.save wrote: {error}") from error
    with safe_open(str(file), "numpy") as content:
        header = content.metadata() or {}
        if header.get("kind") != kind:
            found = header.get("kind", "something else")
            raise ValueError(f"{file.name} holds {found}, not a {kind.removeprefix('volvelle.')}")
        if int(header["version"]) > version:
            raise ValueError(
                f"{file.name} was written by a newer volvelle (layout {header['version']}, "
                f"this one reads {version}); update volvelle"
            )
        return {name: content.get_tensor(name) for name in content.keys()}, header  # noqa: SIM118


def fields_of(result: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a dataclass by name, as they are."""
    return {field.name: getattr(result, field.name) for field in fields(result)}
