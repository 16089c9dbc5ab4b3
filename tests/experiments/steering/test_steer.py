"""`vv.steer` on tiny random models and on the demo model."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny
from models.tiny import direction

import volvelle as vv
from volvelle.compute.dictionaries.sae import SparseAutoencoder
from volvelle.experiments.steering.collapse import perplexity, repetition
from volvelle.experiments.steering.rows import as_strengths

D = tiny.WIDTH
PROMPT = "she looked at"


@pytest.fixture(scope="module")
def sae():
    rng = np.random.default_rng(5)
    shapes = {"W_enc": (D, 64), "W_dec": (64, D), "b_enc": 64, "b_dec": D}
    weights = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return SparseAutoencoder(weights, "topk", "resid_post.1", name="s", k=8, a_max=np.full(64, 3.0))


@pytest.fixture(scope="module")
def run(small):
    return vv.steer(
        small,
        PROMPT,
        vv.Steer(direction(), 0.5),
        strengths=(-1, 1, 2),
        placebo=4,
        watch=["e", " "],
        max_new_tokens=6,
    )


def test_every_strength_and_placebo_is_a_row_and_the_baseline_is_shared(run):
    frame = run.to_pandas()
    assert run.strengths == (-1.0, 0.0, 1.0, 2.0)
    assert frame.groupby("kind").size().to_dict() == {"random": 12, "steered": 4}
    assert (frame.strength == 0).sum() == 1


def test_a_row_equals_the_same_steer_generated_by_itself(small, run):
    steer = vv.Steer(direction(), 0.5)
    for strength in run.strengths:
        alone = small.generate(PROMPT, steer.times(strength), max_new_tokens=6)
        assert run.row(strength).text == alone.text
        assert run.row(strength).ids.tolist() == alone.ids.tolist()


def test_watched_probabilities_are_those_of_the_next_token(small, run):
    for strength in run.strengths:
        steer = vv.Steer(direction(), 0.5 * strength)
        wanted = np.exp(small.next_token(PROMPT, steer, tokens=["e", " "])[0])
        np.testing.assert_allclose(run.row(strength).next, wanted, rtol=1e-3)
    np.testing.assert_allclose(run.curve("e")[1], run.baseline.next[0], rtol=1e-6)


def test_texts_are_scored_by_the_unsteered_model(run):
    import torch

    hf = tiny.hf("llama")
    for row in run.rows:
        ids = torch.tensor([[*run.prompt_ids, *row.ids]])
        with torch.no_grad():
            logp = hf(input_ids=ids).logits[0].log_softmax(-1)
        n = len(run.prompt_ids)
        wanted = [float(logp[n - 1 + i, token]) for i, token in enumerate(row.ids)]
        np.testing.assert_allclose(row.base_logprobs, wanted, atol=1e-3)
    base = run.baseline
    np.testing.assert_allclose(base.base_logprobs, base.logprobs, atol=1e-4)


def test_placebos_change_the_states_by_exactly_as_much(run):
    n = len(run.prompt_ids)
    real = run.row(2).sizes["resid_post.1"][0]
    for _, number in run.placebos:
        placebo = run.row(2, kind="random", number=number).sizes["resid_post.1"][0]
        np.testing.assert_allclose(placebo[:n], real[:n], rtol=1e-5)


def test_effective_strength_is_told_in_every_unit(small, run):
    norm = small.norm("resid_post.1")
    (card,) = run.steers
    assert card.effective(2)["norm"] == pytest.approx(1.0)
    assert card.effective(2)["raw"] == pytest.approx(norm)
    assert card.effective(2)["max_act"] is None
    assert run.norms == {"resid_post.1": norm}
    frame = run.to_pandas()
    assert frame["v0 [norm]"].tolist()[:4] == pytest.approx([-0.5, 0, 0.5, 1])
    touched = run.row(2).sizes["resid_post.1"][0][1:-1]
    np.testing.assert_allclose(touched, norm, rtol=1e-4)


def test_the_change_is_told_in_raw_and_in_norms_whatever_the_method(small):
    steer = vv.Steer(direction(), method="ablate")
    run = vv.steer(small, PROMPT, steer, (1,), 0, max_new_tokens=3)
    last = run.to_pandas().iloc[-1]
    size = run.row(1).sizes["resid_post.1"][0]
    assert last["|delta| resid_post.1 [raw]"] == pytest.approx(np.median(size[size > 0]))
    wanted = np.median(size[size > 0]) / small.norm("resid_post.1")
    assert last["|delta| resid_post.1 [norm]"] == pytest.approx(wanted)


def test_a_clamps_target_is_told_in_every_unit(small, sae):
    steer = vv.Steer(sae.feature(3), unit="max_act", method="clamp", target=2.0)
    run = vv.steer(small, PROMPT, steer, (1,), 0, max_new_tokens=1)
    told = run.steers[0].settings
    assert told["target_raw"] == pytest.approx([6.0])
    assert told["target_max_act"] == pytest.approx([2.0])
    length = 6 * sae.feature(3).norm / small.norm("resid_post.1")
    assert told["target_norm"] == pytest.approx([length])


def test_the_band_holds_quantiles_of_the_placebos_beside_the_steer(run):
    band = run.band("e", quantiles=(0, 0.5, 1))
    curves = np.stack([run.curve("e", kind="random", number=n) for n in range(4)])
    np.testing.assert_allclose(band["0"], curves.min(0))
    np.testing.assert_allclose(band["1"], curves.max(0))
    np.testing.assert_allclose(band["steered"], run.curve("e"))
    assert band.index.tolist() == list(run.strengths)


def test_sae_features_bring_shuffled_features_as_a_second_placebo(small, sae):
    steer = vv.Steer(sae.feature(3), method="clamp", target=5.0)
    run = vv.steer(small, PROMPT, steer, (1,), 2, watch=["e"], max_new_tokens=3)
    assert run.placebos == (("random", 0), ("random", 1), ("shuffled", 0), ("shuffled", 1))
    n = len(run.prompt_ids)
    sizes = [row.sizes["resid_post.1"][0][:n] for row in run.rows if row.strength]
    for size in sizes[1:]:
        np.testing.assert_allclose(size, sizes[0], rtol=1e-4, atol=1e-5)
    assert "2 other features cannot tell (the smallest p is .33)" in run.summary()
    assert run.band("e", kind="shuffled").shape == (2, 6)


def test_samples_share_their_noise_across_strengths_and_placebos(small):
    how = {"temperature": 1.0, "samples": 3, "max_new_tokens": 5, "seed": 7}
    run = vv.steer(small, PROMPT, vv.Steer(direction(), 1e-7), (1,), 1, **how)
    for sample in range(3):
        rows = [row.ids.tolist() for row in run.rows if row.sample == sample]
        assert rows[0] == rows[1] == rows[2]
        alone = vv.steer(small, PROMPT, vv.Steer(direction(), 1e-7), (1,), 0, **how)
        assert alone.row(0, sample=sample).ids.tolist() == rows[0]
    assert len({tuple(run.row(0, sample=s).ids.tolist()) for s in range(3)}) == 3
    assert len(run.to_pandas()) == 9


def test_the_same_seed_gives_the_same_run_and_placebos(small):
    runs = [
        vv.steer(small, PROMPT, direction(), (0.5,), 2, watch=["e"], max_new_tokens=3, seed=seed)
        for seed in (1, 1, 2)
    ]
    curves = [run.curve("e", kind="random", number=0) for run in runs]
    np.testing.assert_array_equal(curves[0], curves[1])
    assert curves[0][1] != curves[2][1]


def test_several_steers_and_a_head_act_together(small):
    steers = [vv.Steer(direction(), 0.3), vv.HeadScale(2, 1), direction(1, 3)]
    run = vv.steer(small, PROMPT, steers, (0.5, 1), 1, max_new_tokens=3)
    assert [card.method for card in run.steers] == ["add", "head_scale", "add"]
    assert run.row(1).masks.shape == (3, len(run.prompt_ids) + len(run.row(1).ids))
    assert set(run.row(1).sizes) == {"resid_post.1", "z.2", "resid_post.3"}
    mine = [*steers[:2], vv.Steer(steers[2])]
    alone = small.generate(PROMPT, mine, max_new_tokens=3)
    assert alone.ids.tolist() == run.row(1).ids.tolist()


def test_tokens_stream_with_their_row_and_probabilities(small):
    seen = []
    run = vv.steer(
        small,
        PROMPT,
        direction(),
        (0.5,),
        1,
        watch=["e"],
        max_new_tokens=4,
        on_token=lambda *token: seen.append(token),
    )
    for row in run.rows:
        mine = [t for t in seen if (t[0].kind, t[0].strength) == (row.kind, row.strength)]
        assert [step for _, step, *_ in mine] == list(range(len(row.ids)))
        assert [token for _, _, token, *_ in mine] == row.ids.tolist()
        np.testing.assert_allclose([t[3] for t in mine], row.logprobs, rtol=1e-6)
        np.testing.assert_allclose([t[4] for t in mine], row.watched, rtol=1e-6)


def test_progress_rises_to_one(small):
    seen = []
    vv.steer(
        small, PROMPT, direction(), (0.5,), 1, max_new_tokens=4,
        progress=lambda fraction, text: seen.append((fraction, text)),
    )  # fmt: skip
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert seen[0][1] == "1 of 4 tokens"


def test_an_error_while_tokens_come_ends_the_run_and_the_model_stays_usable(small):
    def stop(*_):
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        vv.steer(small, PROMPT, direction(), (0.5,), 0, max_new_tokens=4, on_token=stop)
    assert len(small.generate(PROMPT, max_new_tokens=2).ids) == 2


def test_a_run_reads_back_as_it_was_saved(run, tmp_path):
    path = run.save(tmp_path / "run")
    assert path.suffix == ".safetensors"
    again = vv.SteeringRun.load(path)
    assert again.summary() == run.summary()
    assert repr(again) == repr(run)
    assert again.to_pandas().equals(run.to_pandas())
    assert again.tokens_to_pandas().equals(run.tokens_to_pandas())
    np.testing.assert_array_equal(again.vectors["0.0"], direction().vector)
    for a, b in zip(run.rows, again.rows, strict=True):
        np.testing.assert_array_equal(a.masks, b.masks)
        np.testing.assert_array_equal(a.watched, b.watched)


def test_tokens_tell_where_they_were_steered(small):
    steer = vv.Steer(direction(), 0.5, where=vv.Where(prompt="none", generated=[1]))
    run = vv.steer(small, PROMPT, steer, (1,), 0, max_new_tokens=4)
    frame = run.tokens_to_pandas().query("strength == 1")
    assert frame.steered.tolist() == [False, True, False, False]
    assert (frame.ratio > 0).tolist() == frame.steered.tolist()
    assert "".join(frame.string) == run.row(1).text


def test_an_unknown_row_or_measure_names_what_there_is(run):
    with pytest.raises(KeyError, match="strengths are -1, 0, 1, 2"):
        run.row(3)
    with pytest.raises(KeyError, match="did you mean 'perplexity'"):
        run.curve("perplexit")
    with pytest.raises(KeyError, match="did you mean 'random'"):
        run.band("e", kind="randoms")
    with pytest.raises(KeyError, match="did you mean 'shuffled'"):
        run.row(1, kind="shuffle")


def test_a_condition_of_another_width_is_refused(small):
    wide = vv.When(vv.Direction(np.ones(8), "w", "resid_post.0"), above=1.0)
    steer = vv.Steer(direction(), where=vv.Where(when=wide))
    with pytest.raises(ValueError, match="the condition's 'w' is 8-dimensional"):
        vv.steer(small, PROMPT, steer, (1,), 0, max_new_tokens=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"samples": 2}, "would be the same text"),
        ({"placebo": -1}, "placebo=-1"),
        ({"placebo": {"texts": -1}}, "placebo 'texts'=-1"),
        ({"placebo": {"word": 9}}, "did you mean 'words'"),
        ({"placebo": {"words": "9"}}, r"placebo\['words'\]='9' must be a whole number"),
        ({"prompt": None}, "prompt is empty"),
        ({"prompt": []}, "no tokens"),
        ({"placebo": "a"}, "placebo='a' must be a whole number"),
        ({"samples": 0}, "samples=0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"max_new_tokens": 1.5}, "max_new_tokens=1.5"),
        ({"max_new_tokens": "8"}, "max_new_tokens='8'"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": "hot"}, "temperature='hot'"),
        ({"strengths": "0.1"}, "strengths='0.1' must be a list of numbers"),
        ({"strengths": "gentle"}, "strengths='gentle' must be a list of numbers"),
        ({"strengths": ["a"]}, r"strengths\[0\]='a' must be a number"),
        ({"steers": {"a": direction()}}, "steers is a dict of 'a'"),
        ({"steers": np.ones(D)}, r"ndarray of shape \(32,\)"),
        ({"prompt": ""}, "no tokens"),
        ({"prompt": "x" * 200}, "exceed llama's context of 128"),
        ({"prompt": [{"role": "king", "content": "a"}]}, "there are: system, user"),
        ({"prompt": {"role": "user", "content": 5}}, r"\['content'\]=5 must be a text"),
        ({"watch": [""]}, "which has no tokens"),
        ({"watch": [1.5]}, "an answer is a text"),
        ({"watch": [()]}, "without a spelling"),
        ({"watch": [9999]}, "outside llama"),
        ({"watch": ["perplexity"]}, "also a measure's name"),
        ({"watch": [("a", "A"), ("a", " a")]}, "two answers are named 'a'"),
        ({"watch": 1.5}, "is no answer"),
        ({"strengths": (float("inf"),)}, "finite"),
        ({"steers": []}, "steers is empty"),
        ({"strenghts": (1,)}, "did you mean 'strengths'"),
    ],
)
def test_what_cannot_be_run_is_refused(small, arguments, said):
    with pytest.raises((ValueError, TypeError), match=said):
        vv.steer(**{"model": small, "prompt": PROMPT, "steers": direction(), **arguments})


def test_chat_messages_are_put_in_the_template(model):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    v = vv.Direction(np.ones(576), "v", "resid_post.14")
    run = vv.steer(model, messages, v, (0.05,), 0, max_new_tokens=2)
    assert run.prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert run.prompt.endswith("<|im_start|>assistant\n")
    special = np.isin(run.prompt_ids, model.special_ids)
    assert not run.row(0.05).masks[0][: len(run.prompt_ids)][special].any()
    with pytest.raises(ValueError, match="'role' or 'content'"):
        vv.steer(model, [{"text": "Hi"}], v)


def test_without_strengths_an_added_direction_is_pushed_gently_and_the_run_says_so(small):
    run = vv.steer(small, PROMPT, direction(), placebo=0, max_new_tokens=1)
    assert run.strengths == (-0.2, 0.0, 0.2)
    assert run.settings["strengths"] == "default"
    assert "strengths -0.2, 0, 0.2 (default)" in repr(run)
    given = vv.steer(small, PROMPT, direction(), (-0.2, 0, 0.2), placebo=0, max_new_tokens=1)
    assert given.settings["strengths"] == "given"
    assert "(default)" not in repr(given)
    assert given.texts == run.texts


@pytest.mark.parametrize(
    "steer",
    [
        lambda: vv.Steer(direction(), unit="raw"),
        lambda: vv.Steer(direction(), method="ablate"),
        lambda: vv.HeadScale(1, 0),
        lambda: [vv.Steer(direction()), vv.Steer(direction(1), method="orthogonal", c=0.5)],
    ],
)
def test_without_strengths_every_other_method_and_unit_is_off_and_whole(small, steer):
    run = vv.steer(small, PROMPT, steer(), placebo=0, max_new_tokens=1)
    assert run.strengths == (0.0, 1.0)


# -- sentences and measures ------------------------------------------------------------------


def test_a_run_without_placebo_says_so(small):
    run = vv.steer(small, PROMPT, direction(), (1,), 0, watch=["e"], max_new_tokens=2)
    assert "no placebo was run" in run.summary()
    assert run.band("e").columns.tolist() == ["steered"]


def test_a_run_of_the_baseline_alone_says_so(small):
    run = vv.steer(small, PROMPT, direction(), (0,), 3, max_new_tokens=2)
    assert run.summary() == "only the baseline was run; give strengths other than 0"


def test_a_collapsed_text_is_named_with_its_figures(model):
    rng = np.random.default_rng(0)
    v = vv.Direction(rng.standard_normal(576), "v", "resid_post.14")
    run = vv.steer(model, "The weather today is", v, (3,), 0, max_new_tokens=10)
    assert "the text collapses at 3 (perplexity" in run.summary()


def test_repetition_is_the_share_of_trigrams_seen_before():
    assert repetition([1, 2, 3, 4, 5]) == 0
    assert repetition([1, 2, 3, 1, 2, 3]) == pytest.approx(1 / 4)
    assert repetition([7] * 50) > 0.95
    assert np.isnan(repetition([1, 2, 3]))


def test_perplexity_is_the_exponential_of_the_mean_surprise():
    assert perplexity(np.log([0.5, 0.125])) == pytest.approx(4)
    assert np.isnan(perplexity(np.zeros(0)))


def test_the_baseline_is_always_among_the_strengths():
    assert as_strengths((2, 1)) == (0.0, 1.0, 2.0)
    assert as_strengths(0.5) == (0.0, 0.5)
    assert as_strengths((-1, 0, 1)) == (-1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.312, ".31"),
        (0.05, ".05"),
        (0.0031, ".0031"),
        (0.00025, ".00025"),
        (0.0000067, "6.7e-06"),
        (0.999, "1"),
        (0, "0"),
    ],
)
def test_probabilities_are_short_and_keep_two_digits_that_count(value, said):
    from volvelle.experiments.steering.summary import short

    assert short(value) == said
