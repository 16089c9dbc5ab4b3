"""Models that count positions, look or remember in a way of their own."""

from __future__ import annotations

import numpy as np
import pytest
from models import every, plain_steering, tiny
from models.tiny import taken_for_remote

import volvelle as vv
from volvelle.models.verbs.write import generate_rows

# nnsight says how a module that is called "output" is reached
pytestmark = pytest.mark.filterwarnings("ignore:.*nnsight already serves:UserWarning")

TEXTS = ["hello there", "a longer text of several words", "and now one"]
SIZES = {
    "vocab_size": 258,
    "hidden_size": tiny.WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}
ROBERTA = SIZES | {
    "max_position_embeddings": 130,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "eos_token_id": 1,
}
KINDS = {
    "mpt": {"vocab_size": 258, "d_model": tiny.WIDTH, "n_heads": 4, "n_layers": 4},
    "roberta": ROBERTA | {"is_decoder": True},
    "rwkv": {key: SIZES[key] for key in list(SIZES)[:4]} | {"attention_hidden_size": tiny.WIDTH},
    "mamba": {"vocab_size": 258, "hidden_size": tiny.WIDTH, "num_hidden_layers": 4},
}
CONTEXTS = {"mpt": {"max_seq_len": 128}, "rwkv": {"context_length": 128}, "roberta": {}}


def hf(kind, **more):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(KINDS.get(kind, {}) | CONTEXTS.get(kind, {}) | more))
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    return model


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def plain(kind):
    return hf(kind)


@pytest.fixture(scope="module")
def odd(kind):
    return vv.wrap(hf(kind), tiny.tokenizer(), name=kind)


