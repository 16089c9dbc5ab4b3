"""The layouts of files are those that were recorded with their versions."""

from house.files import RECORDED, files


def test_the_fields_of_every_file_are_those_recorded_for_its_version():
    assert files() == RECORDED.read_text(encoding="utf-8"), (
        "a class that is kept in files has other fields: raise its version (`class Wheel(Result, "
        "kind='Wheel', version=2)`), then run `make surface`"
    )
