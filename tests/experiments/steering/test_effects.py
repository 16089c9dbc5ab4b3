"""What `vv.steer` says of watched answers: placebos of next words, p, several prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from models.tiny import direction

import volvelle as vv
from volvelle.compute.stats.cells import stand_out
from volvelle.experiments.steering.placebos import PLACEBO, counts_of, placebos_of
from volvelle.experiments.steering.rows import as_steers

PROMPT = "she looked at"
PROMPTS = [PROMPT, "he was", "then they all went"]
HAPPY = [
    "I am so happy today.", "What a joyful, wonderful day!", "She laughed with delight.",
    "We danced and sang all night.", "He smiled, full of hope.", "The best news I ever had.",
]  # fmt: skip
SAD = [
    "I am so sad today.", "What a gloomy, terrible day!", "She wept with grief.",
    "We mourned and cried all night.", "He sighed, full of despair.", "The worst news I ever had.",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(small):
    counts = {"words": 19, "texts": 2}
    watch = ["e", ("a", "o"), "th"]
    return vv.steer(
        small, PROMPTS, vv.Steer(direction(), 0.3), (-1, 1), counts, watch=watch, max_new_tokens=3
    )


# -- placebos of words and of texts ----------------------------------------------------------


def test_by_default_ninety_nine_placebos_say_a_word_and_five_write_a_text(small):
    found = vv.steer(small, PROMPT, direction(), watch=["e"], max_new_tokens=1)
    assert dict(PLACEBO) == {"words": 99, "texts": 5, "labels": 99}
    assert found.effects.placebos["random"].shape == (99, 1, 2, 1)
    assert len(found.placebos) == 5
    assert found.settings["placebo"] == {"words": 99, "texts": 5, "labels": 99}


def test_one_number_is_for_words_texts_and_labels_and_a_dict_keeps_the_other_defaults():
    assert vars(counts_of(7)) == {"words": 7, "texts": 7, "labels": 7}
    assert vars(counts_of({"texts": 0})) == {"words": 99, "texts": 0, "labels": 99}
    # whoever writes a text says its first word
    assert counts_of({"words": 2, "texts": 4}).words == 4


def test_a_placebo_of_words_is_the_one_of_texts_and_each_says_what_next_token_says(small, run):
    tokens = [small.token_id("e"), small.token_id("a"), small.token_id("o")]
    made = placebos_of(as_steers(vv.Steer(direction(), 0.3)), counts_of(19), 0, None)
    for number in (0, 1, 18):
        for n, prompt in enumerate(PROMPTS):
            said = small.next_token(prompt, made.steers["random", number], tokens=tokens)[0]
            found = run.effects.placebos["random"][number, n, 1]
            np.testing.assert_allclose(found[0], said[0], atol=1e-4)
            np.testing.assert_allclose(found[1], np.logaddexp(said[1], said[2]), atol=1e-4)
    written = run.row(1, kind="random", number=1, prompt=2)
    np.testing.assert_allclose(
        run.effects.placebos["random"][1, 2, 1], written.watched[0], atol=1e-5
    )


def test_an_answer_of_several_tokens_is_measured_of_every_placebo(small, run):
    ids = small.tokenizer("th", add_special_tokens=False)["input_ids"]
    assert len(ids) == 2
    assert np.isfinite(run.effects.placebos["random"][..., 2]).all()
    assert (run.effects.placebos["random"][..., 2] < -1).all()


def test_a_set_of_words_is_counted_together_and_named_by_its_words(small):
    found = vv.steer(
        small, PROMPT, direction(), (0.1,), 0, watch=[("a", "o", "e", "i"), ("b", "B")],
        max_new_tokens=1,
    )  # fmt: skip
    assert found.watch == ("a / o / e +1", "b")


def test_without_watched_answers_no_placebo_of_words_is_run(small):
    found = vv.steer(small, PROMPT, direction(), (0.1,), {"texts": 1}, max_new_tokens=2)
    assert found.effects is None
    with pytest.raises(ValueError, match="no answer was watched"):
        found.test()


def test_of_few_heads_no_placebo_comes_twice(small):
    made = placebos_of([vv.HeadScale(1, 0)], counts_of(50), 0, 4)
    assert sorted(steers[0].head for steers in made.steers.values()) == [1, 2, 3]
    found = vv.steer(small, PROMPT, vv.HeadScale(1, 0), watch=["e"], max_new_tokens=1)
    n = found.test().n
    assert n < 19
    assert f"{n} random directions cannot tell" in found.summary()


# -- p ---------------------------------------------------------------------------------------


def test_the_test_is_of_mean_log_odds_over_prompts(run):
    effects = run.effects
    p = np.exp(effects.steered.astype(float))
    base = np.exp(effects.baseline.astype(float))
    change = np.log(p / (1 - p)) - np.log(base / (1 - base))[:, None]
    np.testing.assert_allclose(effects.changes(), change, atol=1e-5)
    expected = stand_out(change.mean(axis=0), effects.changes("random").mean(axis=1), "x").p_cells
    np.testing.assert_allclose(run.test().p_cells, expected)
    assert run.test().p_cells.shape == (2, 3)
    assert run.test().family == "two-sided over 3 answers x 2 strengths, 19 random directions"
    frame = effects.to_pandas()
    assert frame["p [random]"].min() == run.test().p
    np.testing.assert_allclose(frame.log_odds, change.mean(axis=0).T.ravel(), atol=1e-5)


def test_several_prompts_have_an_interval_and_one_says_that_it_is_one(small, run):
    low, high = run.effects.interval()
    assert (low < high).all()
    assert "means over 3 prompts" in run.summary()
    assert "95 %" in run.summary()
    one = vv.steer(small, PROMPT, direction(), (0.3,), 19, watch=["e"], max_new_tokens=1)
    assert np.isnan(one.effects.interval()[0]).all()
    assert one.summary().endswith("one prompt, and answers below .01: an anecdote.")
    many = tuple(range(60))
    likely = vv.steer(small, PROMPT, direction(), (0.3,), 0, watch=[many], max_new_tokens=1)
    assert "; one prompt: of others nothing is known; no placebo was run" in likely.summary()


def test_rare_answers_on_one_prompt_are_an_anecdote(model):
    v = vv.Direction(np.ones(576), "v", "resid_post.14")
    found = vv.steer(model, "I feel", v, (0.01,), 0, watch=[" zebra"], max_new_tokens=1)
    assert "one prompt, and answers below .01: an anecdote" in found.summary()


def test_every_prompt_writes_its_own_texts_and_scores_them(small, run):
    for n, prompt in enumerate(PROMPTS):
        alone = vv.steer(
            small, prompt, vv.Steer(direction(), 0.3), (-1, 1), {"words": 2, "texts": 2},
            watch=["e"], max_new_tokens=3,
        )  # fmt: skip
        assert run.prompts[n].text == alone.prompt
        for strength in run.strengths:
            mine, other = run.row(strength, prompt=n), alone.row(strength)
            assert mine.text == other.text
            np.testing.assert_allclose(mine.base_logprobs, other.base_logprobs, atol=1e-4)
            assert mine.masks.shape == other.masks.shape
    assert len(run.rows) == 3 * (3 + 2 * 2)
    assert sorted(set(run.to_pandas().prompt)) == [0, 1, 2]
    assert run.curve("e").shape == (3,)


def test_few_placebos_cannot_tell_and_the_sentence_has_no_p(small):
    found = vv.steer(small, PROMPT, direction(), (0.5,), 18, watch=["e"], max_new_tokens=1)
    assert "18 random directions cannot tell (the smallest p is .05" in found.summary()
    assert "p = " not in found.summary()


def test_a_run_of_several_prompts_reads_back_as_it_was_saved(run, tmp_path):
    again = vv.SteeringRun.load(run.save(tmp_path / "run"))
    assert again.summary() == run.summary()
    assert again.to_pandas().equals(run.to_pandas())
    assert again.tokens_to_pandas().equals(run.tokens_to_pandas())
    assert again.effects.to_pandas().equals(run.effects.to_pandas())
    assert [prompt.text for prompt in again.prompts] == [prompt.text for prompt in run.prompts]


# -- odd arguments and odd outcomes ------------------------------------------------------


def test_numbers_of_numpy_are_numbers(small, tmp_path):
    found = vv.steer(
        small, PROMPT, direction(), (0.2,), {"words": np.int64(3), "texts": 1},
        watch=np.array(["e"]), max_new_tokens=np.int64(2), seed=np.int64(1),
        samples=np.int64(1), chat=np.bool_(False),
    )  # fmt: skip
    assert vv.SteeringRun.load(found.save(tmp_path / "run")).summary() == found.summary()


def test_columns_of_a_table_are_prompts_and_answers(small):
    found = vv.steer(
        small, pd.Series(PROMPTS), direction(), (0.2,), 0, watch=pd.Series(["e", "a"]),
        max_new_tokens=1,
    )  # fmt: skip
    assert [prompt.text for prompt in found.prompts] == PROMPTS
    assert found.watch == ("e", "a")


def test_a_prompt_that_comes_twice_is_refused(small):
    with pytest.raises(ValueError, match="prompt: numbers 0 and 2 are the same text"):
        vv.steer(small, [PROMPT, "he was", PROMPT], direction(), (0.2,), 0, max_new_tokens=1)
    with pytest.raises(ValueError, match="control: numbers 0 and 1 are the same text"):
        vv.dose(small, "so? ", direction(), (1,), ("a", "b"), control=["x y", "x y"], placebo=0)


def test_a_set_of_ids_is_named_by_its_words(small):
    ids = small.token_id("b"), small.token_id("e")
    found = vv.steer(small, PROMPT, direction(), (0.2,), 0, watch=[ids], max_new_tokens=1)
    assert found.watch == ("b / e",)


def test_an_unknown_placebo_of_a_curve_is_refused_and_the_first_is_taken(run):
    np.testing.assert_array_equal(
        run.curve("e", kind="random"), run.curve("e", kind="random", number=0)
    )
    with pytest.raises(KeyError, match="no placebo 2 of kind 'random': 2 were run"):
        run.curve("perplexity", kind="random", number=2)
    with pytest.raises(KeyError, match="did you mean 'random'"):
        run.curve("perplexity", kind="rndom")


def test_every_prompt_is_looked_at_for_a_change_of_text(small):
    still = vv.steer(small, PROMPTS, vv.Steer(direction(), 1e-7), (1,), 0, max_new_tokens=3)
    assert "the text is the same at every strength" in still.summary()
    moved = vv.steer(small, PROMPTS, direction(), (1,), 0, max_new_tokens=3)
    same = [
        np.array_equal(moved.row(0, prompt=n).ids, moved.row(1, prompt=n).ids) for n in range(3)
    ]
    assert not all(same)
    assert "the text changes from strength 1 on" in moved.summary()


def test_states_that_overflow_are_refused_with_the_strength_that_made_them(small):
    with pytest.raises(ValueError, match=r"at strength 3e\+38 .*; take a smaller strength"):
        vv.steer(
            small, PROMPT, direction(), (3e38,), {"words": 19, "texts": 0}, watch=["e"],
            max_new_tokens=1,
        )  # fmt: skip


def test_effects_that_are_no_numbers_are_said_and_have_no_p(small):
    # as files hold them that were written before such states were refused
    found = vv.steer(
        small, PROMPT, direction(), (0.2,), {"words": 19, "texts": 0}, watch=["e"],
        max_new_tokens=1,
    )  # fmt: skip
    broken = np.full_like(found.effects.steered, np.nan)
    found = replace(found, effects=replace(found.effects, steered=broken))
    assert "P(e) is no number at 0.2" in found.summary()
    assert found.test().p == 1.0


def test_answers_beyond_the_third_are_counted(small):
    found = vv.steer(small, PROMPT, direction(), (0.2,), 0, watch=list("abcde"), max_new_tokens=1)
    assert "2 more answers in .effects.to_pandas()" in found.summary()


# -- the demo model --------------------------------------------------------------------------


def joyful(model, n):
    how = {"positions": "mean", "progress": None, "name": "joy"}
    return vv.Dictionary.from_pairs(model, HAPPY[:n], SAD[:n], **how)["joy"]


def letter(model, joy, counts):
    return vv.steer(
        model, "When she opened the letter, she felt", vv.Steer(joy), (-0.2, 0.2),
        counts, watch=[" excited"], max_new_tokens=1,
    )  # fmt: skip


@pytest.mark.slow
def test_twelve_sentences_carry_joy_and_six_do_not(model):
    found = letter(model, joyful(model, 6), {"texts": 0})
    assert found.curve(" excited")[2] > 10 * found.curve(" excited")[1]
    assert found.test("random").p == pytest.approx(0.01)
    assert found.test("relabelled").p <= 0.05
    few = letter(model, joyful(model, 3), {"words": 19, "texts": 0})
    assert "6 texts: too few" in few.summary()


@pytest.mark.nightly
def test_joy_against_all_461_other_labellings_of_its_sentences(model):
    found = letter(model, joyful(model, 6), {"words": 199, "texts": 0, "labels": 461})
    assert found.test("random").p == pytest.approx(0.005)
    assert found.test("relabelled").p <= 0.05
    assert found.test("rescaled").p <= 0.05


@pytest.mark.slow
def test_a_random_direction_posing_as_an_effect_passes_in_one_of_twenty(model):
    """200 random steers at the product's defaults, each held against 99 of the others."""
    v = vv.Direction(np.random.default_rng(1).standard_normal(576), "v", "resid_post.14")
    effects = vv.steer(
        model, "When she opened the letter, she felt", vv.Steer(v),
        placebo={"words": 299, "texts": 0}, watch=[" happy", " sad", " excited"],
        max_new_tokens=1,
    ).effects  # fmt: skip
    rows = effects.changes("random").mean(axis=1)
    rng = np.random.default_rng(0)
    ps = []
    for n in range(200):
        others = rng.permutation(np.delete(np.arange(len(rows)), n))[:99]
        ps.append(stand_out(rows[n], rows[others], "f").p)
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.09


@pytest.mark.slow
def test_a_direction_ablated_at_every_layer_has_placebos_that_do_not_pile_up(model):
    """One direction removed at all layers: turned writes alone would be written 30 times over."""
    vector = np.random.default_rng(5).standard_normal(576)
    layers = [vv.Direction(vector, "v", f"resid_post.{layer}") for layer in range(30)]
    found = vv.steer(
        model, "She felt", vv.Steer(layers, method="ablate"), (1,), {"words": 2, "texts": 2},
        watch=[" excited"], max_new_tokens=1,
    )  # fmt: skip
    deltas = [
        np.median(list(found.row(1, kind=kind, number=number).deltas.values()))
        for kind, number in (("steered", -1), ("random", 0), ("random", 1))
    ]
    assert max(deltas) < 3 * min(deltas)
