"""Every architecture family: where its points lie, and that what is read there is right."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.compute.directions.points import Point

TEXTS = ["hello world", "a longer text, with a 🦜 in it"]
POINTS = [
    "embed",
    *(f"{kind}.{layer}" for layer in range(4) for kind in ("resid_pre", "resid_post")),
    "z.1",
    "mlp_out.1",
    "mlp_out_post.1",
]


@pytest.fixture(scope="module", params=list(tiny.FAMILIES))
def family(request):
    return request.param


@pytest.fixture(scope="module")
def small(family):
    return tiny.wrapped(family)


@pytest.fixture(scope="module")
def captured(small):
    return small.capture(TEXTS, POINTS)


def hidden_states(family, text):
    import torch

    ids = torch.tensor([tiny.tokenizer()(text)["input_ids"]])
    with torch.no_grad():
        states = tiny.hf(family)(input_ids=ids, output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


def test_states_equal_the_hidden_states_of_transformers(family, captured):
    for row, text in enumerate(TEXTS):
        states = hidden_states(family, text)
        n = len(states[0])
        for layer in range(4):
            pre = captured[f"resid_pre.{layer}"][row, :n]
            np.testing.assert_allclose(pre, states[layer], atol=2e-4, rtol=1e-4)
        for layer in range(3):  # the last entry of transformers is after the final norm
            post = captured[f"resid_post.{layer}"][row, :n]
            np.testing.assert_allclose(post, states[layer + 1], atol=2e-4, rtol=1e-4)


def test_the_final_norm_of_the_last_block_is_the_last_hidden_state(family, small, captured):
    import torch

    norm = tiny.hf(family).get_submodule(small.layout.norm)
    states = hidden_states(family, TEXTS[0])
    with torch.no_grad():
        last = norm(torch.from_numpy(captured["resid_post.3"][:1])).numpy()[0, : len(states[0])]
    np.testing.assert_allclose(last, states[-1], atol=2e-4, rtol=1e-3)


def test_a_block_adds_its_attention_and_mlp_out_post(family, small, captured):
    import torch

    block = tiny.hf(family).get_submodule(f"{small.layout.blocks}.1")
    with torch.no_grad():
        attention = block.get_submodule(small.layout.z[1])(torch.from_numpy(captured["z.1"]))
        if family in ("gemma2", "olmo2"):
            attention = block.post_attention_layernorm(attention)
    whole = captured["resid_pre.1"] + attention.numpy() + captured["mlp_out_post.1"]
    real = captured.mask
    np.testing.assert_allclose(whole[real], captured["resid_post.1"][real], atol=2e-4, rtol=1e-3)


def test_mlp_out_post_differs_from_mlp_out_only_where_a_norm_follows(family, captured):
    same = np.allclose(captured["mlp_out.1"], captured["mlp_out_post.1"])
    assert same == (family not in ("gemma2", "olmo2"))


def test_padding_is_zero_and_false_in_the_mask(small, captured):
    lengths = [len(small.tokens(text)) for text in TEXTS]
    assert captured.mask.sum(1).tolist() == lengths
    assert not captured["resid_post.2"][~captured.mask].any()


def test_an_edited_text_equals_a_full_run(family, small):
    before = small.capture("hello wide world", "resid_post.2", reuse=True)
    edited = small.capture("hello wild world, again", "resid_post.2", reuse=True)
    full = small.capture("hello wild world, again", "resid_post.2")
    assert len(before.tokens[0]) != len(edited.tokens[0])
    np.testing.assert_allclose(edited["resid_post.2"], full["resid_post.2"], atol=2e-4, rtol=1e-4)
    kept = len(small.prefixes)
    assert kept == (0 if family == "gemma2" else 1)  # a sliding window forgets
    small.prefixes.clear()


def test_greedy_generation_equals_that_of_transformers(family, small):
    import torch

    ids = torch.tensor([small.tokens("hello").ids.tolist()])
    hf = tiny.hf(family)
    wanted = hf.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, ids.shape[1] :]
    assert small.generate("hello", max_new_tokens=8).ids.tolist() == wanted.tolist()


def test_a_padded_row_generates_what_it_generates_alone(small):
    from volvelle.models.verbs.write import generate_rows

    rows = [small.tokens(text).ids.tolist() for text in ("hello", "a much longer prompt here")]
    together = generate_rows(small, rows, max_new_tokens=6)
    for row, generation in zip(rows, together, strict=True):
        alone = generate_rows(small, [row], max_new_tokens=6)[0]
        assert generation.ids.tolist() == alone.ids.tolist()


def test_next_token_is_the_softmax_of_transformers(family, small):
    import torch

    found = small.next_token(["hello", "a longer prompt"])
    for row, text in enumerate(("hello", "a longer prompt")):
        ids = torch.tensor([tiny.tokenizer()(text)["input_ids"]])
        with torch.no_grad():
            wanted = tiny.hf(family)(input_ids=ids).logits[0, -1].log_softmax(-1).numpy()
        np.testing.assert_allclose(found[row], wanted, atol=2e-4, rtol=1e-3)


def test_a_steer_changes_the_point_it_names_and_what_follows(small):
    vector = np.zeros(tiny.WIDTH, dtype=np.float32)
    vector[3] = 50.0
    steer = vv.Steer(vv.Direction(vector, "third", "resid_post.1"), 1.0, unit="raw")
    plain, steered = small.next_token("hello there"), small.next_token("hello there", steer)
    assert np.abs(plain - steered).max() > 0.01
    off = small.next_token("hello there", steer.times(0.0))
    np.testing.assert_array_equal(plain, off)


def test_unembed_is_the_logit_effect_through_the_final_gain(family, small):
    import torch

    vector = np.random.default_rng(0).normal(size=tiny.WIDTH).astype(np.float32)
    hf = tiny.hf(family)
    norm, head = hf.get_submodule(small.layout.norm), hf.get_output_embeddings()
    # derivative of the logits at a state whose norm the direction does not change
    state = torch.randn(1, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    state = (state - state.mean()) * 1e4
    along = torch.from_numpy(vector)[None]
    along = along - (along @ state.T) / (state @ state.T) * state
    with torch.no_grad():
        scale = state.norm() / tiny.WIDTH**0.5
        change = (norm(state + along) - norm(state)) * scale
        wanted = (head.weight @ change[0]).numpy()
    found = small.unembed(along.numpy(), k=258)
    effects = np.empty(258)
    effects[found.promoted_ids[0]] = found.promoted_effects[0]
    correlation = np.corrcoef(effects, wanted - wanted.mean())[0, 1]
    assert correlation > 0.99
    assert found.suppressed_effects[0, 0] == effects.min()


def test_points_outside_the_model_are_refused(small):
    with pytest.raises(ValueError, match=r"layer 4 is outside .*'s 0\.\.\.3"):
        small.capture("hello", "resid_post.4")
    assert small.layout.point("blocks.3.hook_resid_post") == Point("resid_post", 3)