def whole(plain, ids):
    """A plain pass over one text: log-probabilities and what block 1 gives."""
    import torch

    states = []
    stack = next(
        one for one in plain.modules() if isinstance(one, torch.nn.ModuleList) and len(one) == 4
    )
    hook = stack[1].register_forward_hook(
        lambda *args: states.append(args[-1][0] if isinstance(args[-1], tuple) else args[-1])
    )
    try:
        with torch.no_grad():
            logits = plain(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    finally:
        hook.remove()
    return logits.log_softmax(-1).numpy(), states[0].reshape(len(ids), -1).numpy()


@pytest.mark.parametrize("kind", list(CONTEXTS), indirect=True)
def test_the_context_is_how_many_tokens_are_read(odd, plain):
    assert odd.context == 128
    logp, _ = whole(plain, list(range(2, 130)))
    found = odd.next_token([list(range(2, 130))])
    np.testing.assert_allclose(found[0], logp[-1], atol=1e-4)


def test_texts_together_give_what_each_gives_alone_in_transformers(odd, plain):
    found = odd.next_token(TEXTS)
    some = odd.next_token(TEXTS, tokens=[70, 71])
    captured = odd.capture(TEXTS, "resid_post.1")["resid_post.1"]
    for row, text in enumerate(TEXTS):
        ids = tiny.tokenizer()(text)["input_ids"]
        logp, states = whole(plain, ids)
        np.testing.assert_allclose(found[row], logp[-1], atol=1e-4)
        np.testing.assert_allclose(some[row], logp[-1, [70, 71]], atol=1e-4)
        np.testing.assert_allclose(captured[row, : len(ids)], states, atol=1e-4, rtol=1e-4)


def test_rows_written_together_are_what_each_writes_alone(odd, plain):
    rows = [odd.tokens(text).ids.tolist() for text in TEXTS]
    for model in (odd, taken_for_remote(odd)):  # on a server they are scored on the way
        written = generate_rows(model, rows, max_new_tokens=5, scoring=True)
        for row, found in zip(rows, written, strict=True):
            wanted, steps = plain_steering.greedy(plain, row, 5, end=odd.eos_ids)
            assert found.ids.tolist() == wanted
            likely = [step[token] for step, token in zip(steps, wanted, strict=True)]
            np.testing.assert_allclose(found.logprobs, likely, atol=1e-4)
            if model.remote:
                np.testing.assert_allclose(found.base_logprobs, likely, atol=1e-4)


def test_texts_scored_together_are_as_likely_as_each_alone(odd, plain):
    from volvelle.models.verbs.score import score

    texts = [odd.tokens(text).ids.tolist() for text in TEXTS]
    scored = odd.call(lambda: score(odd, [(ids[:3], ids[3:]) for ids in texts]))
    for ids, found in zip(texts, scored, strict=True):
        logp, _ = whole(plain, ids[:-1])
        wanted = [logp[n - 1, ids[n]] for n in range(3, len(ids))]
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_an_edited_text_equals_a_full_run(odd):
    odd.capture("hello wide world", "resid_post.2", reuse=True)
    edited = odd.capture("hello wild world, again", "resid_post.2", reuse=True)["resid_post.2"]
    full = odd.capture("hello wild world, again", "resid_post.2")["resid_post.2"]
    np.testing.assert_allclose(edited, full, atol=2e-4, rtol=1e-4)


def test_a_steered_row_is_what_it_is_alone_and_scored_without_the_steer(odd, plain):
    vector = np.linspace(-2, 2, odd.d_model)
    push = vv.Steer(vv.Direction(vector, "any", "resid_post.1"), 1.0, unit="raw")
    run = vv.steer(odd, TEXTS[0], push, strengths=(1.0,), placebo=0, max_new_tokens=5)
    row = next(row for row in run.rows if row.strength == 1.0)
    ids = [*odd.tokens(TEXTS[0]).ids.tolist(), *row.ids.tolist()]
    logp, _ = whole(plain, ids[:-1])
    unsteered = [logp[n - 1, ids[n]] for n in range(len(ids) - len(row.ids), len(ids))]
    np.testing.assert_allclose(row.base_logprobs, unsteered, atol=1e-4)
    alone = odd.generate(TEXTS[0], push, max_new_tokens=5)
    assert alone.ids.tolist() == row.ids.tolist()
    np.testing.assert_allclose(alone.logprobs, row.logprobs, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("roberta", ROBERTA | {"is_decoder": False}, r"config\.is_decoder is False.*= True before"),
        (
            "gemma3_text",
            SIZES
            | {
                "num_key_value_heads": 4,
                "head_dim": 8,
                "query_pre_attn_scalar": 8,
                "use_bidirectional_attention": True,
            },
            r"config\.use_bidirectional_attention is True.*= False before",
        ),
    ],
)
def test_a_model_whose_tokens_look_ahead_is_refused(kind, settings, said):
    with pytest.raises(ValueError, match=said):
        vv.wrap(hf(kind, **settings), tiny.tokenizer(), name="ahead")


def test_a_model_without_a_cache_writes_as_a_plain_loop_and_is_not_steered_while_it_does():
    import torch

    plain = every.hf("openai-gpt")
    model = vv.wrap(plain, tiny.tokenizer(), name="openai-gpt")
    ids = model.tokens(TEXTS[0]).ids.tolist()
    with torch.no_grad():
        for chosen in model.generate(TEXTS[0], max_new_tokens=6).ids.tolist():
            assert chosen == int(plain(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
            ids.append(chosen)
    # the whole text is read anew for each token: a steer would act on all of it, position 0 too
    steer = vv.Steer(vv.Direction(np.ones(tiny.WIDTH), "d", "resid_post.1"), 1.0, unit="raw")
    with pytest.raises(ValueError, match="openai-gpt keeps nothing of what it has read"):
        model.generate(TEXTS[0], steer, max_new_tokens=3)
    assert np.abs(model.next_token(TEXTS[0], steer) - model.next_token(TEXTS[0])).max() > 0.01
    # what was read before is read again, from nothing
    for text in (TEXTS[0], TEXTS[0] + " and on"):
        again = model.capture(text, "resid_post.2", reuse=True)["resid_post.2"]
        np.testing.assert_allclose(again, model.capture(text, "resid_post.2")["resid_post.2"])
