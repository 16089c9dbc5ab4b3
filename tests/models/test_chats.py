"""Whose the tokens of a chat are, in the templates of every family."""

from __future__ import annotations

from itertools import groupby

import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import templates, tiny

import volvelle as vv
from volvelle.models.engine.chats import Prompt, labels_of
from volvelle.models.engine.letters import letters_of
from volvelle.models.engine.tokens import special_ids, tokenize

# Contents that repeat the template's words and one another, with ends that some templates cut.
ASKED = {"role": "user", "content": " user\n"}
SAID = {"role": "assistant", "content": "<think>\na < b\n</think>\n\nuser, the assistant"}
AGAIN = {"role": "user", "content": "user"}
TOLD = {"role": "system", "content": "Be a user."}
CHAT = [ASKED, SAID, AGAIN]
ANSWER = "\n\nuser, the assistant"
HIDDEN = "You are the user's kind assistant."
DATES = "Cutting Knowledge Date: December 2023"


def prompt_of(template, messages, before=None, **how):
    found = templates.tokenizer(template, before or tiny.tokenizer(), **how)
    return Prompt(found, messages, template)


def steered(prompt, **where):
    """The stretches of a prompt that a place touches."""
    tokens = tokenize(prompt._tokenizer, prompt.text, adding=False)
    assert tokens.ids.tolist() == list(prompt)
    special = np.isin(prompt, list(special_ids(prompt._tokenizer)))
    mask = vv.Where(**where).prompt_mask(np.array(prompt), special, chat=prompt.turns)
    runs = groupby(zip(mask, tokens.strings, strict=True), key=lambda pair: pair[0])
    return ["".join(string for _, string in run) for on, run in runs if on]


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("chatml", [" user\n", "\na < b\n", ANSWER, "user"]),
        ("chatml default", [" user\n", "\na < b\n", ANSWER, "user"]),
        ("llama 3", ["user", "\na < b\n", ANSWER, "user"]),
        ("gemma", ["user", "\na < b\n", ANSWER, "user"]),
        ("mistral", [" user\n", "\na < b\n", ANSWER, "user"]),
        ("vicuna", [" user\n", "\na < b\n", ANSWER, "user"]),
        ("deepseek", [" user\n", ANSWER, "user"]),
        ("qwen 3", [" user\n", ANSWER.strip(), "user"]),
    ],
)
def test_what_was_said_is_touched_and_nothing_of_the_template(template, wanted):
    assert steered(prompt_of(template, CHAT)) == wanted


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        ("user", [" user\n", "user"]),
        ("last user", ["user"]),
        ("assistant", ["\na < b\n", ANSWER]),
        ("think", ["\na < b\n"]),
        ("answer", [ANSWER]),
        ("system", [HIDDEN]),
        (("system", "last user", "think"), [HIDDEN, "\na < b\n", "user"]),
        ("all", [HIDDEN, " user\n", "\na < b\n", ANSWER, "user"]),
    ],
)
def test_turns_are_chosen_by_who_speaks(turns, wanted, think):
    assert steered(prompt_of("chatml default", CHAT, think=think), turns=turns) == wanted


@pytest.mark.parametrize(
    ("template", "told", "hidden"),
    [
        ("chatml", [], None),
        ("chatml default", [], HIDDEN),
        ("chatml default", [TOLD], None),
        ("llama 3", [], DATES),
        ("llama 3", [TOLD], DATES),
        ("gemma", [], None),
        ("mistral", [], None),
        ("vicuna", [], "A chat between a user and an assistant."),
        ("vicuna", [TOLD], None),
        ("deepseek", [TOLD], None),
    ],
)
def test_a_system_prompt_nobody_wrote_is_found_and_is_touched_only_when_asked_for(
    template, told, hidden
):
    prompt = prompt_of(template, [*told, ASKED])
    given = [message["content"] for message in told]
    by_itself = [hidden] if hidden else []
    if template == "vicuna":  # nothing is before it, so it begins at position 0
        given, by_itself = [g[1:] for g in given], [h[1:] for h in by_itself]
    assert steered(prompt)[: len(given)] == given
    assert hidden is None or hidden[1:] not in "".join(steered(prompt))
    if given or by_itself:
        assert steered(prompt, turns="system") == [*by_itself, *given]
    else:
        with pytest.raises(ValueError, match="turns of this chat are user, assistant"):
            steered(prompt, turns="system")


def test_special_takes_in_the_templates_tokens_of_the_turn_they_lead_to():
    prompt = prompt_of("chatml default", [ASKED])
    end = "<|im_end|>\n<|im_start|>"
    assert steered(prompt, turns="user", special=True) == [f"{end}user\n user\n"]
    assert steered(prompt, turns="last assistant", special=True) == [f"{end}assistant\n"]
    everything = steered(prompt, turns="all", special=True, first=True)
    assert everything == [prompt.text]
    assert steered(prompt, first=True) == ["<|im_start|>", " user\n"]


