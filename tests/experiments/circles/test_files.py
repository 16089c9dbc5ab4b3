"""Circles to files and back, and as tables."""

import inspect

import numpy as np
import pytest

from volvelle.compute.circles import fit
from volvelle.compute.directions.directions import Dictionary
from volvelle.experiments.circles.check_circle import Checks
from volvelle.experiments.circles.fit_circle import Circle, fit_circle
from volvelle.experiments.circles.wheel import Wheel


def test_a_circle_comes_back_from_its_file(found, tmp_path):
    back = Circle.load(found.save(tmp_path / "circle.safetensors"))
    assert repr(back) == repr(found)
    assert back.names == found.names
    assert np.array_equal(back.plane, found.plane)
    assert np.array_equal(back.spread, found.spread)
    assert back.agreement == pytest.approx(found.agreement) or vars(back.agreement) == vars(
        found.agreement
    )
    assert repr(back.layers) == repr(found.layers)
    assert back.null.p == found.null.p
    assert back.details == found.details
    assert np.allclose(back.direction(33).vector, found.direction(33).vector)
    with pytest.raises(ValueError, match="one layer only"):
        back.at(2)


def test_a_circle_without_reference_comes_back_too(tmp_path):
    rows = np.random.default_rng(0).standard_normal((5, 9))
    circle = fit_circle(Dictionary(rows, list("abcde"), "embed"))
    back = Circle.load(circle.save(tmp_path / "c.safetensors"))
    assert back.null is None
    assert back.reference is None
    assert np.isnan(back.score)
    assert repr(back) == repr(circle)


def test_other_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "x.safetensors")
    for noun in (Circle, Wheel):
        with pytest.raises(ValueError, match="its header has no"):
            noun.load(tmp_path / "x.safetensors")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match="no circle checks"):
        Checks.load(tmp_path / "x.json")


def test_the_table_of_a_circle_has_a_row_per_name(found):
    table = found.to_pandas()
    assert list(table.name) == list(found.names)
    assert (table.off.abs() <= 180).all()
    assert table[["below", "above"]].notna().all().all()


@pytest.mark.parametrize("section", ["Parameters\n", "Raises\n"])
def test_fit_circle_is_told_as_the_one_of_compute(section):
    ours, theirs = (
        inspect.getdoc(one).partition(section)[2].partition("\n\n")[0]
        for one in (fit_circle, fit.fit_circle)
    )
    assert ours == theirs != ""
