"""A folder of shards: what was finished stays, what was not is not there."""

import os
import signal
import subprocess
import sys
import time
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
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from archive.test_shards import SETTINGS, WHOLE, Shards, part
shards = Shards(Path({folder!r}), WHOLE, SETTINGS)
for n in range(10_000):
    shards.add(str(n), part(n))
    print(n, flush=True)
"""


def test_a_process_that_is_killed_leaves_whole_shards_only(tmp_path):
    folder = tmp_path / "index"
    code = KILLED.format(tests=str(Path(__file__).parents[1]), folder=str(folder))
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    for _ in range(20):
        writer.stdout.readline()
    time.sleep(0.01)  # somewhere within a write: where, is what the test leaves open
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    shards = Shards(folder, WHOLE, SETTINGS)
    assert len(shards) >= 20
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