def test_marks_of_thinking_are_the_templates_and_of_the_side_they_lead_to():
    prompt = prompt_of("chatml", CHAT)
    assert steered(prompt, turns="think", special=True) == ["<think>\na < b\n"]
    header = "<|im_end|>\n<|im_start|>assistant\n"
    answer = [header, f"</think>{ANSWER}", header]
    assert steered(prompt, turns="answer", special=True) == answer


@pytest.mark.parametrize(
    ("content", "thought", "answer"),
    [
        ("so it is</think>yes", ["so it is"], ["yes"]),
        ("<think>never shut", ["never shut"], None),
        ("no marks < here", None, ["no marks < here"]),
        ("1<think>2</think>3<think>4</think>5", ["2", "4"], ["1", "3", "5"]),
    ],
)
def test_thinking_is_between_its_marks_however_they_stand(content, thought, answer):
    prompt = prompt_of("chatml", [ASKED, {"role": "assistant", "content": content}, AGAIN])
    for turns, wanted in (("think", thought), ("answer", answer)):
        assert steered(prompt, turns=turns) == (wanted or [])


def test_what_a_user_writes_between_marks_is_no_thinking():
    asked = {"role": "user", "content": "what is <think>this</think>?"}
    prompt = prompt_of("chatml", [asked])
    assert steered(prompt) == [asked["content"]]
    assert steered(prompt, turns=("think", "answer", "assistant")) == []


@pytest.mark.parametrize(
    ("template", "messages", "state"),
    [
        ("deepseek", [ASKED], 7),
        ("deepseek", CHAT, 7),
        ("qwen 3", CHAT, 0),
        # an answer that is cut off in its thinking is over: the next begins outside
        ("chatml", [ASKED, {"role": "assistant", "content": "<think>so"}], 0),
    ],
)
def test_a_template_that_begins_the_thinking_is_seen(template, messages, state):
    assert prompt_of(template, messages).turns.state == state


def test_a_line_that_was_written_anew_with_its_thinking_is_followed():
    prompt = prompt_of("qwen 3", [ASKED, SAID])
    assert steered(prompt, turns="think") == ["a < b\n"]
    assert steered(prompt, turns="answer") == [ANSWER]


def test_an_empty_message_and_one_of_white_space_have_no_words():
    empty = [{"role": "user", "content": ""}, {"role": "assistant", "content": " \n"}, AGAIN]
    assert steered(prompt_of("chatml", empty)) == [" \n", "user"]
    assert steered(prompt_of("llama 3", empty)) == ["user"]


def test_a_template_in_words_of_its_own_is_said_and_not_guessed():
    prompt = prompt_of("rewriting", [{"role": "user", "content": "a cat"}])
    assert prompt.turns is None
    assert labels_of(prompt) == ()
    model = vv.wrap(tiny.hf("llama", vocab_size=300), prompt._tokenizer, name="rewriting")
    steer = {"direction": vv.Direction(np.ones(tiny.WIDTH), "v", "resid_post.1"), "unit": "raw"}
    with pytest.raises(ValueError, match=r"changes the messages.*turns='all', special=True"):
        model.next_token("a cat", vv.Steer(**steer), chat=True)
    whole = vv.Where(turns="all", special=True)
    changed = model.next_token("a cat", vv.Steer(**steer, where=whole), chat=True)
    assert np.abs(changed - model.next_token("a cat", chat=True)).max() > 1e-3


PIECES = (
    "user",
    "assistant\n",
    "<|im_end|>\n",
    "<think>",
    "</think>",
    " ",
    "\n",
    "a",
    "<b>",
    "[/INST]",
)
SAYING = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@given(st.lists(SAYING, min_size=1, max_size=4), st.booleans())
@settings(max_examples=60)
def test_messages_are_found_whatever_they_repeat(contents, cut):
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(contents)]
    template = jinja2.Environment().from_string(templates.TEMPLATES["llama 3" if cut else "chatml"])

    def render(told):
        return template.render(messages=told, add_generation_prompt=True)

    text = render(messages)
    whose = letters_of(render, messages, text)
    for n, content in enumerate(contents):
        mine = "".join(letter for letter, who in zip(text, whose, strict=True) if who == n)
        assert mine == (content.strip() if cut else content)


# -- tokens that lie across the template's edges ---------------------------------------------


def test_a_token_across_an_edge_goes_by_what_can_be_seen_of_it(model):
    # merges of SmolLM2's: a line of the template's with one of the message's, a > with a </
    said = {"role": "assistant", "content": "<think>x></think>\nYes"}
    prompt = prompt_of("chatml", [{"role": "user", "content": "\n\nHi"}, said], model.tokenizer)
    assert {"\n\n", "></"} <= set(model.tokens(list(prompt)).strings)
    assert steered(prompt) == ["\nHi", "x></", "\nYes"]
    assert steered(prompt, turns="think") == ["x></"]


def test_a_space_before_a_word_is_of_its_token():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["\u2581Hi", "\u2581there", "\u2581", "[INST]", "[/INST]", "\u2581[INST]"]
    pieces = {"<unk>": 0} | {word: n + 1 for n, word in enumerate(words)}
    inner = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    inner.decoder = decoders.Metaspace(prepend_scheme="never")
    before = PreTrainedTokenizerFast(tokenizer_object=inner)
    prompt = prompt_of("mistral", [{"role": "user", "content": "Hi there"}], before)
    assert steered(prompt) == [" Hi there"]


