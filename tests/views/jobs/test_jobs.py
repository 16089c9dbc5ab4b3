"""The Jobs view, on a fake model and on requests as a server would leave them."""

import threading

import pytest
from views.fakes import FakeModel

from volvelle.models.plan import size
from volvelle.models.remote.errors import lost
from volvelle.models.remote.status import RemoteRequest
from volvelle.models.work.job import current_job
from volvelle.views.jobs.jobs import MOST_SHOWN, Jobs
from volvelle.views.kit.job_line import cost, duration, wire
from volvelle.views.kit.view import View

HOST = "http://127.0.0.1:9"


@pytest.fixture
def model():
    model = FakeModel()
    yield model
    model.gate.set()
    model.worker.stop()


@pytest.fixture
def held(model):
    """A job that runs until the gate opens."""
    began = threading.Event()
    model.gate.clear()
    job = model.submit(lambda: (began.set(), model.gate.wait(10)), name="held")
    assert began.wait(5)
    return job


def asked(*states, meta=None, host=HOST):
    """A request that went through states."""
    request = RemoteRequest(host, "fake", id="abc-1", sent=41_000, received=12_000)
    for status, text in states:
        request.enter(status, text)
    request.meta = meta or {}
    return request


def on_server(model, *states, then=lambda: None, name="steer", meta=None):
    """A job whose request goes through states."""

    def work():
        job = current_job()
        job.requests.append(asked(*states, meta=meta))
        job.tell("told")
        then()

    return model.submit(work, name=name)


class Busy(View):
    """Says how far it is while it shows its result, as EmotionCircle does."""

    def __init__(self, model):
        self.model, self.showing, self.asked = model, threading.Event(), threading.Event()
        super().__init__()

    def run(self):
        self.asked.set()
        with self._lock:
            self._start(self.model, lambda _: None, self.show)
        return self

    def show(self, _):
        self.showing.set()
        self.asked.wait(0.3)
        current_job().report(1.0)


def test_a_view_begun_again_from_the_list_while_it_shows_its_result_hangs_nothing(model):
    jobs, view = Jobs(model), Busy(model).run()
    view.asked.clear()
    assert view.showing.wait(5)
    number = jobs.records[-1].number

    def click():
        jobs.set_state({"_request": {"serial": 1, "kind": "again", "number": number}})

    clicking = threading.Thread(target=click, daemon=True)
    clicking.start()
    clicking.join(10)
    assert not clicking.is_alive()
    assert view.wait(5).status == "idle"


def test_it_starts_empty_and_follows_the_model(model):
    view = Jobs(model)
    assert view._entries == []
    model.submit(lambda: None, name="capture").result(5)
    assert [(e["name"], e["state"]) for e in view._entries] == [("capture", "done")]


def test_what_goes_on_stands_above_what_ended_newest_first(model, held):
    view = Jobs(model)
    model.submit(lambda: None, name="after")
    assert [(e["name"], e["state"]) for e in view._entries] == [
        ("held", "running"),
        ("after", "waiting"),
    ]
    model.gate.set()
    model.submit(lambda: None, name="last").result(5)
    assert [e["name"] for e in view._entries] == ["last", "after", "held"]


def test_only_so_many_that_ended_are_listed(model):
    view = Jobs(model, shown=2)
    for _ in range(4):
        model.submit(lambda: None).result(5)
    assert len(view._entries) == 2
    assert view._facts["ended"] == 4
    view.shown = 3
    assert len(view._entries) == 3
    view.set_state({"shown": MOST_SHOWN + 1})
    assert "50" in view.error


def test_the_servers_states_are_told_with_the_place_in_the_queue(model):
    gate = threading.Event()
    job = on_server(
        model, ("sending", ""), ("queued", "Added to Queue at position 2."), then=gate.wait
    )
    view = Jobs(model)
    while not (view._entries and view._entries[0]["position"]):
        view.refresh()
    (entry,) = view._entries
    assert (entry["state"], entry["position"]) == ("queued", 2)
    assert entry["words"] == "in the server's queue, position 2"
    gate.set()
    job.result(5)
    assert view._entries[0]["state"] == "done"
    assert [stage["status"] for stage in view._entries[0]["stages"]] == ["sending", "queued"]


