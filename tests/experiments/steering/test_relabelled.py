"""Placebos of `vv.steer` and `vv.dose` that match in data: the same texts under other labels."""

from __future__ import annotations

import numpy as np
import pytest
from models.tiny import direction

import volvelle as vv
from volvelle.experiments.steering.placebos import counts_of, placebos_of

PROMPT = "she looked at"


@pytest.fixture(scope="module")
def fitted(small):
    positive, negative = (
        ["aa bb", "ab ba b", "b a b a", "aab b"],
        ["xx y", "x y xy", "yx x", "yy x"],
    )
    return vv.Dictionary.from_pairs(small, positive, negative, point="resid_post.1", progress=None)[
        0
    ]


def test_a_fitted_direction_keeps_what_it_was_fitted_to(fitted):
    np.testing.assert_array_equal(
        fitted.contrast.direction(fitted.contrast.positive), fitted.vector
    )
    assert fitted.contrast.n == 8
    assert direction().contrast is None


def test_relabelled_contrasts_are_run_at_their_own_length_and_rescaled(small, fitted):
    mine = [vv.Steer(fitted, 0.2)]
    made = placebos_of(mine, counts_of(10), 0, None)
    norm = small.norm("resid_post.1")
    for number in range(10):
        (own,), (scaled,) = (made.steers[kind, number] for kind in ("relabelled", "rescaled"))
        written = {
            name: steer.parts()[0].writes * steer.parts()[0].scale(norm) * steer.strength
            for name, steer in (("own", own), ("scaled", scaled))
        }
        length = 0.2 * norm
        assert np.linalg.norm(written["scaled"]) == pytest.approx(length, rel=1e-5)
        share = own.direction.norm / fitted.norm
        assert np.linalg.norm(written["own"]) == pytest.approx(share * length, rel=1e-5)
    assert made.relabelled.others == 34
    assert 0 <= made.relabelled.cosine <= 1


def test_the_raw_unit_and_other_methods_have_their_own_relabelled_counterparts(small, fitted):
    made = placebos_of([vv.Steer(fitted, 2.0, unit="raw")], counts_of(3), 0, None)
    (own,), (scaled,) = (made.steers[kind, 0] for kind in ("relabelled", "rescaled"))
    assert own.strength == 2.0
    assert scaled.strength * scaled.direction.norm == pytest.approx(2.0 * fitted.norm, rel=1e-5)
    ablated = placebos_of([vv.Steer(fitted, method="ablate")], counts_of(3), 0, None)
    assert {kind for kind, _ in ablated.steers} == {"random", "relabelled"}
    (turned,) = ablated.steers["relabelled", 0]
    np.testing.assert_allclose(turned.parts()[0].reads, turned.direction.unit)


def test_a_control_vectors_layers_are_relabelled_alike(small):
    texts = ["aa bb", "ab ba b", "b a b a", "aab b"], ["xx y", "x y xy", "yx x", "yy x"]
    vector = vv.ControlVector.from_pairs(small, *texts, "mean_diff", layers=[1, 2], progress=None)
    steer = vv.Steer(vector, 0.5, unit="raw")
    made = placebos_of([steer], counts_of(4), 0, None)
    one, two = made.steers["relabelled", 2]
    assert [one.direction.point.layer, two.direction.point.layer] == [1, 2]
    labellings = vector.at(1).contrast.relabelled(4, 0)
    for mine, layer in ((one, 1), (two, 2)):
        expected = vector.at(layer).contrast.direction(labellings[2])
        np.testing.assert_allclose(mine.direction.vector, expected, rtol=1e-5)


def test_six_texts_are_too_few_and_the_sentence_prints_the_smallest_p(small):
    few = vv.Dictionary.from_pairs(
        small, ["aa", "ab b", "b a"], ["xx", "x y", "yx x"], point="resid_post.1", progress=None
    )[0]
    found = vv.steer(small, PROMPT, few, (0.2,), {"texts": 0}, watch=["e"], max_new_tokens=1)
    assert found.effects.kinds == ("random",)
    assert (
        "the direction was fitted to 6 texts: too few to be told from the same texts relabelled "
        "(8 can; the smallest p of 10 labellings is .10)" in found.summary()
    )


def test_all_labellings_are_run_where_more_are_asked_for(small, fitted):
    found = vv.steer(
        small, PROMPT, fitted, (0.2,), {"words": 19, "texts": 0, "labels": 500}, watch=["e"],
        max_new_tokens=1,
    )  # fmt: skip
    assert found.effects.placebos["relabelled"].shape == (34, 1, 1, 1)
    assert found.test("relabelled").smallest == pytest.approx(1 / 35)
    assert "of whose 34 other labellings 34 were run (all; median |cosine|" in found.summary()
    some = vv.steer(small, PROMPT, fitted, (0.2,), 19, watch=["e"], max_new_tokens=1)
    assert "34 other labellings 19 were run (all of them reach p = .029; " in some.summary()
    assert "p is two-sided over 1 answer x 1 strength, against 19 random directions, " in (
        found.summary()
    )


def test_texts_relabelled_under_a_fit_that_labels_do_not_change_are_not_run(small):
    texts = ["aa bb", "ab ba b", "b a b a", "aab b"], ["xx y", "x y xy", "yx x", "yy x"]
    one = vv.Dictionary.from_pairs(small, *texts, "pca_center", point="resid_post.1", progress=None)
    found = vv.steer(small, PROMPT, one[0], (0.2,), {"texts": 0}, watch=["e"], max_new_tokens=1)
    assert found.effects.kinds == ("random",)
    assert "fitted to 8 texts in a way that gives the same under any labels" in found.summary()


def test_a_concept_is_held_against_its_own_texts_relabelled(small, fitted):
    other = vv.Dictionary.from_pairs(
        small, ["c d", "dd c", "cdc", "d c d"], ["mn m", "nn m", "n m n", "mm n"],
        point="resid_post.1", progress=None,
    )[0]  # fmt: skip
    concepts = {"one": fitted, "other": other, "plain": direction()}
    how = {"strengths": (0.2,), "answers": ("a", "b"), "placebo": 19}
    both = vv.dose(small, "so? ", concepts, **how)
    alone = vv.dose(small, "so? ", {"other": other}, **how)
    np.testing.assert_allclose(
        both.placebos("other", kind="relabelled"), alone.placebos("other", kind="relabelled"),
        atol=1e-5,
    )  # fmt: skip
    np.testing.assert_array_equal(both.placebos("other"), both.placebos("plain"))
    assert both.kinds("plain") == ("random",)
    assert "fitted to 8 texts, of whose 34 other labellings 19 were run" in both.summary()
    again = type(both)(**vars(both))
    assert again.summary() == both.summary()


def test_dose_says_that_six_texts_are_too_few_and_keeps_it_in_its_file(small, tmp_path):
    few = vv.Dictionary.from_pairs(
        small, ["aa", "ab b", "b a"], ["xx", "x y", "yx x"], point="resid_post.1", progress=None
    )[0]
    found = vv.dose(small, "so? ", {"few": few}, (0.2,), ("a", "b"), placebo=np.int64(19))
    assert "fitted to 6 texts: too few" in found.summary()
    assert vv.Dose.load(found.save(tmp_path / "dose")).summary() == found.summary()
