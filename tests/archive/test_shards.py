"""A folder of shards: what was finished stays, what was not is not there."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from volvelle.archive.file import Format
from volvelle.archive.shards import JOURNAL, Shards


@dataclass(frozen=True, eq=False)
class Part:
    file_format: ClassVar[Format] = Format("Part", 1)

    values: np.ndarray


WHOLE = Format("Index", 2)
SETTINGS = {"model": "tiny", "layers": (1, 2)}


def part(n):
    return Part(np.full(1000, n))


def test_work_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "index"
    first = Shards(folder, WHOLE, SETTINGS)
    for n in range(3):
        first.add(f"{n}", part(n))
    again = Shards(folder, WHOLE, SETTINGS)
    assert list(again) == ["0", "1", "2"]
    assert "2" in again
    assert "3" not in again
    assert again.read(Part, "2").values[0] == 2
    with pytest.raises(KeyError, match="no shard '3'"):
        again.read(Part, "3")


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from archive.test_shards import SETTINGS, WHOLE, Shards, part
written, flush = 0, os.fsync
def dies(file):
    global written
    written += 1
    if written == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(file)
os.fsync = dies
shards = Shards(Path({folder!r}), WHOLE, SETTINGS)
for n in range(10):
    shards.add(str(n), part(n))
"""


# the journal is written first; then each shard, and the journal that knows it
@pytest.mark.parametrize(("at", "whole"), [(1, 0), (8, 3), (9, 3), (10, 4)])
def test_a_process_that_is_killed_within_a_write_leaves_whole_shards_only(tmp_path, at, whole):
    folder = tmp_path / "index"
    code = KILLED.format(tests=str(Path(__file__).parents[1]), folder=str(folder), at=at)
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    shards = Shards(folder, WHOLE, SETTINGS)
    assert list(shards) == [str(n) for n in range(whole)]
    for name in shards:
        assert shards.read(Part, name).values[0] == int(name)
    shards.add("next", part(7))
    assert "next" in Shards(folder, WHOLE, SETTINGS)


def test_a_folder_of_something_else_is_refused(tmp_path):
    Shards(tmp_path / "index", WHOLE, SETTINGS).add("0", part(0))
    with pytest.raises(ValueError, match="holds a Index, expected a Lens"):
        Shards(tmp_path / "index", Format("Lens", 1), SETTINGS)
    with pytest.raises(ValueError, match="newer volvelle"):
        Shards(tmp_path / "index", Format("Index", 1), SETTINGS)
    with pytest.raises(ValueError, match="was begun with another layers"):
        Shards(tmp_path / "index", WHOLE, {**SETTINGS, "layers": (1, 3)})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match="holds other files"):
        Shards(tmp_path / "mine", WHOLE, SETTINGS)
    with pytest.raises(ValueError, match="is a file"):
        Shards(tmp_path / "mine" / "thesis.txt", WHOLE, SETTINGS)
    with pytest.raises(FileNotFoundError, match="no folder"):
        Shards(tmp_path / "no" / "index", WHOLE, SETTINGS)


@pytest.mark.parametrize("content", ["", "[]", "{", "3", '{"kind": "Index"}', "[" * 99_999])
def test_a_damaged_journal_is_said(tmp_path, content):
    Shards(tmp_path / "index", WHOLE, SETTINGS)
    (tmp_path / "index" / JOURNAL).write_text(content)
    with pytest.raises(ValueError, match="is damaged"):
        Shards(tmp_path / "index", WHOLE, SETTINGS)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a.b", "\0"])
def test_a_shard_has_a_plain_name(tmp_path, name):
    with pytest.raises(ValueError, match="letters, digits"):
        Shards(tmp_path / "index", WHOLE, SETTINGS).add(name, part(0))
