"""Files and folders appear whole or not at all, and what was left half made goes."""

import os

import pytest

from volvelle.archive.whole import LEFT_S, made_whole, part_of, written_whole


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    file = tmp_path / "a.txt"
    with written_whole(file) as part:
        part.write_text("half")
        assert not file.exists()
    assert file.read_text() == "half"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*there to write a\.html in"):
        written_whole(tmp_path / "there" / "a.html").__enter__()


def test_two_writers_of_one_file_have_parts_of_their_own(tmp_path):
    file = tmp_path / "a.txt"
    with written_whole(file) as one, written_whole(file) as two:
        one.write_text("1")
        two.write_text("2")
    assert file.read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_parts_of_a_killed_process_go_with_the_next_write_and_others_stay(tmp_path):
    file = tmp_path / "a[1].txt"
    left, fresh, others = part_of(file), part_of(file), part_of(tmp_path / "b.txt")
    for path in (left, fresh, others):
        path.write_text("half")
    for path in (left, others):
        os.utime(path, (0, path.stat().st_mtime - LEFT_S - 1))
    with written_whole(file) as part:
        part.write_text("whole")
    assert not left.exists()
    assert fresh.exists()
    assert others.exists()


def test_a_folder_is_made_whole_in_place_of_what_was_there(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("old")
    left = part_of(folder)
    left.mkdir()
    (left / "half").write_text("half")
    with made_whole(folder) as target:
        (target / "new").write_text("new")
        assert (folder / "old").exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_fails_leaves_what_was_there(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()

    def make():
        with made_whole(folder) as target:
            (target / "half").write_text("half")
            raise MemoryError

    with pytest.raises(MemoryError):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
