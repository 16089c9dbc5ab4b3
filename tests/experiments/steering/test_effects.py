"""What `vv.steer` says of watched answers: placebos of next words, p, several prompts, labels."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.compute.stats.cells import stand_out
from volvelle.experiments.steering.answers import Watched, answers_of
from volvelle.experiments.steering.ask import ask, beginnings
from volvelle.experiments.steering.placebos import PLACEBO, counts_of, placebos_of
from volvelle.experiments.steering.rows import as_steers

D = tiny.WIDTH
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


def direction(seed=0, layer=1):
    vector = np.random.default_rng(seed).standard_normal(D)
    return vv.Direction(vector, f"v{seed}", f"resid_post.{layer}")


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def fitted(small):
    positive, negative = (
        ["aa bb", "ab ba b", "b a b a", "aab b"],
        ["xx y", "x y xy", "yx x", "yy x"],
    )
    return vv.Dictionary.from_pairs(small, positive, negative, point="resid_post.1", progress=None)[
        0
    ]


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


# -- the same texts under other labels -------------------------------------------------------


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


def test_numbers_of_numpy_are_numbers(small, tmp_path):
    found = vv.steer(
        small, PROMPT, direction(), (0.2,), {"words": np.int64(3), "texts": 1},
        watch=np.array(["e"]), max_new_tokens=np.int64(2), seed=np.int64(1),
        samples=np.int64(1), chat=np.bool_(False),
    )  # fmt: skip
    assert vv.SteeringRun.load(found.save(tmp_path / "run")).summary() == found.summary()


def test_columns_of_a_table_are_prompts_and_answers(small):
    pd = pytest.importorskip("pandas")
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


def test_states_that_overflow_are_said_and_have_no_p(small):
    found = vv.steer(
        small, PROMPT, direction(), (3e38,), {"words": 19, "texts": 0}, watch=["e"],
        max_new_tokens=1,
    )  # fmt: skip
    assert "P(e) is no number at 3e+38" in found.summary()
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


# -- blocks below the steers run once ------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gemma2"])
def test_words_are_the_same_whether_the_blocks_below_the_steers_run_again_or_not(family):
    small = tiny.wrapped(family)
    steers = [[vv.Steer(direction(seed, layer), 0.4)] for seed, layer in ((0, 2), (1, 1), (2, 3))]
    prompts = [small.prompt_ids(text) for text in PROMPTS]
    rows = [(prompt, mine) for prompt in prompts for mine in [*steers, []]]
    watched = Watched(answers_of(small, ["e", "th"]))
    asked = [prompt for prompt, _ in rows], [mine for _, mine in rows]
    known = beginnings(small, prompts, steers)
    assert {one.depth for one in known.values()} <= {2}
    expected = ask(small, *asked, watched)
    found = ask(small, *asked, watched, known=known)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


def test_the_blocks_below_the_steers_do_not_run_again(small):
    steer = vv.Steer(direction(0, 2), 0.4)
    prompt = small.prompt_ids(PROMPT)
    known = beginnings(small, [prompt], [[steer]])
    assert [one.depth for one in known.values()] == [3]
    ran = []
    blocks = small.nnsight._module.get_submodule(small.layout.blocks)
    hooks = [
        block.mlp.register_forward_hook(lambda *_, n=n: ran.append(n))
        for n, block in enumerate(blocks)
    ]
    ask(small, [prompt], [[steer]], Watched(answers_of(small, ["e"])), known=known)
    for hook in hooks:
        hook.remove()
    assert set(ran) == {3}