@pytest.mark.parametrize("status", ["provisioning", "deploying"])
def test_a_cold_model_says_that_it_is_being_deployed(model, status):
    gate = threading.Event()
    job = on_server(model, (status, ""), then=gate.wait)
    view = Jobs(model)
    while view._entries[0]["state"] != "deploying":
        view.refresh()
    assert "model" in view._entries[0]["words"]
    gate.set()
    job.result(5)


def test_stopping_what_a_server_runs_says_that_it_may_go_on(model):
    began = threading.Event()

    def work():
        job = current_job()
        job.requests.append(asked(("running", "")))
        began.set()
        while not job.cancelled:
            pass
        job.requests[0].enter("left", "it may run to its end there")
        job.check()

    job = model.submit(work, name="steer")
    view = Jobs(model)
    assert began.wait(5)
    view.set_state({"_request": {"serial": 1, "kind": "cancel", "number": job.number}})
    with pytest.raises(Exception, match="cancelled"):
        job.result(5)
    assert view._entries[0]["state"] == "left"
    assert "may still run on the server" in view._entries[0]["words"]


def test_stop_drops_all_that_waits_and_runs(model, held):
    view = Jobs(model)
    waiting = model.submit(lambda: None)
    view.stop()
    assert held.cancelled
    assert waiting.status == "cancelled"


def test_a_failure_keeps_its_sentence_and_its_traceback(model):
    def fail():
        raise lost(current_job().requests[0])

    job = on_server(model, ("running", ""), then=fail)
    view = Jobs(model)
    with pytest.raises(RuntimeError):
        job.result(5)
    (entry,) = view._entries
    assert entry["state"] == "failed"
    assert "ended while request abc-1" in entry["error"]
    assert "Traceback" in entry["traceback"]


def test_a_typical_time_is_the_median_of_its_kind(model):
    view = Jobs(model)
    for _ in range(3):
        model.submit(lambda: None, name="steer").result(5)
    model.submit(lambda: None, name="other").result(5)
    of = {entry["number"]: entry["of"] for entry in view._entries}
    assert sorted(of.values()) == [1, 3, 3]


def test_a_submitted_job_runs_again_and_a_cells_does_not(model):
    view, runs = Jobs(model), []
    job = model.submit(lambda: runs.append(1), name="twice")
    job.result(5)
    assert view._entries[0]["again"]
    view.again(job.number).result(5)
    assert runs == [1, 1]
    model.worker.call(lambda: runs.append(2))
    assert not view._entries[0]["again"]
    with pytest.raises(ValueError, match="run the cell again"):
        view.again(view._entries[0]["number"])


class Worked(View):
    def __init__(self, model):
        self.model, self.runs = model, 0
        super().__init__()

    def run(self):
        def work(report):
            self.runs += 1
            report(0.5, "half")

        self._start(self.model, work, lambda _: None)
        return self


def test_a_views_job_bears_its_name_and_runs_again_with_its_settings(model):
    view, other = Jobs(model), Worked(model)
    other.run().wait(5)
    assert view._entries[0]["name"] == "Worked"
    view.again(view._entries[0]["number"]).wait(5)
    assert other.runs == 2


