"""One file: written whole or not at all, and each thing that can be wrong with it in a sentence."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from volvelle.archive.file import Format, load, save


@dataclass(frozen=True, eq=False)
class Kept:
    file_format: ClassVar[Format] = Format("Kept", 2)

    name: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Other:
    file_format: ClassVar[Format] = Format("Other", 1)

    name: str


THING = Kept("a", np.arange(600, dtype=np.float32))


@pytest.fixture
def path(tmp_path):
    return save(THING, tmp_path / "thing")


def test_the_suffix_is_added_and_may_be_left_out(tmp_path):
    assert save(THING, tmp_path / "run-0.5").name == "run-0.5.safetensors"
    assert save(THING, str(tmp_path / "b.safetensors")).name == "b.safetensors"
    assert load(Kept, tmp_path / "run-0.5").name == "a"
    assert load(Kept, str(tmp_path / "b")).name == "a"


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save(THING, "~/thing").parent == tmp_path
    assert load(Kept, "~/thing").name == "a"


@pytest.mark.parametrize("suffix", [".json", ".CSV", ".pt", ".pkl"])
def test_a_name_of_another_kind_of_file_is_refused(tmp_path, suffix):
    with pytest.raises(ValueError, match=r"name it run\.safetensors"):
        save(THING, tmp_path / f"run{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*there to write run\.safetensors in"):
        save(THING, tmp_path / "there" / "run")


def test_a_folder_is_no_file(tmp_path):
    for verb in (lambda: save(THING, tmp_path), lambda: load(Kept, tmp_path)):
        with pytest.raises(IsADirectoryError, match="is a folder"):
            verb()


def test_a_missing_file_names_those_beside_it(path):
    with pytest.raises(FileNotFoundError, match=r"no file .*; there are thing\.safetensors"):
        load(Kept, path.with_name("thng"))


def test_what_would_not_load_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="this Kept cannot be kept: name is 3, expected str"):
        save(replace(THING, name=3), tmp_path / "thing")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [None, 3, "a\0b", "\ud800"])
def test_what_is_no_path_is_refused(given):
    for verb in (lambda: save(THING, given), lambda: load(Kept, given)):
        with pytest.raises((TypeError, ValueError), match=r"path is .*, expected .* Kept"):
            verb()


def test_a_file_of_something_else_says_what_it_is(tmp_path):
    save(Other("b"), tmp_path / "other")
    with pytest.raises(
        ValueError, match=r"other\.safetensors holds a Other, expected a Kept; read it with"
    ):
        load(Kept, tmp_path / "other")
    save_file({"x": np.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="holds something else, expected a Kept"):
        load(Kept, tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"hello", struct.pack("<Q", 2**63 - 1) + b"{}"])
def test_a_file_of_another_format_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is no whole \.safetensors file"):
        load(Kept, path)


def test_a_file_that_was_cut_says_so_wherever_it_was_cut(path):
    whole = path.read_bytes()
    for stop in range(0, len(whole), 97):
        path.write_bytes(whole[:stop])
        with pytest.raises(ValueError, match="cut short, damaged"):
            load(Kept, path)


def test_every_flipped_bit_of_the_numbers_is_found(path):
    whole = path.read_bytes()
    (n,) = struct.unpack("<Q", whole[:8])
    for at in range(8 + n, len(whole), 61):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ValueError, match="checksum is not that of its content"):
            load(Kept, path)


def test_a_newer_file_asks_for_a_newer_volvelle(path, monkeypatch):
    monkeypatch.setattr(Kept, "file_format", Format("Kept", 1))
    with pytest.raises(ValueError, match=r"newer volvelle \(layout 2 of Kept.*update volvelle"):
        load(Kept, path)


def test_an_older_file_is_read_where_its_fields_still_fit(path, monkeypatch):
    monkeypatch.setattr(Kept, "file_format", Format("Kept", 3))
    assert load(Kept, path).name == "a"


def test_an_existing_file_is_replaced_and_a_link_followed(path, tmp_path):
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    save(replace(THING, name="b"), link)
    assert link.is_symlink()
    assert load(Kept, path).name == "b"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def fails(*_):
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no room"):
        save(replace(THING, name="b"), path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


FULL = """
import resource, sys
import numpy as np
sys.path.insert(0, {tests!r})
from archive.test_file import THING, save
from dataclasses import replace
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(replace(THING, values=np.zeros(10_000)), {path!r})
except OSError as error:
    print("said:", error)
"""


def test_a_full_disk_is_an_oserror_that_names_the_file(path):
    before = path.read_bytes()
    tests = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    code = FULL.format(tests=tests, path=str(path))
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("said:")
    assert path.name in told.stdout
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]
