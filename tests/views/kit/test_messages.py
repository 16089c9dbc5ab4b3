"""A message of the page is taken whole, or not at all."""

import pytest
import traitlets
from traitlets import Dict, Int, List, TraitError, Unicode, observe, validate

from volvelle.views.kit.declared import requests_of
from volvelle.views.kit.view import View, reported


class Shelf(View):
    size = Int(3, min=0).tag(sync=True)
    label = Unicode("").tag(sync=True)
    books = List(Int()).tag(sync=True)
    weights = Dict().tag(sync=True, of=dict[str, float])
    _shown = Int(0).tag(sync=True)
    _seen = Int(0).tag(sync=True, page=True)

    def __init__(self, **traits):
        self.told, self.sorted = [], 0
        super().__init__(**traits)
        self.observe(lambda change: self.told.append(change["name"]), list(WRITTEN))

    @validate("books")
    def _check_books(self, proposal):
        if len(proposal["value"]) > self.size:
            raise TraitError(f"{len(proposal['value'])} books, room for {self.size}")
        return sorted(proposal["value"])

    @observe("label")
    @reported
    def _new_label(self, change):
        if self._quiet:
            return
        self.weights = {change["new"]: 1.0}
        if change["new"] == "burning":
            raise ValueError("a shelf does not burn")

    def _on_sort(self, by: str, times: int):
        if by == "smell":
            raise ValueError("books are not sorted by smell")
        self.sorted += times


WRITTEN = ("size", "label", "books", "weights", "_seen", "_request")


def values(view):
    return {name: getattr(view, name) for name in WRITTEN}


@pytest.fixture
def view():
    return Shelf(books=[1])


REFUSED = [
    ({"books": [True]}, "books[0] is True, expected a whole number"),
    ({"books": [1, 2, 3, 4]}, "4 books, room for 3"),
    ({"size": -1}, "-1"),
    ({"weights": {"a": "x"}}, "weights['a'] is 'x', expected a finite number"),
    ({"boks": [1]}, "unknown trait 'boks'; did you mean 'books'?"),
    ({"_shown": 2}, "_shown came from the page, expected from Python alone"),
    ({"status": "idle"}, "status came from the page"),
    ({"layout": "IPY_MODEL_x"}, "layout came from the page"),
    ({"_request": {}}, "kind of request is None, expected text"),
    ({"_request": {"kind": "sort", "by": "size"}}, "request 'sort' lacks 'serial'"),
    ({"_request": {"serial": 1, "kind": "srot"}}, "did you mean 'sort'?"),
    ({"_request": {"serial": 1, "kind": "sort", "by": "size"}}, "lacks 'times'"),
    ({"_request": {"serial": True, "kind": "stop"}}, "['serial'] is True"),
    (
        {"_request": {"serial": 1, "kind": "sort", "by": "size", "times": 1, "x": 1}},
        "request 'sort': unknown key 'x'",
    ),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=lambda part: str(part)[:40])
@pytest.mark.parametrize("first", [True, False], ids=["bad first", "bad last"])
def test_one_bad_part_refuses_the_whole_message(view, bad, message, first):
    before, good = values(view), {"_seen": 7}
    view.set_state(bad | good if first else good | bad)
    assert values(view) == before
    assert message in view.error
    assert view.told == []
    assert view.sorted == 0


def test_traits_that_go_together_are_checked_together(view):
    view.set_state({"books": [5, 4, 3, 2], "size": 4})
    assert (view.books, view.size, view.error) == ([2, 3, 4, 5], 4, "")


def test_what_is_refused_is_put_back_on_the_page(view, monkeypatch):
    sent = []
    monkeypatch.setattr(view, "send_state", sent.append)
    view.set_state({"books": "many", "label": "x", "nowhere": 1})
    assert sent[-1] == ["books", "label"]


def test_a_refused_request_is_heard_all_the_same(view):
    view.set_state({"_request": {"serial": 9, "kind": "sort"}})
    assert (view._answered, view._request, view.sorted) == (9, {}, 0)


def test_the_view_works_on_after_a_refusal(view):
    view.set_state({"books": 5})
    assert view.status == "failed"
    asked = {"serial": 2, "kind": "sort", "by": "size", "times": 2}
    view.set_state({"_seen": 1, "_request": asked})
    assert (view.status, view.error, view.sorted, view._seen) == ("idle", "", 2, 1)


def test_where_an_observer_fails_everything_is_as_before(view):
    before = values(view)
    view.set_state({"_seen": 3, "label": "burning"})
    assert values(view) == before
    assert (view.error, view.status) == ("a shelf does not burn", "failed")
    view.set_state({"label": "long"})
    assert (view.label, view.weights, view.error) == ("long", {"long": 1.0}, "")


def test_where_an_answer_fails_its_sentence_is_shown(view):
    view.set_state({"_request": {"serial": 2, "kind": "sort", "by": "smell", "times": 1}})
    assert (view.error, view._answered) == ("books are not sorted by smell", 2)


@pytest.mark.parametrize("message", [None, [], [["size", 1]], 3, {3: 4}])
def test_what_is_no_message_is_refused(view, message):
    view.set_state(message)
    assert "a message of the page" in view.error


def test_requests_are_declared_by_their_answers():
    assert requests_of(Shelf) == {
        "ping": {},
        "run": {},
        "sort": {"by": str, "times": int},
        "stop": {},
    }


def test_a_trait_that_says_nothing_is_never_written_by_the_page():
    class Silent(View):
        told = traitlets.Dict().tag(sync=True)

    view = Silent()
    view.set_state({"told": {"a": 1}})
    assert (view.told, "came from the page" in view.error) == ({}, True)


def test_a_failure_is_not_forgiven_by_what_else_the_message_does(view):
    view.set_state({"label": "burning", "_request": {"serial": 3, "kind": "ping"}})
    assert (view.error, view._answered) == ("a shelf does not burn", 3)
