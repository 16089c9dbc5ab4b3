"""Turns of a chat, and thinking that is told from answering while it is written."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from volvelle.compute.steering.thinking import (
    ANSWER,
    CLOSING,
    INSIDE,
    OPENING,
    THINK,
    ThinkTable,
    kind_of,
    letters,
    may_mark,
)
from volvelle.compute.steering.turns import ChatTurns, read_turns, written_kinds
from volvelle.compute.steering.where import Where
from volvelle.formulas.steering import said

SIGNS = {ANSWER: "a", THINK: "t", OPENING: "<", CLOSING: ">"}


def signs(kinds):
    return "".join(SIGNS[int(kind)] for kind in kinds)


@pytest.mark.parametrize(
    ("turns", "read"),
    [
        (None, None),
        ("user", "user"),
        (["user"], "user"),
        (["user", "think", "user"], ("user", "think")),
        (("last user", "last assistant"), ("last user", "last assistant")),
        ("all", "all"),
        (("user", "all"), "all"),
    ],
)
def test_turns_are_kept_in_their_shortest_spelling(turns, read):
    where = Where(turns=turns)
    assert where.turns == read == read_turns(where.turns)
    assert Where(turns=where.turns) == where
    assert f"turns={read!r}" in repr(where)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ("usr", "unknown turn 'usr'; did you mean 'user'"),
        ("last usr", "did you mean 'last user'"),
        (("user", "thinking"), "did you mean 'think'"),
        ("last", "write 'last user', or 'last assistant'"),
        ((), "write None for all that were given"),
        (3, "turns=3 must be a turn"),
    ],
)
def test_words_that_name_no_turn_are_refused_with_those_that_do(turns, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Where(turns=turns)


def test_an_unknown_field_names_the_closest():
    with pytest.raises(TypeError, match="did you mean 'turns'"):
        Where(turn="user")


@pytest.mark.parametrize(
    ("turns", "special", "wanted"),
    [
        (None, False, [1, 1, 1, 1]),
        ("all", False, [1, 1, 1, 1]),
        ("assistant", False, [1, 1, 1, 1]),
        ("last assistant", False, [1, 1, 1, 1]),
        (("assistant", "think"), False, [1, 1, 1, 1]),
        ("user", True, [0, 0, 0, 0]),
        (("system", "last user"), False, [0, 0, 0, 0]),
        ("answer", False, [1, 0, 0, 0]),
        ("last think", False, [0, 1, 0, 0]),
        ("answer", True, [1, 0, 0, 1]),
        ("think", True, [0, 1, 1, 0]),
        (("user", "think", "answer"), False, [1, 1, 0, 0]),
    ],
)
def test_what_is_written_is_the_assistants(turns, special, wanted):
    assert written_kinds(turns, special).astype(int).tolist() == wanted
    assert Where(turns=turns, special=special).written_kinds().astype(int).tolist() == wanted


CHAT = ChatTurns(
    roles=("system", "user", "assistant", "user", "assistant"),
    given=(False, True, True, True, True),
    turn=np.array([0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4]),
    template=np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1], dtype=bool),
    kinds=np.array([0, 0, 0, 0, OPENING, THINK, CLOSING, ANSWER, 0, 0, 0]),
)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Where(), [3, 5, 7, 9]),
        (Where(first=True), [0, 3, 5, 7, 9]),
        (Where(turns="user"), [3, 9]),
        (Where(turns="last user"), [9]),
        (Where(turns="last user", special=True), [8, 9]),
        (Where(turns=("system", "think")), [1, 5]),
        (Where(turns="last assistant", special=True), [10]),
        (Where(turns="answer", special=True), [6, 7, 10]),
        (Where(turns="all"), [1, 3, 5, 7, 9]),
        (Where(turns="all", special=True), list(range(1, 11))),
        (Where(turns="user", prompt=(4, None)), [9]),
        (Where(turns="user", first=True), [0, 3, 9]),
        (Where(prompt={"exclude_positions": [3]}), [5, 7, 9]),
        (Where(prompt="none", turns="user", generated="all"), []),
    ],
)
def test_turns_choose_among_what_the_other_fields_leave(where, wanted):
    ids, special = np.arange(11), np.zeros(11, dtype=bool)
    mask = where.prompt_mask(ids, special, chat=CHAT)
    assert np.flatnonzero(mask).tolist() == wanted


def test_a_chat_says_whose_its_tokens_are():
    assert CHAT.labels[1:4] == ("hidden", "template", "user")
    assert CHAT.said == (
        "system (the template's own), user, assistant, user, assistant (to be written)"
    )


# -- thinking --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<think>so</think>no", "<<<<<<<tt>>>>>>>>aa"),
        ("a<b<think>c<d</think>", "aaa<<<<<<<ttt>>>>>>>>"),
        ("<<think>x</</think>", "a<<<<<<<ttt>>>>>>>>"),
        ("<think><think></think>", "<<<<<<<ttttttt>>>>>>>>"),
        ("</think>a", "aaaaaaaaa"),
        ("a <", "aa<"),
        ("<think>b </thi", "<<<<<<<tt>>>>>"),
    ],
)
def test_every_letter_is_of_a_side_or_of_a_mark(text, wanted):
    kinds, _ = letters(text)
    assert signs(kinds) == wanted


def test_what_may_become_a_mark_is_text_where_nothing_follows():
    assert signs(letters("<think>b </thi", ends=True)[0]) == "<<<<<<<ttttttt"


PIECES = ["<", "th", "ink", ">", "</", "think", ">\n", ".</", "<think>", " a", "x", "\n", "<<"]
TABLE = ThinkTable.of(dict(enumerate(PIECES)))


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=24))
def test_token_by_token_leads_where_the_whole_text_does(ids):
    kinds, state = TABLE.read(ids, 0)
    whole, wanted = letters("".join(PIECES[i] for i in ids))
    assert state == wanted
    # what is text in the end and was no possible mark when it was read is told alike
    at = 0
    for token, kind in zip(ids, kinds, strict=True):
        span = slice(at, at := at + len(PIECES[token]))
        if kind in (ANSWER, THINK) and not (whole[span] >= OPENING).any():
            assert kind == kind_of(whole[span], PIECES[token])
        if (whole[span] >= OPENING).all():
            assert kind in (OPENING, CLOSING)


@given(st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=24))
def test_torch_reads_as_numpy_does(ids):
    think = {
        "tokens": torch.from_numpy(TABLE.tokens),
        "after": torch.from_numpy(TABLE.after),
        "kinds": torch.from_numpy(TABLE.kinds),
        "state": torch.tensor([0, INSIDE]),
    }
    rows = []
    for token in ids:
        kinds, think["state"] = said(torch.tensor([[token], [token]]), think)
        rows.append(kinds)
    for row, start in enumerate((0, INSIDE)):
        kinds, state = TABLE.read(ids, start)
        assert torch.stack(rows)[:, row].tolist() == kinds.tolist()
        assert int(think["state"][row]) == state


def test_a_token_is_text_where_any_letter_to_be_seen_is():
    read = TABLE.read([PIECES.index(p) for p in ("<think>", "x", ".</", "think", ">\n", " a")], 0)
    assert signs(read[0]) == "<tt>>a"


def test_tokens_that_do_nothing_to_marks_stay_out_of_the_table():
    assert {PIECES[i] for i in TABLE.tokens[1:]} == set(PIECES) - {" a", "x", "\n"}
    assert TABLE.marks == (PIECES.index("<think>"),)


def test_every_token_that_could_matter_is_looked_at():
    found = {
        "".join(text)
        for n in range(1, 4)
        for text in itertools.product("</think> x", repeat=n)
        if not may_mark("".join(text))
    }
    assert ThinkTable.of(dict(enumerate(found))).tokens.tolist() == [-1]
