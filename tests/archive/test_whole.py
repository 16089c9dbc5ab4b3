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


def test_a_new_file_may_be_read_by_whom_any_new_file_may_and_an_old_one_stays_so(tmp_path):
    (tmp_path / "plain").write_text("")
    file = tmp_path / "a.txt"
    with written_whole(file) as part:
        part.write_text("1")
        part.chmod(0o600)  # as a library leaves it
    assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode
    file.chmod(0o640)
    with written_whole(file) as part:
        part.write_text("2")
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_a_library_leaves_beside_a_part_goes_with_it(tmp_path):
    with written_whole(tmp_path / "a.txt") as part:
        part.write_text("1")
        (part.parent / ".tmp123").write_text("half")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_may_be_as_long_as_the_system_lets_it(tmp_path):
    with written_whole(tmp_path / ("a" * 255)) as part:
        part.write_text("1")
    assert (tmp_path / ("a" * 255)).read_text() == "1"


def test_a_file_that_cannot_be_written_is_named_and_not_its_part(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for name in ("a", "x" * 256):
        with pytest.raises(OSError) as error:  # noqa: PT011 - of any kind
            write(tmp_path / name)
        assert name in str(error.value)
        assert ".part" not in str(error.value)


def write(path):
    with written_whole(path) as part:
        part.write_text("1")


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
