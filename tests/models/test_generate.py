"""`generate`, `next_token`, `norm` and `unembed` on the demo model."""

from __future__ import annotations

import numpy as np
import pytest

import volvelle as vv
from volvelle.models.verbs.write import generate_rows, row_seed

PROMPT = "The capital of France is"


def test_greedy_generation_equals_that_of_transformers(model):
    import torch

    ids = torch.tensor(model.tokens(PROMPT).ids)[None]
    hf = model.nnsight._module
    wanted = hf.generate(ids, max_new_tokens=8, do_sample=False, attention_mask=ids * 0 + 1)
    found = model.generate(PROMPT, max_new_tokens=8)
    assert found.ids.tolist() == wanted[0, ids.shape[1] :].tolist()
    assert found.text.startswith(" Paris")
    assert found.prompt_ids.tolist() == ids[0].tolist()
    assert not found.ended


def test_logprobs_are_those_of_the_model(model):
    import torch

    found = model.generate(PROMPT, max_new_tokens=4, temperature=0.9, seed=5)
    ids = torch.tensor([*found.prompt_ids, *found.ids])[None]
    with torch.no_grad():
        logp = model.nnsight._module(input_ids=ids).logits[0].log_softmax(-1)
    n = len(found.prompt_ids)
    wanted = [float(logp[n - 1 + i, token]) for i, token in enumerate(found.ids)]
    np.testing.assert_allclose(found.logprobs, wanted, atol=1e-3)


def test_tokens_stream_as_they_come(model):
    seen = []
    found = model.generate(PROMPT, max_new_tokens=4, on_token=lambda *token: seen.append(token))
    assert seen == [(0, step, token) for step, token in enumerate(found.ids.tolist())]


def test_a_sampled_row_does_not_depend_on_the_batch(model):
    ids = model.tokens("Once upon a time").ids.tolist()
    other = model.tokens("In the year 2150 the last of the machines").ids.tolist()
    seeds = [row_seed(3, sample) for sample in range(3)]
    how = {"max_new_tokens": 8, "temperature": 1.0}
    together = generate_rows(model, [ids, other, ids], seeds=seeds, **how)
    for row, seed in ((0, seeds[0]), (2, seeds[2])):
        alone = generate_rows(model, [ids], seeds=[seed], **how)[0]
        assert together[row].ids.tolist() == alone.ids.tolist()
    assert together[0].ids.tolist() != together[2].ids.tolist()


def test_the_same_seed_draws_the_same_text_and_another_another(model):
    draw = lambda seed: model.generate("Once upon", 0 * [1], 8, 1.0, seed).ids.tolist()  # noqa: E731
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_row_seeds_do_not_collide():
    seeds = {row_seed(seed, sample) for seed in range(40) for sample in range(40)}
    assert len(seeds) == 1600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_races_draw_from_the_softmax():
    import torch

    from volvelle.models.traces import write as trace

    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    noise = [torch.Generator().manual_seed(0)]
    of_row = torch.zeros(1, dtype=torch.long)
    drawn = [int(trace.draw(p.log()[None], 1.0, noise, of_row)) for _ in range(4000)]
    found = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(found, p, atol=0.03)


def test_checkpoint_settings_do_not_change_what_is_drawn(model, monkeypatch):
    # Qwen's checkpoints ask for a repetition penalty and sampling
    config = model.nnsight._module.generation_config
    wanted = model.generate(PROMPT, max_new_tokens=6).ids.tolist()
    for name, value in (("repetition_penalty", 5.0), ("do_sample", True), ("top_k", 1)):
        monkeypatch.setattr(config, name, value)
    assert model.generate(PROMPT, max_new_tokens=6).ids.tolist() == wanted


def test_chat_wraps_the_prompt_in_the_template(model):
    ids = model.prompt_ids("Hi", chat=True)
    text = model.tokenizer.decode(ids)
    assert text.startswith("<|im_start|>system")
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": ""}, "no tokens"),
        ({"prompt": "x", "max_new_tokens": 0}, "max_new_tokens=0"),
        ({"prompt": "x", "max_new_tokens": 9000}, r"1 tokens.*exceed smollm2's context of 8192"),
        ({"prompt": "x", "temperature": -1.0}, "temperature=-1.0"),
    ],
)
def test_what_cannot_be_generated_is_refused(model, arguments, said):
    with pytest.raises(ValueError, match=said):
        model.generate(**arguments)


def test_an_unknown_keyword_names_the_closest(model):
    with pytest.raises(TypeError, match="did you mean 'max_new_tokens'"):
        model.generate("x", max_tokens=3)


