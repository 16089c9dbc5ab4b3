"""Caches: what is whole is read, what is not is made again, what cannot be kept is said once."""

import re
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from volvelle import cache
from volvelle.archive.file import Format
from volvelle.archive.kept import keep, recall


@dataclass(frozen=True, eq=False)
class Made:
    file_format: ClassVar[Format] = Format("Made", 1)

    values: np.ndarray


@pytest.fixture(autouse=True)
def untold():
    """No warning was given yet in this process."""
    cache._warn.cache_clear()
    cache.spare_dir.cache_clear()


def test_what_was_kept_is_read(tmp_path):
    path = tmp_path / "below" / "a.safetensors"
    assert recall(Made, path) is None
    keep(Made(np.arange(3)), path)
    assert recall(Made, path).values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("damage", ["emptied", "cut", "flipped", "foreign", "text", "misplaced"])
def test_what_is_not_whole_is_said_in_one_line_and_not_read(tmp_path, caplog, damage):
    from safetensors.numpy import save

    path = tmp_path / "a.safetensors"
    keep(Made(np.arange(3)), path)
    whole = path.read_bytes()
    other = tmp_path / "other.safetensors"
    keep(Made(np.arange(4)), other)
    path.write_bytes(
        {
            "emptied": b"",
            "cut": whole[:-2],
            "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
            "foreign": save({"x": np.zeros(1)}),
            "text": b"hello",
            "misplaced": other.read_bytes(),
        }[damage]
    )
    assert recall(Made, path) is None
    (said,) = caplog.messages
    assert said.startswith("a.safetensors cannot be read and is made again: ")


def test_a_folder_that_cannot_be_written_is_one_warning_that_names_the_setting(
    tmp_path, monkeypatch
):
    # a file stands where the folder should be: nobody, not even root, can write there
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            keep(Made(np.arange(3)), tmp_path / "file" / "a.safetensors")
    (said,) = told
    assert re.search(r"VOLVELLE_CACHE=.*is not kept for the next time", str(said.message))


def test_without_a_cache_folder_there_is_one_for_as_long_as_the_process_lasts(
    tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="Set VOLVELLE_CACHE to a folder") as told:
        folder, again = cache.cache_dir(), cache.cache_dir()
    assert again == folder
    assert len(told) == 1
    assert folder.is_dir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep(Made(np.arange(3)), folder / "a.safetensors")
    assert recall(Made, folder / "a.safetensors") is not None
