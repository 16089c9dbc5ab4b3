"""Circles to files and back, and as tables."""

import inspect

import numpy as np
import pytest

from volvelle.compute.circles import fit
from volvelle.compute.directions.directions import Dictionary
from volvelle.experiments.circles.emotion_circle import emotion_circle
from volvelle.experiments.circles.fit_circle import Circle, fit_circle


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


def test_verdict_and_both_nulls_come_back(found, tmp_path):
    back = Circle.load(found.save(tmp_path / "circle.safetensors"))
    assert back.verdict == found.verdict
    assert back.summary() == found.summary()
    assert np.array_equal(back.null.within, found.null.within)
    assert back.agreement.cosine == found.agreement.cosine


def test_a_named_layer_and_the_strip_come_back(circular, tmp_path):
    circle = emotion_circle(circular, layer=2, n_null=50)
    back = Circle.load(circle.save(tmp_path / "circle.safetensors"))
    assert back.null.by_hand == 4
    assert back.summary() == circle.summary()
    assert np.array_equal(back.layers.corrected, circle.layers.corrected)


def test_a_circle_without_reference_comes_back_too(tmp_path):
    rows = np.random.default_rng(0).standard_normal((5, 9))
    circle = fit_circle(Dictionary(rows, list("abcde"), "embed"))
    back = Circle.load(circle.save(tmp_path / "c.safetensors"))
    assert back.null is None
    assert back.reference is None
    assert np.isnan(back.score)
    assert repr(back) == repr(circle)


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
