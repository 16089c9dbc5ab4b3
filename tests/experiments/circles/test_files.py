"""Circles to files and back, and as tables."""

import inspect
import json

import numpy as np
import pytest

from volvelle.compute.circles import fit
from volvelle.compute.directions.directions import Dictionary
from volvelle.experiments.circles.check_circle import Checks
from volvelle.experiments.circles.emotion_circle import emotion_circle
from volvelle.experiments.circles.file import to_parts
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


def version_2(circle, path):
    """Write a circle as version 2 did: nothing about a layer that was named."""
    from safetensors.numpy import save_file

    arrays, told = to_parts(circle, circle.layers)
    del arrays["layers.largest"], told["by_hand"]
    save_file(arrays, path, {"volvelle.circle": json.dumps(told | {"version": 2})})
    return path


def test_a_circle_of_version_2_is_known_to_have_had_its_layer_named(circular, found, tmp_path):
    circle = emotion_circle(circular, layer=2, n_null=50)
    back = Circle.load(version_2(circle, tmp_path / "old.safetensors"))
    assert "not corrected for the choice of a layer out of 4" in back.summary()
    # the layers alone stand in for the best over all points
    assert np.allclose(back.layers.corrected[1:], circle.layers.corrected[1:], atol=0.1)
    picked = Circle.load(version_2(found, tmp_path / "picked.safetensors"))
    assert picked.summary() == found.summary()


def version_1(circle, path):
    """Write a circle as version 1 did: nothing about quadrants, ridge scored by a correlation."""
    from safetensors.numpy import save_file

    arrays, told = to_parts(circle, circle.layers)
    del arrays["null.within"], told["orders"], told["agreement"]["cosine"]
    del arrays["layers.largest"], told["by_hand"]
    told |= {"version": 1, "score": circle.agreement.leave_one_out}
    save_file(arrays, path, {"volvelle.circle": json.dumps(told)})
    return path


def test_a_supervised_circle_of_version_1_is_scored_again(circular, tmp_path):
    circle = emotion_circle(circular, method="ridge", n_null=50)
    back = Circle.load(version_1(circle, tmp_path / "old.safetensors"))
    assert back.score == pytest.approx(circle.score, abs=1e-5)
    assert back.score != pytest.approx(circle.agreement.leave_one_out, abs=1e-3)
    assert back.null.score == back.score
    # other layers cannot be scored again: their vectors are not in the file
    assert back.layers is None
    assert back.null.best is None
    assert "not corrected for the choice of a layer out of 4" in back.summary()
    assert "one layer" in back.details["scored_again"]


def test_a_circle_of_version_1_keeps_its_score_and_gains_shuffles_within_quadrants(found, tmp_path):
    path = version_1(found, tmp_path / "old.safetensors")
    back = Circle.load(path)
    assert back.null.p == found.null.p
    assert back.score == pytest.approx(found.agreement.leave_one_out)
    assert np.allclose(back.null.within, found.null.within, atol=1e-5)
    assert repr(back.layers) == repr(found.layers)


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
