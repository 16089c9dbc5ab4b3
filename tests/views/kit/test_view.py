"""What every view does, on a view that only counts."""

import threading
import time

import pytest
from traitlets import Int, TraitError, observe, validate
from views.fakes import FakeModel

from volvelle.views.kit.view import View, reported


class Counter(View):
    count = Int(0).tag(sync=True)
    ceiling = Int(10).tag(sync=True)

    def __init__(self, model=None, **traits):
        self.model = model
        super().__init__(**traits)

    def begin(self, work, done=lambda _: None):
        self._start(self.model, work, done)
        return self

    @observe("ceiling")
    @reported
    def _lower(self, change):
        if change["new"] < 0:
            raise ValueError("ceiling is below the floor")
        self.count = min(self.count, self.ceiling)

    @validate("count")
    def _check(self, proposal):
        if proposal["value"] > self.ceiling:
            raise TraitError(f"count {proposal['value']} is above {self.ceiling}")
        return proposal["value"]

    def _on_double(self, of: int):
        self.count = 2 * of


@pytest.fixture
def model():
    model = FakeModel()
    yield model
    model.gate.set()
    model.worker.stop()


def test_an_unknown_keyword_names_the_closest_trait():
    with pytest.raises(TypeError, match=r"Counter\(\): .*'cuont'; did you mean 'count'"):
        Counter(cuont=3)


def test_work_runs_off_this_thread_and_settles(model):
    ran = []
    view = Counter(model).begin(lambda _: threading.current_thread().name, ran.append)
    assert view.wait(5) is view
    assert ran != [threading.current_thread().name]
    assert (view.status, view.error, view.progress) == ("idle", "", 0.0)


