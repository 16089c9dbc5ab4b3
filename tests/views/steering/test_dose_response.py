"""DoseResponse: a result in, curves out, without a browser or a model."""

import json

import numpy as np
import pytest
from traitlets import TraitError

import volvelle as vv
from volvelle.experiments.steering.dose_result import Dose
from volvelle.experiments.steering.rows import SteerCard
from volvelle.views.steering.dose_response import DoseResponse

STRENGTHS = (0.0, 0.5, 1.0)


def card(name, strength=0.4, unit="norm"):
    return SteerCard(name, "add", "h + v", "strength 0", unit, strength, ("resid_post.1",), {})


def dose(n_placebos=4, cards=None, texts=True):
    """Joy raises yes by .1 per step, placebo k by .05 k per step; the control stays."""
    rows = []  # question, concept, kind, number, strength, P(yes)
    for question in ("asked", "control"):
        rows.append((question, "", "baseline", -1, 0.0, 0.2))
        for concept in ("joy", "calm"):
            for i, s in enumerate(STRENGTHS[1:], 1):
                gain = 0.1 * i if (question, concept) == ("asked", "joy") else 0.0
                rows.append((question, concept, "steered", -1, s, 0.2 + gain))
    for k in range(n_placebos):
        for i, s in enumerate(STRENGTHS[1:], 1):
            rows.append(("asked", "joy", "random", k, s, 0.2 + 0.05 * k * i))
    question, concept, kind, number, strength, p = zip(*rows, strict=True)
    p = np.array(p)
    return Dose(
        model="fake",
        questions={"asked": ("Are you glad?",), "control": ("Is it Monday?",)},
        answers=("yes", "no"),
        spellings=(("yes", " yes"), ("no",)),
        concepts=("joy", "calm"),
        steers=cards or {"joy": (card("joy"),), "calm": (card("calm"),)},
        strengths=STRENGTHS,
        concept=np.array(concept),
        kind=np.array(kind),
        question=np.array(question),
        number=np.array(number),
        strength=np.array(strength),
        logprobs=np.log(np.stack([p, 1 - p], axis=1)).astype(np.float32),
        entropy=np.linspace(1, 2, len(p)).astype(np.float32),
        texts=tuple(f"text {i}" if texts else "" for i in range(len(p))),
        placebo_of={"joy": "joy", "calm": "joy"},
        settings={"placebo": n_placebos, "seed": 3},
    )


@pytest.fixture
def view():
    return DoseResponse(dose())


def test_it_is_a_public_name_beside_the_result():
    assert vv.DoseResponse is DoseResponse
    assert vv.Dose is Dose


def test_curves_control_entropy_and_band_are_those_of_the_result(view):
    joy, calm = view._curves
    assert joy["p"]["asked"] == pytest.approx([0.2, 0.3, 0.4], abs=1e-5)
    assert joy["p"]["control"] == pytest.approx([0.2, 0.2, 0.2], abs=1e-5)
    assert joy["entropy"]["asked"][0] == pytest.approx(1.0)
    low, middle, high = joy["bands"]["p"]["random"]
    band = dose().band("joy")
    assert [low[2], middle[2], high[2]] == pytest.approx(band.iloc[2, 1:], abs=1e-5)
    assert joy["coverage"] == {"random": pytest.approx(0.8)}
    assert calm["owner"] == "joy"
    assert calm["bands"] == joy["bands"]


def test_the_title_says_model_point_placebos_and_seed(view):
    facts = view._facts
    assert (facts["model"], facts["points"]) == ("fake", ["resid_post.1"])
    assert (facts["placebo"], facts["seed"]) == (4, 3)
    assert "4 random directions cannot tell" in facts["summary"]


def test_the_axis_has_the_steers_unit_only_where_all_mean_the_same(view):
    assert (view._facts["unit"], view._facts["own"]) == ("norm", 0.4)
    mixed = {"joy": (card("joy"),), "calm": (card("calm", 2.0, "raw"),)}
    facts = DoseResponse(dose(cards=mixed))._facts
    assert (facts["unit"], facts["own"]) == ("", 1.0)


def test_a_point_has_its_own_texts_and_the_shared_baseline(view):
    texts = view._curves[0]["texts"]
    assert {t["strength"] for t in texts} == set(STRENGTHS)
    mine = [t for t in texts if (t["question"], t["strength"]) == ("asked", 1.0)]
    assert [t["text"] for t in mine] == ["text 2"]
    assert mine[0]["answers"] == pytest.approx([0.4, 0.6], abs=1e-5)


def test_without_placebos_there_is_no_band():
    view = DoseResponse(dose(n_placebos=0))
    assert view._curves[0]["bands"] == {"p": {}, "entropy": {}, "mass": {}, "control": {}}
    assert view._curves[0]["n"] == {"random": 0, "shuffled": 0}


def test_what_travels_is_json(view):
    json.dumps(view.get_state()["_curves"], allow_nan=False)


def test_a_point_is_selected_from_python_and_from_the_browser(view):
    view.selected = {"concept": "joy", "strength": 0.5}
    view.set_state({"selected": {"concept": "calm", "strength": 1}})
    assert view.selected == {"concept": "calm", "strength": 1.0}
    view.selected = {}
    assert view.selected == {}


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("selected", {"concept": "joi", "strength": 0.5}, "did you mean 'joy'"),
        ("selected", {"concept": "joy", "strength": 0.7}, "0, 0.5, 1 were"),
        ("selected", {"concept": "joy"}, "needs both"),
        ("concepts", ["joi"], "did you mean 'joy'"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(view, trait, value, message):
    with pytest.raises(TraitError, match=message):
        setattr(view, trait, value)


def test_it_does_not_measure_and_says_what_does(view):
    with pytest.raises(ValueError, match=r"vv\.dose"):
        view.run()
    assert view.wait(1).status == "idle"


def test_to_pandas_is_the_results(view):
    assert view.to_pandas().equals(view.result.to_pandas())


def test_an_export_holds_the_curves(view, tmp_path):
    html = view.to_html(tmp_path / "dose.html").read_text()
    assert "DoseResponse: fake, joy, calm" in html
    assert "text 2" in html
