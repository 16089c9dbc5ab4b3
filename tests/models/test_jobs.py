"""What a worker remembers of its jobs, and how they are watched, dropped and begun again."""

import gc
import threading
import weakref

import pytest

from volvelle.models.work.job import current_job, named
from volvelle.models.work.worker import MOST_KEPT, Cancelled, Worker


@pytest.fixture
def worker():
    made = Worker("test")
    yield made
    made.stop()


@pytest.fixture
def held(worker):
    """A job that runs until the gate opens."""
    gate, began = threading.Event(), threading.Event()
    job = worker.submit(lambda: (began.set(), gate.wait(10)), name="held")
    assert began.wait(5)
    yield job
    gate.set()


def states(worker):
    return [(record.name, record.status) for record in worker.jobs]


def test_jobs_are_listed_in_order_with_their_times(worker, held):
    waiting = worker.submit(lambda: 7, name="after")
    assert states(worker) == [("held", "running"), ("after", "queued")]
    first, second = worker.jobs
    assert first.elapsed > 0
    assert second.elapsed == 0
    assert second.waited > 0
    assert second.number == waiting.number > first.number


def test_what_ended_is_remembered_without_what_it_worked_on(worker):
    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    worker.submit(lambda kept=big: kept, name="big").result(5)
    worker.submit(lambda: None, name="next").result(5)  # the thread lets go of the first
    del big
    gc.collect()
    assert gone() is None
    assert states(worker) == [("big", "done"), ("next", "done")]
    assert worker.jobs[0].again is None


def test_a_failure_is_remembered_in_a_sentence_and_in_full(worker):
    job = worker.submit(lambda: 1 // 0, name="fails")
    with pytest.raises(ZeroDivisionError):
        job.result(5)
    record = worker.jobs[-1]
    assert (record.status, "division" in record.error) == ("failed", True)
    assert "test_jobs.py" in record.traceback


def test_only_the_last_jobs_are_kept(worker):
    for _ in range(MOST_KEPT + 3):
        job = worker.submit(lambda: None)
    job.result(5)
    assert len(worker.jobs) == MOST_KEPT
    assert worker.jobs[-1].number == job.number


def test_a_job_that_waits_is_dropped_at_once(worker, held):
    waiting = worker.submit(lambda: 7, name="after")
    worker.drop(worker.jobs[-1])
    with pytest.raises(Cancelled):
        waiting.result(1)
    assert states(worker) == [("after", "cancelled"), ("held", "running")]


def test_a_job_that_runs_is_stopped_at_its_next_look(worker):
    began = threading.Event()

    def work():
        began.set()
        while True:
            current_job().report(0.1, "going on")

    job = worker.submit(work)
    assert began.wait(5)
    worker.drop(job)
    with pytest.raises(Cancelled):
        job.result(5)


def test_a_job_that_is_held_can_be_begun_again(worker):
    runs = []
    job = worker.submit(lambda: runs.append(1), name="twice")
    job.result(5)
    worker.jobs[-1].again().result(5)
    assert len(runs) == 2
    assert states(worker) == [("twice", "done")] * 2


def test_a_watch_is_told_of_every_change_until_it_ends(worker):
    seen = []
    begun, free = threading.Event(), threading.Event()

    def hold():
        begun.set()
        free.wait(5)

    worker.submit(hold)  # so that the next is told of before it begins
    assert begun.wait(5)
    end = worker.watch(lambda: seen.append(states(worker)[-1][1]))
    job = worker.submit(lambda: current_job().report(0.5, "half"))
    assert seen[-1] == "queued"
    free.set()
    job.result(5)
    worker.call(lambda: None)  # what ended has been told
    told = list(dict.fromkeys(seen))
    assert told[:3] == ["queued", "running", "done"]
    assert seen.count("running") >= 2
    end()
    n = len(seen)
    worker.call(lambda: None)
    assert len(seen) == n


def test_work_is_named_after_the_verb_that_made_it(worker):
    def verb():
        return lambda: None

    assert named(verb()) == "test_work_is_named_after_the_verb_that_made_it"
    assert named(eval("lambda: 0")) == "work"
    job = worker.submit(eval("lambda: w.call(v)", {"w": worker, "v": verb}))
    job.result(5)
    assert job.name != "work"


def test_a_job_on_another_worker_is_told_and_stopped_through_the_one_above(worker):
    below = Worker("below")
    told, began = [], threading.Event()

    def deep():
        job = current_job()
        job.requests.append("a request")
        job.tell("in the server's queue")
        began.set()
        while True:
            job.check()

    try:
        above = worker.submit(
            lambda: below.call(deep), on_progress=lambda _, text: told.append(text)
        )
        assert began.wait(5)
        assert told == ["in the server's queue"]
        assert above.requests == ["a request"]
        above.cancel()
        with pytest.raises(Cancelled):
            above.result(5)
    finally:
        below.stop()


# -- several lanes: what waits for a server --------------------------------------------------


@pytest.fixture
def waiting():
    made = Worker("there", lanes=3)
    yield made
    made.stop()


def test_several_jobs_wait_for_a_server_at_once(waiting):
    together = threading.Barrier(3)
    jobs = [waiting.submit(lambda: together.wait(10), name=f"{n}") for n in range(3)]
    assert sorted(job.result(10) for job in jobs) == [0, 1, 2]


def test_no_more_than_the_lanes_run(waiting):
    gate, running = threading.Event(), []
    jobs = [waiting.submit(lambda: (running.append(1), gate.wait(10))) for _ in range(5)]
    while len(running) < 3:
        pass
    assert [job.status for job in jobs] == ["running"] * 3 + ["queued"] * 2
    gate.set()
    for job in jobs:
        job.result(10)


def test_of_one_key_only_one_runs_even_on_several_lanes(waiting):
    began, gate = threading.Event(), threading.Event()
    old = waiting.submit(lambda: (began.set(), gate.wait(10)), key="view")
    assert began.wait(5)
    new = waiting.submit(lambda: old.ended, key="view")
    other = waiting.submit(lambda: new.status)
    assert other.result(5) == "queued"
    assert old.cancelled
    gate.set()
    assert new.result(5)


def test_each_lane_knows_its_own_job(waiting):
    together = threading.Barrier(2)
    jobs = [waiting.submit(lambda: (together.wait(10), waiting.job)[1]) for _ in range(2)]
    assert [job.result(10) for job in jobs] == jobs


def test_a_verb_called_on_a_lane_stays_on_it(waiting):
    ident = threading.get_ident
    job = waiting.submit(lambda: (ident(), waiting.call(ident)))
    outer, inner = job.result(5)
    assert outer == inner
