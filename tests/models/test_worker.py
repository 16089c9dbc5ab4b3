"""One worker per model: what waits, what wins, what stops."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from models import tiny

from volvelle.models.work.worker import Cancelled, Worker, current_job


@pytest.fixture
def worker():
    made = Worker("test")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("qwen2")


def held(worker):
    """Occupy a worker until the returned event is set."""
    begun, go = threading.Event(), threading.Event()
    job = worker.submit(lambda: (begun.set(), go.wait(10))[1], key="held")
    begun.wait(10)
    return job, go


def test_a_job_returns_what_its_work_returns(worker):
    job = worker.submit(lambda: 6 * 7)
    assert job.result(10) == 42
    assert (job.status, job.progress) == ("done", 1.0)


def test_all_work_runs_on_one_thread_that_is_not_the_callers(worker):
    threads = {worker.call(threading.get_ident) for _ in range(5)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_work_called_on_the_worker_runs_at_once(worker):
    inner = worker.call(lambda: worker.call(lambda: worker.submit(lambda: "deep").result(0)))
    assert inner == "deep"


def test_an_error_keeps_its_type(worker):
    job = worker.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.result(10)
    assert job.status == "failed"
    assert worker.call(lambda: "goes on") == "goes on"


def test_of_queued_jobs_of_one_key_the_newest_runs(worker):
    _, go = held(worker)
    done = []
    old = worker.submit(lambda: done.append("old"), key="edit")
    other = worker.submit(lambda: done.append("other"), key="another")
    new = worker.submit(lambda: done.append("new"), key="edit")
    assert old.status == "cancelled"
    go.set()
    new.result(10)
    assert done == ["other", "new"]
    assert other.status == "done"
    with pytest.raises(Cancelled):
        old.result(0)


def test_a_running_job_of_the_key_is_asked_to_stop(worker):
    begun = threading.Event()

    def long():
        begun.set()
        while True:
            worker.job.check()
            time.sleep(0.001)

    old = worker.submit(long, key="edit")
    begun.wait(10)
    assert worker.submit(lambda: "new", key="edit").result(10) == "new"
    assert old.status == "cancelled"


def test_a_wait_may_time_out_and_the_job_goes_on(worker):
    job, go = held(worker)
    with pytest.raises(TimeoutError, match="still running"):
        job.result(0.01)
    go.set()
    assert job.result(10) is True


def test_progress_and_end_are_told_on_the_worker(worker):
    told, ended = [], []

    def work():
        worker.job.report(0.5, "half")
        return threading.get_ident()

    job = worker.submit(work, on_progress=lambda *said: told.append(said))
    job.on_end(lambda job: ended.append((job.status, threading.get_ident())))
    thread = job.result(10)
    worker.call(lambda: None)
    assert told == [(0.5, "half")]
    assert ended[0][0] == "done"
    late = []
    job.on_end(lambda job: late.append(job.status))
    assert late == ["done"]
    assert thread != threading.get_ident()


def test_a_cancelled_job_that_waits_never_runs(worker):
    _, go = held(worker)
    job = worker.submit(lambda: pytest.fail("ran"))
    job.cancel()
    go.set()
    with pytest.raises(Cancelled):
        job.result(10)
    assert job.status == "cancelled"


def test_a_stopped_worker_ends_its_thread_and_takes_no_more():
    worker = Worker("short")
    worker.call(lambda: None)
    thread = worker._threads[0]
    worker.stop()
    assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="stopped"):
        worker.submit(lambda: None)


# -- with a model ----------------------------------------------------------------------------


def test_verbs_run_on_the_models_worker(small):
    seen = []
    hook = (
        tiny.hf("qwen2")
        .model.layers[0]
        .register_forward_pre_hook(lambda *_: seen.append(threading.get_ident()))
    )
    try:
        small.capture("hello", "resid_post.1")
        small.next_token("hello")
        small.generate("hello", max_new_tokens=2)
    finally:
        hook.remove()
    assert set(seen) == {small.call(threading.get_ident)}


def test_a_model_wrapped_twice_has_one_worker(small):
    assert tiny.wrapped("qwen2").worker is small.worker


def test_a_submitted_verb_calls_verbs_and_reports(small):
    told = []

    def work():
        small.progress(0.25, "capturing")
        return small.capture("hello", "resid_post.1", progress=small.progress)

    found = small.submit(work, on_progress=lambda *said: told.append(said)).result(30)
    assert found["resid_post.1"].shape[1] == 5
    assert told[0] == (0.25, "capturing")
    assert told[-1][0] == 1.0


def test_a_forward_pass_is_left_before_its_next_block(small):
    ran, job = [], None

    def before(layer):
        ran.append(layer)
        if layer == 1:
            job.cancel()

    hooks = [
        block.register_forward_pre_hook(lambda *_, n=n: before(n))
        for n, block in enumerate(tiny.hf("qwen2").model.layers)
    ]
    gate = threading.Event()
    try:
        job = small.submit(lambda: (gate.wait(10), small.capture("hello", "resid_post.3"))[1])
        gate.set()
        with pytest.raises(Cancelled):
            job.result(30)
    finally:
        for hook in hooks:
            hook.remove()
    assert ran == [0, 1]
    assert job.status == "cancelled"
    assert small.capture("hello", "resid_post.3")["resid_post.3"].shape == (1, 5, tiny.WIDTH)
    assert not tiny.hf("qwen2").model.layers[0]._forward_pre_hooks


def test_generation_is_left_between_tokens(small):
    job = small.submit(
        lambda: small.generate(
            "hello", max_new_tokens=50, on_token=lambda _r, step, _t: step == 2 and job.cancel()
        )
    )
    with pytest.raises(Cancelled):
        job.result(30)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise")
def test_an_interrupt_in_mid_trace_cancels_the_job_and_the_model_still_works(small):
    wanted = small.capture("hello", "resid_post.3")["resid_post.3"]
    jobs, interrupted = [], []
    block = tiny.hf("qwen2").model.layers[1]

    def interrupt(*_):
        # the worker is in mid-trace, the cell waits
        if not interrupted:
            interrupted.append(True)
            jobs.append(small.worker.job)
            os.kill(os.getpid(), signal.SIGINT)
            while not jobs[0].cancelled:
                time.sleep(0.001)

    hook = block.register_forward_pre_hook(interrupt)
    # a shell that starts the tests in the background has them ignore interrupts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            small.capture("hello", "resid_post.3")
    finally:
        signal.signal(signal.SIGINT, before)
        hook.remove()
    with pytest.raises(Cancelled):
        jobs[0].result(30)
    assert jobs[0].status == "cancelled"
    np.testing.assert_array_equal(small.capture("hello", "resid_post.3")["resid_post.3"], wanted)


def test_the_worker_ends_with_its_model():
    import copy

    import volvelle as vv

    model = vv.wrap(copy.deepcopy(tiny.hf("llama")), tiny.tokenizer())
    model.capture("hello", "resid_post.1")
    thread = model.worker._threads[0]
    assert thread.is_alive()
    del model
    for _ in range(5):
        gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_the_interpreter_ends_while_a_job_runs():
    script = """
