"""Turns while a text is written: thinking and answering, told apart token by token."""

from __future__ import annotations

import functools
from itertools import groupby

import numpy as np
import pytest
from models import plain_steering as plain
from models import templates, tiny

import volvelle as vv
from volvelle.models.steering.score import score_steered
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.write import generate_rows

WIDTH = 128
LAYER = 1
THOUGHT = "<think>if a < b, </p>\n</think>\n\nso <b>.<eos>"
QUESTION = [{"role": "user", "content": "a?"}]


@functools.cache
def speaker(script: str = THOUGHT, *, think: bool = False, template: str = "chatml"):
    """A small random GPT-2 that answers `QUESTION` with a script, whatever else moves it.

    Its positions carry what comes next, so strongly that steering changes probabilities only.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = templates.tokenizer(template, tiny.tokenizer(), think=think)
    tokenizer.eos_token = "<eos>"
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "gpt2",
        vocab_size=300,
        n_embd=WIDTH,
        n_layer=3,
        n_head=4,
        n_positions=WIDTH,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    hf = AutoModelForCausalLM.from_config(config).eval()
    model = vv.wrap(hf, tokenizer, name="speaker")
    prompt = model.prompt_ids(QUESTION)
    told = tokenizer(script, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        for parameter in hf.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.05)
        places = torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
        hf.transformer.wpe.weight.copy_(6 * places)
        for n, token in enumerate(told):
            hf.lm_head.weight[token] += 2 * places[len(prompt) - 1 + n]
    return model, prompt, told


def direction(layer=LAYER, seed=0):
    vector = np.random.default_rng(seed).standard_normal(WIDTH)
    return vv.Direction(vector / np.linalg.norm(vector), "v", f"resid_post.{layer}")


def runs(strings, mask):
    found = groupby(zip(mask, strings, strict=True), key=lambda pair: bool(pair[0]))
    return ["".join(string for _, string in run) for on, run in found if on]


def write(model, prompt, rows, n):
    steered = Steered(model, rows, [prompt] * len(rows), n, noting=True)
    written = generate_rows(
        model, [prompt] * len(rows), steered, max_new_tokens=n, watch=range(model.vocabulary)
    )
    return written, [steered.applied[k].masks[0] for k, row in enumerate(rows) if row]


# a < may yet become a mark, and is known when the next letter comes
THINK, ANSWER = ["if a ", " b, ", "p>\n"], ["\n\nso ", "b>."]


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"turns": "think"}, THINK),
        ({"turns": "last think"}, THINK),
        ({"turns": "answer"}, ANSWER),
        ({"turns": ("think", "answer")}, [*THINK, *ANSWER]),
        ({"turns": "think", "special": True}, ["<think>if a ", " b, ", "p>\n", "<"]),
        ({"turns": "think", "generated": {"exclude_tokens": ["p"]}}, ["if a ", " b, ", ">\n"]),
        ({"turns": "answer", "generated": {"tokens": ["b"]}}, ["b"]),
        ({"turns": "think", "generated": {"tokens": ["b"]}}, ["b"]),
        ({"turns": "user"}, []),
        ({"turns": ("user", "think")}, THINK),
    ],
)
def test_thinking_is_steered_from_its_mark_on(where, wanted, think):
    model, prompt, told = speaker(think=think)
    steer = vv.Steer(direction(), 0.5, unit="raw", where=vv.Where(**where))
    (written,), (mask,) = write(model, prompt, [[steer]], len(told))
    assert written.ids.tolist() == told
    strings = model.tokens(told).strings
    assert runs(strings, mask[len(prompt) :]) == wanted
    spoken = runs(model.tokens(list(prompt)).strings, mask[: len(prompt)])
    assert spoken == (["a?"] if "user" in where["turns"] else [])


@pytest.mark.parametrize("think", [False, True])
def test_the_whole_answer_is_steered_without_marks_that_are_tokens(think):
    model, prompt, told = speaker(think=think)
    rows = [
        [vv.Steer(direction(), 0.5, unit="raw", where=vv.Where(turns=turns))]
        for turns in (None, "assistant", "all")
    ]
    _, masks = write(model, prompt, rows, len(told))
    strings = model.tokens(told).strings
    text = THOUGHT.removesuffix("<eos>")
    parts = ["if a < b, </p>\n", "\n\nso <b>."] if think else [text]
    for mask in masks:
        assert runs(strings, mask[len(prompt) :]) == parts


@pytest.mark.parametrize("think", [False, True])
def test_what_is_written_equals_plain_hooks_at_the_masks(think):
    import torch

    model, prompt, told = speaker(think=think)
    v = direction()
    places = [vv.Where(turns=t) for t in ("think", "answer", None, ("last user", "think"))]
    rows = [[vv.Steer(v, 0.5, unit="raw", where=where)] for where in places]
    written, masks = write(model, prompt, [*rows, []], len(told))
    added = torch.tensor(0.5 * v.vector, dtype=torch.float32)
    hf = model.nnsight._module
    for row, mask in zip(written[:-1], masks, strict=True):
        assert row.ids.tolist() == told
        edit = lambda at, h, mask=mask: h + added if mask[at] else h  # noqa: E731
        ids = torch.tensor([[*prompt, *row.ids[:-1]]])
        with torch.no_grad(), plain.hooked(hf, [(LAYER, edit)]):
            logits = hf(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :]
        np.testing.assert_allclose(row.watched, logits.log_softmax(-1), rtol=5e-6, atol=5e-6)
        assert np.abs(row.watched - written[-1].watched).max() > 0.1


@pytest.mark.parametrize("turns", ["think", "answer", None])
def test_a_text_that_is_scored_is_steered_as_if_it_were_written(turns):
    model, prompt, told = speaker()
    steer = vv.Steer(direction(), 0.5, unit="raw", where=vv.Where(turns=turns))
    (written,), _ = write(model, prompt, [[steer]], len(told))
    assert written.ids.tolist() == told
    steered = Steered(model, [[steer]], [prompt], len(told), forced=[told[:-1]])
    (scored,) = score_steered(model, [(prompt, told)], steered)
    np.testing.assert_allclose(scored, written.logprobs, atol=1e-5)


def test_thinking_that_the_template_begins_is_steered_at_once():
    script = "so.</think>yes<eos>"
    model, prompt, told = speaker(script, template="deepseek")
    rows = [
        [vv.Steer(direction(), 0.5, unit="raw", where=vv.Where(turns=turns))]
        for turns in ("think", "answer")
    ]
    written, masks = write(model, prompt, rows, len(told))
    assert written[0].ids.tolist() == told
    strings = model.tokens(told).strings
    assert runs(strings, masks[0][len(prompt) :]) == ["so."]
    assert runs(strings, masks[1][len(prompt) :]) == ["yes"]
    assert not masks[0][: len(prompt)].any()


def test_steers_at_several_places_tell_thinking_alike():
    model, prompt, told = speaker()
    where = vv.Where(turns="think")
    steers = [vv.Steer(direction(layer), 0.5, unit="raw", where=where) for layer in (0, 2)]
    steers.append(vv.Steer(direction(2, 1), 0.5, unit="raw"))
    steered = Steered(model, [steers], [prompt], len(told), noting=True)
    generate_rows(model, [prompt], steered, max_new_tokens=len(told))
    masks = steered.applied[0].masks[:, len(prompt) :]
    strings = model.tokens(told).strings
    assert runs(strings, masks[0]) == runs(strings, masks[1]) == THINK
    assert runs(strings, masks[2]) == [THOUGHT.removesuffix("<eos>")]


def test_chats_and_plain_texts_run_together():
    model, prompt, _ = speaker()
    plain_text = model.prompt_ids("a?")
    think, everywhere = vv.Where(turns="think"), vv.Where()
    rows = [[vv.Steer(direction(), 0.5, unit="raw", where=w)] for w in (think, everywhere)]
    steered = Steered(model, rows, [prompt, plain_text], 12, noting=True)
    written = generate_rows(model, [prompt, plain_text], steered, max_new_tokens=12)
    first = steered.applied[0].masks[0][len(prompt) :]
    assert runs(model.tokens(written[0].ids).strings, first) == ["if a"]
    assert steered.applied[1].masks[0][len(plain_text) : -1].all()


def test_a_condition_holds_within_the_thinking_only():
    model, prompt, told = speaker()
    gate = direction(0, 3)
    places = vv.Where(turns="think", when=vv.When(gate, above=0.0)), vv.Where(turns="think")
    rows = [[vv.Steer(direction(), 0.5, unit="raw", where=where)] for where in places]
    _, (mask, inside) = write(model, prompt, rows, len(told))
    ids = [*prompt, *told[:-1]]
    states = model.capture([ids], "resid_post.0")["resid_post.0"][0]
    np.testing.assert_array_equal(mask[:-1], inside[:-1] & (states @ gate.unit > 0))
    assert 0 < mask.sum() < inside.sum()


def test_generated_places_of_turns_that_are_not_written_are_refused():
    model, _, _ = speaker()
    where = vv.Where(turns="user", generated=[0, 1])
    with pytest.raises(ValueError, match=r"they are the assistant's, and turns='user'"):
        model.generate(QUESTION, vv.Steer(direction(), where=where), max_new_tokens=4)
    nothing = vv.Where(turns="user", prompt="none")
    with pytest.raises(ValueError, match=r"turns='user' leave no token"):
        model.generate(QUESTION, vv.Steer(direction(), where=nothing), max_new_tokens=4)


def test_a_run_keeps_whose_its_prompt_is_and_which_turns_were_steered(tmp_path):
    model, _, told = speaker()
    steer = vv.Steer(direction(), 0.5, unit="raw", where=vv.Where(turns=("user", "think")))
    run = vv.steer(model, QUESTION, steer, (1,), placebo=1, max_new_tokens=len(told))
    again = vv.SteeringRun.load(run.save(tmp_path / "run"))
    assert again.prompt_turns == run.prompt_turns
    assert runs(run.prompt_strings, np.array(run.prompt_turns) == "user") == ["a?"]
    assert set(run.prompt_turns) == {"user", "template"}
    assert vv.Where(**again.steers[0].where) == steer.where
    np.testing.assert_array_equal(again.row(1).masks, run.row(1).masks)