def test_a_steer_changes_the_text_and_strength_0_does_not(model):
    vector = np.random.default_rng(0).normal(size=576)
    steer = vv.Steer(vv.Direction(vector, "anywhere", "resid_post.12"), 0.8)
    plain = model.generate(PROMPT, max_new_tokens=6).ids.tolist()
    assert model.generate(PROMPT, steer, max_new_tokens=6).ids.tolist() != plain
    assert model.generate(PROMPT, steer.times(0), max_new_tokens=6).ids.tolist() == plain


# -- next_token ------------------------------------------------------------------------------


def test_next_token_gives_natural_logs_of_probabilities(model):
    all_of_them = model.next_token([PROMPT, "I feel so"])
    assert all_of_them.shape == (2, 49152)
    np.testing.assert_allclose(np.exp(all_of_them).sum(1), 1.0, atol=1e-3)
    found = model.next_token([PROMPT, "I feel so"], tokens=[" Paris", " happy"])
    assert found.shape == (2, 2)
    assert found.dtype == np.float32
    assert np.exp(found[0, 0]) > 0.5
    assert found[1, 1] > found[0, 1]


def test_a_padded_prompt_expects_what_it_expects_alone(model):
    long = "She opened the door of the old house by the sea and"
    together = model.next_token(["I", long, PROMPT], tokens=[" the", " was"])
    for row, prompt in enumerate(["I", long, PROMPT]):
        alone = model.next_token(prompt, tokens=[" the", " was"])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-3)


def test_a_string_of_several_tokens_is_refused_with_its_pieces(model):
    with pytest.raises(ValueError, match=r"' astonished' is 2 tokens of smollm2"):
        model.next_token(PROMPT, tokens=[" astonished"])


# -- norm, unembed ---------------------------------------------------------------------------


def test_a_token_outside_the_vocabulary_is_refused(model):
    with pytest.raises(ValueError, match=r"token 999999 is outside smollm2's 0\.\.\.49151"):
        model.next_token("I am", tokens=[999_999])


def test_the_norm_is_the_median_of_the_neutral_text_without_extremes(model):
    from volvelle.models.verbs.predict import neutral_text

    captured = model.capture(neutral_text(), "resid_post.14")
    norms = np.linalg.norm(captured["resid_post.14"], axis=-1)[captured.usable]
    assert model.norm("resid_post.14") == pytest.approx(np.median(norms), rel=1e-4)
    assert 120 < model.norm("resid_post.14") < 180


def test_the_norm_is_measured_once_for_all_layers(model, monkeypatch):
    model.norm("resid_post.14")
    monkeypatch.setattr(type(model.run), "__call__", lambda *_, **__: pytest.fail("ran again"))
    assert model.norm("model.layers.15.output") > 0


def test_unembed_is_the_direction_through_the_final_gain_and_the_unembedding(model):
    import torch

    vectors = np.random.default_rng(0).normal(size=(2, 576)).astype(np.float32)
    hf = model.nnsight._module
    with torch.no_grad():
        rows = torch.from_numpy(vectors) * hf.model.norm.weight
        logits = (rows @ hf.lm_head.weight.T).numpy()
    wanted = logits - logits.mean(1, keepdims=True)
    found = model.unembed(vectors, k=5)
    np.testing.assert_array_equal(found.promoted_ids, np.argsort(-wanted)[:, :5])
    np.testing.assert_array_equal(found.suppressed_ids, np.argsort(wanted)[:, :5])
    np.testing.assert_allclose(found.promoted_effects, -np.sort(-wanted)[:, :5], rtol=1e-3)
    turned = model.unembed(-vectors, k=5)
    assert turned.promoted == found.suppressed


def test_unembed_takes_directions_and_tells_a_table(model):
    vector = np.random.default_rng(0).normal(size=576)
    table = model.unembed(vv.Direction(vector, "mine", "resid_post.3"), k=4).to_pandas()
    assert table.columns.tolist() == ["direction", "rank", "token", "id", "effect"]
    assert set(table.direction) == {"mine"}
    assert len(table) == 8
    assert table.effect.iloc[0] > 0 > table.effect.iloc[4]


@pytest.mark.parametrize(
    ("vectors", "k", "said"),
    [
        (np.ones(768), 5, r"768.*smollm2 is 576 wide"),
        (np.ones(576), 0, "k=0 must be in"),
    ],
)
def test_what_cannot_be_unembedded_is_refused(model, vectors, k, said):
    with pytest.raises(ValueError, match=said):
        model.unembed(vectors, k=k)