def test_a_view_that_failed_is_listed_as_failed(model, caplog):
    view, other = Jobs(model), Worked(model)
    other._start(model, lambda _: 1 // 0, lambda _: None)
    other.wait(5)
    model.worker.call(lambda: None)
    assert [(e["name"], e["state"]) for e in view._entries][-1] == ("Worked", "failed")
    assert "division" in other._traceback
    other.run().wait(5)
    assert (other.error, other._traceback) == ("", "")


def test_a_views_own_line_says_where_its_job_is_and_what_it_cost(model):
    other, told = Worked(model), []
    other.observe(lambda change: told.append(change["new"]), "_job_line")

    def work(_report):
        job = current_job()
        job.requests.append(asked(("queued", "position 3")))
        job.tell(job.requests[0].text)
        job.requests[0].enter("completed")

    other._start(model, work, lambda _: None)
    other.wait(5)
    assert told[0]["words"] == "in the server's queue, position 3"
    assert told[0]["id"] == f"abc-1 at {HOST}"
    assert other._job_line["words"].startswith("last run: ")
    assert other._job_line["wire"] == "41 kB sent · 12 kB back"


def test_a_views_own_line_says_that_its_run_failed_and_what_it_had_cost(model, caplog):
    other = Worked(model)

    def work(_report):
        current_job().requests.append(asked(("sending", "")))
        raise RuntimeError("gone")

    other._start(model, work, lambda _: None)
    other.wait(5)
    assert other._job_line["words"].startswith("failed after ")
    assert "41 kB sent" in other._job_line["wire"]


def test_a_views_job_that_is_dropped_here_leaves_the_view_idle(model, held):
    view, other = Jobs(model), Worked(model).run()
    assert other.status == "queued"
    view.cancel(view._entries[-1]["number"])
    assert other.wait(5).status == "idle"
    assert other.runs == 0


def test_an_unknown_number_lists_what_is_there(model, caplog):
    view = Jobs(model)
    model.submit(lambda: None).result(5)
    with pytest.raises(KeyError, match="job 0 is not in the list; there are"):
        view.cancel(0)


def test_the_table_has_a_row_per_job_with_bytes_and_cost(model):
    job = on_server(model, ("completed", ""), meta={"runtime": 0.5, "max_memory_usage": 2_000_000})
    job.result(5)
    table = Jobs(model).to_pandas()
    row = table.iloc[-1]
    assert (row["what"], row["state"], row["requests"]) == ("steer", "done", 1)
    assert (row["sent"], row["received"]) == (41_000, 12_000)
    assert (row["runtime"], row["memory"]) == (0.5, 2e6)


def test_what_a_server_says_it_cost_is_not_trusted():
    strange = {"runtime": "<b>", "max_memory_usage": float("nan")}
    assert cost([asked(("completed", ""), meta=strange)]) == {}
    assert cost([asked(("completed", ""), meta={"runtime": -1})]) == {}
    both = [asked(meta={"runtime": 0.25, "max_memory_usage": n}) for n in (5, 7)]
    assert cost(both) == {"runtime": 0.5, "memory": 7.0}
    assert wire(both) == (
        "2 requests · 82 kB sent · 24 kB back · 0.5 s on the server · 7 B of its memory"
    )


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (41_400, "41 kB"), (5e9, "5.0 GB")],
)
def test_bytes_are_said_in_decimal_units(n, text):
    assert size(n) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (125, "2 min 5 s")])
def test_times_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_an_exported_file_holds_no_traceback_and_no_key(model, tmp_path, monkeypatch):
    monkeypatch.setenv("NDIF_API_KEY", "a-secret-key")

    def fail():
        raise RuntimeError("it went wrong")

    job = on_server(model, ("running", ""), then=fail)
    view = Jobs(model)
    with pytest.raises(RuntimeError):
        job.result(5)
    text = view.to_html(tmp_path / "jobs.html").read_text()
    assert "it went wrong" in text
    assert "Traceback (most recent" not in text
    assert "a-secret-key" not in text + str(view.get_state())


def test_a_closed_view_is_told_no_more(model):
    view = Jobs(model)
    view.close()
    assert model.worker._watchers == []


def test_a_model_that_is_none_says_what_is_expected():
    with pytest.raises(TypeError, match=r"vv\.load"):
        Jobs("smollm2")


def test_a_burst_of_progress_is_sent_seldom_and_its_last_one_is(model):
    view, sent = Jobs(model), []
    view.observe(lambda change: sent.append(change["new"]), "_entries")

    def work():
        for i in range(200):
            current_job().report(i / 200, str(i))
        model.gate.wait(5)

    model.gate.clear()
    job = model.submit(work)
    for _ in range(100):
        if view._entries and view._entries[0]["progress"] == 0.995:
            break
        threading.Event().wait(0.05)
    assert view._entries[0]["progress"] == 0.995
    assert len(sent) < 20
    model.gate.set()
    job.result(5)