import threading, time
from volvelle.models.work.worker import Worker
worker, begun = Worker("busy"), threading.Event()
def work():
    begun.set()
    while True:
        worker.job.check()
        time.sleep(0.01)
job = worker.submit(work)
begun.wait()
import atexit
print("out")
"""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out"]
    assert not done.stderr
    assert time.monotonic() - start < 50


class Odd:
    """A key that is hashable, and raises or gives an array when it is compared."""

    def __init__(self, answer):
        self.answer = answer

    def __hash__(self):
        return 1

    def __eq__(self, other):
        if isinstance(self.answer, type):
            raise self.answer("not to be compared")
        return self.answer


class NoHash(Odd):
    def __hash__(self):
        raise RuntimeError("no hash")


class Nameless:
    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")

    def __call__(self):
        return "done"


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")


class Beyond(BaseException):
    pass


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize(
    "key",
    [[1], {"a": 1}, NoHash(answer=True), Odd(RuntimeError), Odd(np.array([True, False]))],
    ids=["list", "dict", "hash raises", "eq raises", "eq gives an array"],
)
def test_a_key_that_cannot_be_compared_is_refused_by_name_and_later_work_goes_on(key, lanes):
    worker = Worker("test", lanes)
    with pytest.raises(TypeError, match="key is a"):
        worker.submit(lambda: 1, key=key)
    for _ in range(4):
        assert worker.submit(lambda: "goes on", key="a key").result(10) == "goes on"
    assert worker.jobs[-1].status == "done"
    worker.stop()


def test_a_key_that_cannot_be_compared_with_others_is_another_key(worker):
    class Alone(Odd):
        def __eq__(self, other):
            return super().__eq__(other) if other is not self else True

        __hash__ = Odd.__hash__

    _, go = held(worker)
    jobs = [worker.submit(lambda n=n: n, key=key) for n, key in enumerate([Alone(ValueError), 1])]
    jobs.append(worker.submit(lambda: 2, key=Alone(np.ones(3))))
    go.set()
    assert [job.result(10) for job in jobs] == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"work": 3}, "work is 3"),
        ({"work": "a text"}, "work is 'a text'"),
        ({"on_progress": "loud"}, "on_progress is 'loud'"),
        ({"again": 1}, "again is 1"),
        ({"name": 7}, "name is 7"),
    ],
    ids=str,
)
def test_what_cannot_be_scheduled_is_refused_where_it_is_submitted(worker, given, named):
    with pytest.raises(TypeError, match=named):
        worker.submit(**({"work": lambda: None} | given))
    assert worker.call(lambda: "goes on") == "goes on"


def test_work_whose_name_raises_is_work(worker):
    assert worker.submit(Nameless()).result(10) == "done"
    assert worker.call(Nameless()) == "done"


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Beyond("far"), Mute()], ids=repr
)
def test_no_error_of_work_ends_the_thread(error, lanes):
    worker = Worker("test", lanes)

    def work():
        raise error

    job = worker.submit(work, key="a key")
    with pytest.raises(type(error)):
        job.result(10)
    assert worker.submit(lambda: "goes on", key="a key").result(10) == "goes on"
    assert [record.status for record in worker.jobs] == ["failed", "done"]
    assert type(error).__name__ in worker.jobs[0].traceback
    worker.stop()


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, Beyond])
@pytest.mark.parametrize("place", ["on_progress", "on_change", "on_end", "watch"])
def test_no_callback_that_raises_ends_the_thread_or_keeps_a_job_from_ending(worker, place, error):
    def raising(*_):
        if current_job() is not None:  # not where it is submitted: that is the caller's own
            raise error("of a callback")

    def work():
        begun.wait(10)
        worker.job.report(0.5, "half")
        return "done"

    begun = threading.Event()
    if place == "watch":
        worker.watch(raising)
    job = worker.submit(work, on_progress=raising if place == "on_progress" else None)
    if place == "on_change":
        job.on_change = raising
    if place == "on_end":
        job.on_end(raising)
    begun.set()
    if place == "on_progress":  # part of the work, which may be ended by it
        with pytest.raises(error):
            job.result(10)
    else:
        assert job.result(10) == "done"
    assert worker.submit(lambda: "goes on").result(10) == "goes on"


def test_a_watcher_that_raises_where_it_is_submitted_leaves_no_dropped_job_open(worker):
    _, go = held(worker)
    old = worker.submit(lambda: "old", key="edit")

    def interrupted():
        raise KeyboardInterrupt

    end = worker.watch(interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.submit(lambda: "new", key="edit")
    end()
    with pytest.raises(Cancelled):
        old.result(10)
    go.set()
    assert worker.submit(lambda: "goes on").result(10) == "goes on"