def test_a_failure_lands_in_error_and_the_log(model, caplog):
    view = Counter(model).begin(lambda _: 1 // 0).wait(5)
    assert view.status == "failed"
    assert "division" in view.error
    assert "division" in caplog.text


def test_a_failed_view_works_again(model, caplog):
    view = Counter(model).begin(lambda _: 1 // 0).wait(5)
    view.begin(lambda _: 7, lambda n: view.set_trait("count", n)).wait(5)
    assert (view.count, view.status, view.error) == (7, "idle", "")


def test_the_newest_work_wins(model):
    view, results = Counter(model), []
    model.gate.clear()
    view.begin(lambda _: model.gate.wait(5) and "old", results.append)
    view.begin(lambda _: "new", results.append)
    model.gate.set()
    view.wait(5)
    assert results == ["new"]


def test_stale_work_stops_at_its_next_report(model):
    view, reached = Counter(model), []
    running = threading.Event()

    def work(report):
        running.set()
        model.gate.wait(5)
        report(0.5, "half")
        reached.append("past the report")

    model.gate.clear()
    view.begin(work)
    running.wait(5)
    view.stop()
    assert view.status == "idle"
    model.gate.set()
    view.begin(lambda _: None).wait(5)
    assert reached == []
    assert view.error == ""


def test_what_stale_work_shows_on_the_way_is_not_shown(model):
    view, shown = Counter(model), []
    running = threading.Event()

    def work(_report):
        show = view._work.while_newest(shown.append)
        show("wanted")
        running.set()
        model.gate.wait(5)
        show("stale")

    model.gate.clear()
    view.begin(work)
    assert running.wait(5)
    view.begin(lambda _: None)
    model.gate.set()
    view.wait(5)
    assert shown == ["wanted"]


def test_a_closed_view_leaves_the_model_to_others(model):
    running = threading.Event()

    def endless(report):
        while True:
            running.set()
            report(0.5, "on and on")
            time.sleep(0.01)

    view, other = Counter(model).begin(endless), Counter(model)
    assert running.wait(5)
    other.begin(lambda _: 1)
    view.close()
    assert other.wait(5).status == "idle"
    assert (view.wait(5).status, view.error) == ("idle", "")


def test_a_closed_view_that_waits_for_the_model_is_forgotten(model):
    model.gate.clear()
    ran = []
    first = Counter(model).begin(lambda _: model.gate.wait(5))
    Counter(model).begin(lambda _: ran.append("after its end")).close()
    model.gate.set()
    first.wait(5)
    Counter(model).begin(lambda _: 1).wait(5)
    assert ran == []


def test_progress_is_shown_while_work_runs(model):
    view, seen = Counter(model), []
    view.observe(lambda change: seen.append(change["new"]), "progress")
    view.begin(lambda report: report(0.25, "a quarter")).wait(5)
    assert 0.25 in seen


def test_waiting_too_long_says_so_and_leaves_the_work(model):
    model.gate.clear()
    view = Counter(model).begin(lambda _: model.gate.wait(5))
    with pytest.raises(TimeoutError, match="still"):
        view.wait(0.05)
    model.gate.set()
    assert view.wait(5).status == "idle"


def test_two_views_of_one_model_do_not_drop_each_others_work(model):
    results = []
    model.gate.clear()
    first = Counter(model).begin(lambda _: model.gate.wait(5) and "first", results.append)
    second = Counter(model).begin(lambda _: "second", results.append)
    model.gate.set()
    first.wait(5)
    second.wait(5)
    assert results == ["first", "second"]


def ends(action, seconds=10):
    """Whether `action` ends on a thread of its own; one that hangs must not hang the tests."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def test_a_users_observer_may_run_a_verb_while_the_views_own_work_ends(model):
    view, heard = Counter(model, count=5), []

    def ask(_):  # called with the view's turn held, by its own observer of `ceiling`
        model.gate.set()
        heard.append(model.worker.call(lambda: "a verb's result"))

    view.observe(ask, "count")
    model.gate.clear()
    view.begin(lambda _: model.gate.wait(5))
    assert ends(lambda: setattr(view, "ceiling", 3))
    assert heard == ["a verb's result"]
    assert view.wait(5).status == "idle"


def test_a_users_observer_may_wait_for_another_view(model):
    view, other = Counter(model, count=5), Counter(model)
    view.observe(lambda _: other.begin(lambda _: 1).wait(), "count")
    assert ends(lambda: setattr(view, "ceiling", 3))
    assert other.status == "idle"


@pytest.mark.parametrize("trait", ["status", "progress", "_stage", "error", "_job_line"])
@pytest.mark.parametrize("work", [lambda report: report(0.5, "half"), lambda _: 1 // 0])
def test_a_users_observer_that_raises_does_not_keep_the_work_from_ending(
    model, caplog, trait, work
):
    view = Counter(model)

    def raises(_):
        raise ZeroDivisionError("of the user")

    view.observe(raises, trait)
    assert view.begin(work).wait(5).status in ("idle", "failed")
    view.unobserve(raises, trait)
    assert view.begin(lambda _: 3, lambda n: view.set_trait("count", n)).wait(5).count == 3


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), Mute()], ids=repr)
def test_work_that_ends_in_any_error_leaves_a_view_that_says_so(model, error, caplog):
    def work(_):
        raise error

    view = Counter(model).begin(work).wait(5)
    assert (view.status, bool(view.error)) == ("failed", True)
    assert type(error).__name__ in view._traceback
    assert view.begin(lambda _: 3, lambda n: view.set_trait("count", n)).wait(5).count == 3


@pytest.mark.parametrize("trait", ["status", "progress", "_stage", "error", "_job_line"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_observer_that_wants_to_leave_does_not_keep_the_work_from_ending(
    model, trait, error, caplog
):
    view, here = Counter(model), threading.get_ident()

    def leaves(_):
        if threading.get_ident() != here:
            raise error

    view.observe(leaves, trait)
    for work in (lambda report: report(0.5, "half"), lambda _: 1 // 0):
        assert view.begin(work).wait(5).status in ("idle", "failed")
    view.unobserve(leaves, trait)
    assert view.begin(lambda _: 3, lambda n: view.set_trait("count", n)).wait(5).count == 3


def test_a_view_whose_work_is_not_taken_waits_for_nothing(model):
    model.worker.stop()
    view = Counter(model)
    with pytest.raises(RuntimeError, match="stopped"):
        view.begin(lambda _: 1)
    assert view.wait(1).status == "idle"


def test_an_observer_that_waits_for_the_work_it_is_called_by_is_told_so(model, caplog):
    view = Counter(model)
    view.observe(lambda change: change["new"] == "running" and view.wait(5), "status")
    assert view.begin(lambda _: 1).wait(5).status == "idle"
    assert "called by its own work" in caplog.text


def test_the_text_of_a_missing_key_has_no_quotes_around_it(model, caplog):
    def work(_):
        raise KeyError("no feature 'joy'")

    assert Counter(model).begin(work).wait(5).error == "no feature 'joy'"


def test_an_observers_failure_is_shown_and_taken_back_when_it_succeeds(caplog):
    view = Counter()
    view.ceiling = -1
    assert view.error == "ceiling is below the floor"
    view.ceiling = 5
    assert (view.error, view.status) == ("", "idle")


def test_a_request_is_answered_by_its_serial():
    view = Counter()
    view.set_state({"_request": {"serial": 4, "kind": "double", "of": 3}})
    assert (view.count, view._answered) == (6, 4)


def test_an_unknown_request_is_shown(caplog):
    view = Counter()
    view.set_state({"_request": {"serial": 1, "kind": "duble"}})
    assert "did you mean 'double'" in view.error


def test_a_request_to_stop_stops(model):
    model.gate.clear()
    view = Counter(model).begin(lambda _: model.gate.wait(5))
    view.set_state({"_request": {"serial": 1, "kind": "stop"}})
    assert view.status == "idle"
    model.gate.set()


def test_what_the_browser_may_not_set_is_shown_and_not_kept(caplog):
    view = Counter()
    view.set_state({"count": 11})
    assert view.count == 0
    assert view.error == "count 11 is above 10"


def test_python_hears_at_once_what_it_may_not_set():
    with pytest.raises(TraitError, match="above 10"):
        Counter().count = 11
