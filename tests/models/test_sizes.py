"""Texts of more tokens than a model reads, and ids that it has no embedding for."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.models.engine import sizes
from volvelle.models.engine.tokens import Tokens

LONG = "x" * 500
NEARLY = "x" * 120
POINT = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def steer(model):
    return vv.Steer(vv.Direction(np.ones(model.d_model), "up", POINT), 0.2)


def of_another(*ids):
    n = len(ids)
    offsets = np.stack([np.arange(n), np.arange(n) + 1], axis=1)
    return Tokens(np.array(ids), ("x",) * n, offsets, np.zeros(n, bool), np.arange(n), "x" * n)


# what is asked of a model with one prompt or text, and what errors call that argument
ASKED = {
    "tokens": (lambda m, s, p: m.tokens(p), "text"),
    "generate": (lambda m, s, p: m.generate(p, max_new_tokens=2), "prompt"),
    "generate, steered": (lambda m, s, p: m.generate(p, s, max_new_tokens=2), "prompt"),
    "next_token": (lambda m, s, p: m.next_token(p), "prompt"),
    "next_token, steered": (lambda m, s, p: m.next_token(p, s), "prompt"),
    "capture": (lambda m, s, p: m.capture([p], POINT), "texts"),
    "capture_windows": (lambda m, s, p: m.capture_windows(p, POINT), "text"),
    "steer": (lambda m, s, p: vv.steer(m, p, s, placebo=0, max_new_tokens=2), "prompt"),
    "dose": (lambda m, s, p: vv.dose(m, p, s, answers=("y", "n"), placebo=1), "prompt"),
    "dose, control": (
        lambda m, s, p: vv.dose(m, "ab", s, answers=("y", "n"), placebo=1, control=p),
        "prompt",
    ),
}


@pytest.mark.parametrize("ids", [[3, 258], [10**6, 3], [-1, 3], [3, 2**70], of_another(5, 999)])
@pytest.mark.parametrize("asked", ASKED)
def test_an_id_without_an_embedding_is_refused_by_argument_id_and_size(model, steer, asked, ids):
    ask, name = ASKED[asked]
    with pytest.raises(ValueError, match=rf"{name} holds token id -?\d+ at place \d, llama .*257"):
        ask(model, steer, ids)


@pytest.mark.parametrize("token", [258, -1, 2**70])
@pytest.mark.parametrize("where", ["tokens", "watch"])
def test_an_id_to_follow_is_in_the_vocabulary(model, steer, where, token):
    ask = {
        "tokens": lambda: model.next_token("ab", tokens=[token]),
        "watch": lambda: vv.steer(model, "ab", steer, watch=[token]),
    }[where]
    with pytest.raises(ValueError, match=rf"token {token} is outside llama's 0\.\.\.257"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda m, s: m.next_token(LONG),
        lambda m, s: m.next_token(["ab", LONG], s),
        lambda m, s: vv.dose(m, LONG, s, answers=("y", "n"), placebo=1),
        lambda m, s: vv.dose(m, "ab", s, answers=("y", "n"), placebo=1, reverse=LONG),
        # the answer behind the prompt is read too
        lambda m, s: vv.dose(m, NEARLY, s, answers=("y" * 12, "n"), placebo=1),
        lambda m, s: vv.steer(m, NEARLY, s, placebo=0, max_new_tokens=2, watch=["n" * 12]),
    ],
)
def test_more_tokens_than_the_context_are_refused_by_argument_and_count(model, steer, ask):
    with pytest.raises(ValueError, match=r"number \d has (500|120) tokens.*llama reads 128"):
        ask(model, steer)


def test_what_a_dose_would_write_is_checked_before_it_asks(model, steer, monkeypatch):
    ran = []
    monkeypatch.setattr(model.run, "lm", None)  # nothing may run
    with pytest.raises(ValueError, match="a prompt of 120 tokens and max_new_tokens=48"):
        vv.dose(
            model,
            NEARLY,
            steer,
            answers=("y", "n"),
            placebo=1,
            max_new_tokens=48,
            progress=lambda *said: ran.append(said),
        )
    assert not ran


def test_a_prompt_that_fits_to_the_last_token_is_read(model, steer):
    assert model.next_token("x" * 128).shape == (1, model.vocabulary)
    vv.steer(model, "x" * 117, steer, placebo=0, max_new_tokens=2, watch=["n" * 12])


@pytest.mark.parametrize("ask", ["generate", "next_token", "capture", "steer", "chat", "watch"])
def test_a_prompt_that_cannot_fit_is_refused_before_it_is_split(model, steer, ask, monkeypatch):
    text = "word " * 100_000

    def split(*_, **__):
        raise AssertionError("it was split into tokens")

    monkeypatch.setattr(type(model.tokenizer), "__call__", split)
    with pytest.raises(ValueError, match=r"has 500,000 characters, which are 100,000 tokens or mo"):
        {
            "generate": lambda: model.generate(text),
            "next_token": lambda: model.next_token([text]),
            "capture": lambda: model.capture([text], POINT),
            "steer": lambda: vv.steer(model, text, steer),
            "chat": lambda: model.prompt_ids([{"role": "user", "content": text}]),
            "watch": lambda: vv.steer(model, [3, 4], steer, watch=[text]),
        }[ask]()


def test_a_text_of_more_than_a_million_characters_is_refused_by_name(model):
    text = "x" * (sizes.MOST_CHARACTERS + 1)
    for ask, name in ((model.tokens, "text"), (lambda t: model.observe([t], {}), "texts")):
        with pytest.raises(ValueError, match=rf"{name} has 1,000,001 characters.* 1,000,000"):
            ask(text)
