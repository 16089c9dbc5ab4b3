"""`vv.dose` on tiny random models and on the demo model."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.experiments.steering.dose import answer_of
from volvelle.experiments.steering.dose_summary import _moved

D = tiny.WIDTH


def direction(seed=0, layer=1, name=None):
    vector = np.random.default_rng(seed).standard_normal(D)
    return vv.Direction(vector, name or f"v{seed}", f"resid_post.{layer}")


@pytest.fixture(scope="module")
def result(small):
    return vv.dose(
        small,
        "is it so? ",
        [vv.Steer(direction(0), 0.4), vv.Steer(direction(1), 0.4)],
        (-1, 1, 2),
        ("y", "n"),
        control=["is the sky up? ", "can a fish swim? "],
        reverse="is it not so? ",
        placebo=3,
        max_new_tokens=2,
    )


def test_a_point_is_the_share_of_the_first_answer_among_the_answers(small, result):
    steer = vv.Steer(direction(1), 0.8)
    logp = small.next_token("is it so? ", steer, tokens=["y", "Y", "n", "N"])[0]
    p = np.exp(logp)
    assert result.curve("v1")[3] == pytest.approx((p[0] + p[1]) / p.sum(), rel=1e-3)
    assert result.curve("v1", "mass")[3] == pytest.approx(p.sum(), rel=1e-3)
    whole = small.next_token("is it so? ", steer)[0].astype(float)
    assert result.curve("v1", "entropy")[3] == pytest.approx(
        -(np.exp(whole) * whole).sum(), rel=1e-3
    )


def test_every_line_starts_at_the_shared_baseline(result):
    zero = result.strengths.index(0)
    starts = {result.curve(concept)[zero] for concept in result.concepts}
    starts |= set(result.placebos("v0")[:, zero])
    assert len(starts) == 1
    frame = result.to_pandas()
    assert (frame.query("question == 'asked'").kind == "baseline").sum() == 1


def test_concepts_of_one_size_share_their_placebos_and_others_do_not(small, result):
    assert result.placebo_of == {"v0": "v0", "v1": "v0"}
    np.testing.assert_array_equal(result.placebos("v0"), result.placebos("v1"))
    assert result.placebos("v1").shape == (3, 4)
    steers = {"weak": vv.Steer(direction(0), 0.1), "strong": vv.Steer(direction(0), 0.4)}
    other = vv.dose(small, "so? ", steers, (1,), ("y", "n"), placebo=2)
    assert other.placebo_of == {"weak": "weak", "strong": "strong"}
    assert not np.array_equal(other.placebos("weak"), other.placebos("strong"))


def test_the_band_of_a_share_stays_between_0_and_1_and_says_what_it_covers(result):
    band = result.band("v1")
    zero = result.strengths.index(0)
    np.testing.assert_allclose(band["steered"], result.curve("v1"))
    assert (band.low <= band.middle).all()
    assert (band.middle <= band.high).all()
    assert band.low.min() > 0
    assert band.high.max() < 1
    # where nothing was steered nothing differs
    np.testing.assert_allclose(band.iloc[zero], result.curve("v1")[zero], rtol=1e-6)
    assert band.attrs["coverage"] == pytest.approx(3 / 4)


def test_control_and_reversed_questions_are_asked_at_every_strength(result):
    for question in ("control", "reversed"):
        assert np.isfinite(result.curve("v0", question=question)).all()
    rows = "question == 'control' and concept == 'v0' and kind == 'steered'"
    frame = result.to_pandas().query(rows)
    assert len(frame) == 6
    mean = frame.query("strength == 2").p.mean()
    assert result.curve("v0", question="control")[3] == pytest.approx(mean)


@pytest.mark.parametrize("question", ["asked", "control", "reversed"])
def test_placebos_are_asked_everything_that_the_concepts_are(result, question):
    curves = result.placebos("v1", question=question)
    assert curves.shape == (3, 4)
    zero = result.strengths.index(0)
    np.testing.assert_allclose(curves[:, zero], result.curve("v1", question=question)[zero])
    assert result.test("v1", question).n == 3


def test_a_change_that_is_none_is_not_called_a_fall(small):
    said = vv.dose(
        small, "so? ", vv.Steer(direction(), 1e-6), (1, 2), ("y", "n"), control="no? ", placebo=19
    ).summary()
    assert "falls" not in said
    assert "rises" not in said
    assert said.startswith("v0: P(y) among the answers stays at .")
    assert "the unrelated control question stays at ." in said


def test_several_wordings_of_a_question_give_an_interval(small):
    asked = ["is it so? ", "so it is? ", "is that so? "]
    one = vv.dose(small, asked, vv.Steer(direction(), 0.4), (1,), ("y", "n"), placebo=19)
    each = [
        vv.dose(small, text, vv.Steer(direction(), 0.4), (1,), ("y", "n"), placebo=0).log_odds
        for text in asked
    ]
    changes = np.array([found[1] - found[0] for found in each])
    low, high = one.interval("v0")
    reach = 4.3027 * changes.std(ddof=1) / np.sqrt(3)
    assert low[1] == pytest.approx(changes.mean() - reach, abs=1e-3)
    assert high[1] == pytest.approx(changes.mean() + reach, abs=1e-3)
    assert "log-odds 95 %" in one.summary()
    assert "Means over 3 questions." in one.summary()
    assert one.placebos("v0").shape == (19, 2)


@pytest.mark.parametrize(("prompt", "said"), [(None, "prompt is empty"), ([], "no tokens")])
def test_no_question_is_refused(small, prompt, said):
    with pytest.raises(ValueError, match=said):
        vv.dose(small, prompt, direction(), (1,), ("y", "n"), placebo=0)


def test_without_them_their_curves_are_missing(small):
    one = vv.dose(small, "so? ", direction(), (1,), ("y", "n"), placebo=0)
    assert np.isnan(one.curve("v0", question="control")).all()
    assert one.placebos("v0").shape == (0, 2)
    assert "no placebo was run" in one.summary()
    assert "control" not in one.summary()


def test_texts_are_written_for_concepts_and_baseline(result):
    frame = result.to_pandas()
    written = frame.kind.isin(["baseline", "steered"])
    assert (frame.text[~written] == "").all()
    assert (frame.text[written].str.len() > 0).all()


def test_progress_rises_to_one_where_texts_are_written_too(small):
    seen = []
    vv.dose(
        small, "is it so? ", direction(), (1,), ("y", "n"), placebo=1, max_new_tokens=2,
        progress=lambda fraction, text: seen.append((fraction, text)),
    )  # fmt: skip
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert seen[-1][1] == "2 of 2 tokens"


def test_several_steers_make_one_concept_in_a_dict(small):
    both = [vv.Steer(direction(0), 0.2), vv.Steer(direction(1, 3), 0.2)]
    one = vv.dose(small, "so? ", {"both": both}, (1,), ("y", "n"), placebo=1)
    assert one.concepts == ("both",)
    assert len(one.steers["both"]) == 2
    wanted = np.exp(small.next_token("so? ", both, tokens=["y", "Y", "n", "N"])[0])
    assert one.curve("both")[1] == pytest.approx(wanted[:2].sum() / wanted.sum(), rel=1e-3)


def test_a_result_reads_back_as_it_was_saved(result, tmp_path):
    again = vv.Dose.load(result.save(tmp_path / "dose"))
    assert again.summary() == result.summary()
    assert repr(again) == repr(result)
    assert again.to_pandas().equals(result.to_pandas())
    assert again.band("v0").equals(result.band("v0"))
    assert again.spellings == result.spellings == (("y", "Y"), ("n", "N"))
    assert again.steers == result.steers


def test_the_sentence_tells_effect_control_the_reversed_question_and_what_cannot_be_told(result):
    said = result.summary()
    assert said.count("the unrelated control question ") == 2
    assert said.count("the reversed question ") == 2
    assert "p = " not in said
    assert "3 random directions cannot tell (the smallest p is .25)" in said
    assert said.endswith("One question.")


def test_the_sentence_names_the_family_of_its_p(small):
    steers = [vv.Steer(direction(0), 0.4), vv.Steer(direction(1), 0.4)]
    said = vv.dose(small, "so? ", steers, (1, 2), ("y", "n"), placebo=19).summary()
    assert said.count("random)") == 2
    family = "p is two-sided over 2 strengths, each concept and question by itself, against "
    assert f"{family}19 random directions." in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"answers": ["y"]}, "at least two"),
        ({"answers": ("yes", " ")}, "not empty"),
        ({"answers": ("y", "Y")}, "both spelled 'Y'"),
        ({"answers": None}, "answers=None must be a list of texts"),
        ({"strengths": (float("nan"),)}, "finite"),
        ({"placebo": 1.5}, "placebo=1.5"),
        ({"steers": {}}, "steers is empty"),
        ({"steers": [direction(0, name="a"), direction(1, name="a")]}, "two concepts are named"),
        ({"placebos": 3}, "did you mean 'placebo'"),
    ],
)
def test_what_cannot_be_asked_is_refused(small, arguments, said):
    given = {"steers": direction(), "answers": ("y", "n"), "strengths": (1,), "placebo": 0}
    with pytest.raises((ValueError, TypeError), match=said):
        vv.dose(small, "so? ", **{**given, **arguments})


def test_a_prompt_of_one_token_is_refused_unless_position_0_is_admitted(small):
    how = {"answers": ("y", "n"), "strengths": (1,), "placebo": 0}
    with pytest.raises(ValueError, match=r"prompt has one token, which is position 0.*first=True"):
        vv.dose(small, "s", direction(), **how)
    steer = vv.Steer(direction(), where=vv.Where(first=True))
    assert vv.dose(small, "s", steer, **how).curve(direction().name).shape == (2,)


def test_an_unknown_curve_names_what_there_is(result):
    with pytest.raises(KeyError, match="there are: v0, v1"):
        result.curve("happy")
    with pytest.raises(KeyError, match="did you mean 'entropy'"):
        result.curve("v0", "entropi")
    with pytest.raises(KeyError, match="did you mean 'control'"):
        result.curve("v0", question="contro")


def test_answers_count_in_every_single_token_spelling(model):
    assert answer_of(model, "yes").strings == ("yes", " yes", "Yes", " Yes") == vv.spellings("yes")


def test_an_answer_of_several_tokens_counts_whole_in_every_spelling(small):
    steer = vv.Steer(direction(1), 0.8)
    found = vv.dose(small, "so? ", steer, (1,), ("ab", "n"), placebo=1)
    assert found.spellings == (("ab", " ab", "Ab", " Ab"), ("n", "N"))
    total = 0.0
    for spelled in found.spellings[0]:
        # the letters are put there one by one, each steered as the prompt is
        parts = [small.next_token("so? " + spelled[:n], steer, tokens=[spelled[n]]) for n in
                 range(len(spelled))]  # fmt: skip
        total += float(np.exp(np.sum(parts)))
    frame = found.to_pandas()
    row = frame[(frame.kind == "steered") & (frame.strength == 1)]
    assert float(row["P(ab)"].iloc[0]) == pytest.approx(total, rel=1e-3)


def test_placebos_rise_too_and_the_result_shows_it(model):
    templates = ["I feel {}.", "She felt {} all day long.", "I am so {} right now."]
    texts = {word: [t.format(word) for t in templates] for word in ("happy", "sad")}
    happy = vv.Dictionary.from_pairs(model, texts["happy"], texts["sad"], progress=None)[0]
    question = "Do you feel happy right now? Answer yes or no."
    found = vv.dose(model, question, vv.Steer(happy, 0.1), (1, 2), placebo=4, chat=True)
    name = found.concepts[0]
    assert found.curve(name)[2] > found.curve(name)[0] + 0.05
    assert found.placebos(name)[:, 2].max() > found.curve(name)[0] + 0.05


def test_without_strengths_doses_go_to_half_the_norm_and_others_to_twice_the_change(small):
    of = lambda steer: vv.dose(small, "so? ", steer, answers=("y", "n"), placebo=0)  # noqa: E731
    assert of(direction()).strengths == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert of(vv.Steer(direction(), method="ablate")).strengths == (0.0, 0.5, 1.0, 1.5, 2.0)


def test_a_rare_answer_that_grows_is_not_said_to_stay():
    assert _moved(np.array([4.2e-8, 5.3e-7]), 0, 1) == "stays small, from 4.2e-08 to 5.3e-07"
    assert _moved(np.array([0.74, 0.741]), 0, 1) == "stays at .74"
    assert _moved(np.array([0.2, 0.6]), 0, 1) == "rises from .20 to .60"