def test_a_tokenizer_in_python_puts_turns_on_its_own_letters():
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    tokenizer.chat_template = templates.TEMPLATES["chatml"]
    prompt = Prompt(tokenizer, [{"role": "user", "content": "h\u00e9, user"}, SAID], "bytes")
    assert steered(prompt) == ["h\u00e9, user", "\na < b\n", ANSWER]


def test_a_message_in_letters_that_are_nobodys_is_followed_too():
    strange = {"role": "user", "content": "\U000f0000\U000f0001 user"}
    assert steered(prompt_of("llama 3", [strange])) == [strange["content"]]


# -- the demo model --------------------------------------------------------------------------

QUESTION = "Is the user the system's assistant?"


def test_a_chat_of_the_demo_model_steers_the_question_and_the_answer_only(model):
    v = vv.Direction(np.random.default_rng(0).standard_normal(576), "v", "resid_post.14")
    run = vv.steer(model, QUESTION, vv.Steer(v, 0.1), (1,), placebo=0, max_new_tokens=4, chat=True)
    touched = run.row(1).masks[0]
    n = len(run.prompt_ids)
    strings = np.array(run.prompt_strings, dtype=object)
    assert "".join(strings[touched[:n]]) == QUESTION
    assert touched[n:-1].all()
    whose = np.array(run.prompt_turns)
    hidden = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert "".join(strings[whose == "hidden"]) == hidden
    assert "".join(strings[whose == "user"]) == QUESTION
    assert set(whose) == {"hidden", "user", "template"}


def test_the_verbs_take_messages_and_a_chat(model):
    v = vv.Direction(np.random.default_rng(0).standard_normal(576), "v", "resid_post.14")
    steer = vv.Steer(v, 0.3, where=vv.Where(turns="last user", generated="none"))
    messages = [{"role": "user", "content": QUESTION}]
    asked = {"tokens": ["Yes", "No"]}
    by_messages = model.next_token(messages, steer, **asked)
    assert by_messages.shape == (1, 2)
    np.testing.assert_array_equal(
        by_messages, model.next_token(QUESTION, steer, chat=True, **asked)
    )
    both = model.next_token([messages, messages[0]["content"]], steers=(), **asked)
    assert both.shape == (2, 2)
    told = vv.dose(model, messages, steer, (1.0,), ("Yes", "No"), placebo=0)
    steered_row = told.logprobs[(told.kind == "steered") & (told.strength == 1)]
    assert np.isfinite(steered_row).all()
    text = model.generate(messages, steer, max_new_tokens=4).text
    assert text == model.generate(QUESTION, steer, max_new_tokens=4, chat=True).text


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ("system", "turns of this chat are user, assistant"),
        ("last assistant", "or let the model write"),
    ],
)
def test_turns_that_are_not_there_are_refused(turns, said):
    found = templates.tokenizer("chatml", tiny.tokenizer())
    small = vv.wrap(tiny.hf("llama", vocab_size=300), found, name="chat")
    v = vv.Direction(np.ones(tiny.WIDTH), "v", "resid_post.1")
    with pytest.raises(ValueError, match=said):
        small.next_token("hi", vv.Steer(v, where=vv.Where(turns=turns)), chat=True)


def test_turns_of_a_plain_text_are_refused_with_the_way_out(model):
    v = vv.Direction(np.ones(576), "v", "resid_post.14")
    with pytest.raises(ValueError, match=r"plain text; give chat=True, or messages"):
        model.generate("Hi there", vv.Steer(v, where=vv.Where(turns="user")), max_new_tokens=2)


def test_the_last_token_of_a_chat_is_the_templates_and_says_so(model):
    v = vv.Direction(np.ones(576), "v", "resid_post.14")
    last = vv.Where(prompt=[-1], generated="none")
    with pytest.raises(ValueError, match=r"template's own tokens \(admit them with special=True"):
        model.next_token("Hi", vv.Steer(v, where=last), chat=True)
    hidden = vv.Where(prompt=(4, 8), generated="none")
    with pytest.raises(ValueError, match=r"outside turns=None .*system \(the template's own\)"):
        model.next_token("Hi", vv.Steer(v, where=hidden), chat=True)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "user"}], "lacks 'role' or 'content'"),
        ([{"role": "usr", "content": "x"}], "did you mean 'user'"),
        ([{"role": "user", "content": 3}], r"prompt\[0\]\['content'\]=3 must be a text"),
        ([{"role": "system", "content": "x"}], "refuses the messages: no system role"),
    ],
)
def test_messages_that_are_none_are_refused(messages, said):
    small = vv.wrap(
        tiny.hf("llama", vocab_size=300), templates.tokenizer("gemma", tiny.tokenizer())
    )
    with pytest.raises((TypeError, ValueError), match=said):
        small.generate(messages, max_new_tokens=1)
