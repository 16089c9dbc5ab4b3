"""An object too large for one file: a folder of whole shards, and a journal of those that are.

The work of hours is kept as it is done. Whoever opens the folder again finds the shards that were
finished and goes on from there; what a killed process left half written is not in the journal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.archive.file import SUFFIX, Format, OnFile, load, save
from volvelle.archive.paths import file_to_read
from volvelle.archive.whole import PART, written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

K = TypeVar("K", bound=OnFile)

JOURNAL = "journal.json"


class Shards:
    """A folder of shards, open to be written or read.

    Parameters
    ----------
    folder : pathlib.Path
        Made where it is not there; its parent must be.
    what : Format
        What the whole is; held against a journal that is there.
    settings : mapping
        What fixes the whole (model, dictionary, texts): plain values. A folder that was begun
        with others is refused.

    Raises
    ------
    FileNotFoundError
        Where there is no folder to make it in.
    ValueError
        For a folder of something else, of a newer volvelle, with a damaged journal, or begun
        with other settings.

    Examples
    --------
    >>> shards = Shards(folder, Format("FeatureIndex", 1), {"model": "smollm2"})
    >>> if "0" not in shards:
    ...     shards.add("0", part)
    """

    def __init__(self, folder: Path, what: Format, settings: Mapping[str, Any]) -> None:
        if not folder.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {folder.parent} to make {folder.name} in")
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file, expected a folder to keep a {what.kind} in")
        self.folder = folder
        self.what = what
        # as JSON gives them back: tuples are lists
        self.settings: dict[str, Any] = json.loads(json.dumps(dict(settings)))
        self._names: list[str] = []
        journal = folder / JOURNAL
        if journal.exists():
            self._names = self._read(journal)
        elif folder.is_dir() and any(one.suffix != PART for one in folder.iterdir()):
            raise ValueError(
                f"{folder} holds other files and no journal; give an empty folder, or a new one"
            )
        else:
            folder.mkdir(exist_ok=True)
            self._write()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Names of the shards that are whole, in the order they were added."""
        return iter(tuple(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, part: OnFile) -> None:
        """Write a shard, then the journal that knows it."""
        save(part, self._file(name))
        if name not in self._names:
            self._names.append(name)
        self._write()

    def read(self, cls: type[K], name: str) -> K:
        """Read a shard.

        Raises
        ------
        KeyError
            For one that is not whole, or never was there.
        ValueError
            For one that is damaged.
        """
        if name not in self._names:
            raise KeyError(f"{self.folder.name} has no shard {name!r}; there are {self._names}")
        return load(cls, self._file(name))

    def _file(self, name: str) -> Path:
        if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
            raise ValueError(f"shard {name!r}: a name is letters, digits, - and _")
        return self.folder / f"{name}{SUFFIX}"

    def _write(self) -> None:
        told = {
            "kind": self.what.kind,
            "version": self.what.version,
            "settings": self.settings,
            "shards": self._names,
        }
        with written_whole(self.folder / JOURNAL) as part:
            part.write_text(json.dumps(told, indent=1), "utf-8")

    def _read(self, journal: Path) -> list[str]:
        try:
            told: Any = json.loads(file_to_read(journal, "a journal").read_text("utf-8"))
            kind, version, settings = told["kind"], told["version"], dict(told["settings"])
            names = [str(name) for name in told["shards"]]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(
                f"{journal} is damaged ({error}); make the {self.what.kind} again in a new folder"
            ) from error
        if kind != self.what.kind:
            raise ValueError(f"{self.folder} holds a {kind}, expected a {self.what.kind}")
        if not isinstance(version, int) or version > self.what.version:
            raise ValueError(
                f"{self.folder} was written by a newer volvelle (layout {version} of {kind}, this "
                f"one reads up to {self.what.version}); update volvelle"
            )
        if settings != self.settings:
            other = sorted(
                key
                for key in {*settings, *self.settings}
                if settings.get(key) != self.settings.get(key)
            )
            raise ValueError(
                f"{self.folder} was begun with another {', '.join(other)}; give a new folder"
            )
        return [name for name in names if self._file(name).is_file()]
