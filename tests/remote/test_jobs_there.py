"""Jobs on a server: every state told, several at once, left there and taken up again."""

from __future__ import annotations

import subprocess
import sys
import time

import nnsight
import numpy as np
import pytest
from remote.conftest import SECONDS, held, latest, since, wait_for
from remote.doors import door

import volvelle as vv
from volvelle.models.load import smollm2
from volvelle.models.remote.request import Request
from volvelle.models.verbs.capture import right_padded
from volvelle.models.work.worker import Cancelled

TEXT = "The man looked at the sky."
POINT = "resid_post.14"
pytestmark = pytest.mark.usefixtures("nothing_left")
SERVERS = ["received", "queued", "dispatched", "running", "completed"]


def state_of(model):
    return model.capture(TEXT, POINT, "last")[POINT]


def test_every_state_reaches_the_job_with_its_time_its_bytes_and_its_cost(there):
    told = []
    began = time.time()
    job = there.submit(
        lambda: state_of(there), name="one state", on_progress=lambda _, text: told.append(text)
    )
    job.result(SECONDS)
    (request,) = job.requests
    said = [stage.status for stage in request.stages]
    assert [status for status in said if status in SERVERS] == SERVERS
    times = [began, *(stage.at for stage in request.stages), time.time()]
    assert times == sorted(times)
    assert sum(request.spent().values()) == pytest.approx(request.elapsed)
    assert request.sent > 1000
    assert request.received > 576 * 4
    assert 0 < request.runtime < request.elapsed
    assert set(request.meta) >= {"runtime", "max_memory_usage"}
    assert "running on the server" in told
    record = next(record for record in there.worker.jobs if record.number == job.number)
    assert (record.name, record.status, record.ids) == ("one state", "done", job.ids)
    assert (record.sent, record.received) == (request.sent, request.received)
    assert record.runtime == request.runtime


def test_a_cold_model_is_seen_to_be_deployed(here, host, tmp_path, capfd):
    # the same weights under another name: a model the server has never loaded
    cold = tmp_path / "smollm2-cold"
    cold.symlink_to(smollm2.folder())
    model = vv.load(cold, remote=host)
    name = str(cold)
    assert name not in set(vv.remote_models(host)["model"])
    assert not model.worker.jobs
    said, began = [], time.time()
    job = model.submit(lambda: state_of(model), on_progress=lambda _, text: said.append(text))
    found = job.result(SECONDS)
    (request,) = job.requests
    at = {stage.status: stage.at for stage in request.stages}
    order = ["sending", "received", "provisioning", "deploying", "dispatched", "running"]
    assert [status for status in at if status in order] == order
    times = [began, *(at[status] for status in order), at["completed"], time.time()]
    assert times == sorted(times)
    spent = request.spent()
    assert spent["deploying"] > 0.1  # half a gigabyte is read
    assert sum(spent.values()) == pytest.approx(request.elapsed)
    assert "the server is making room for the model" in said
    assert any("loading the model" in text for text in said)
    wait_for(lambda: listed(host, name) == "RUNNING")  # the list is made anew every two seconds
    np.testing.assert_allclose(found, state_of(here), atol=1e-4)
    # a second request finds it warm; a cell that waits is told only what takes long
    capfd.readouterr()
    state_of(model)
    assert {"provisioning", "deploying"}.isdisjoint(
        stage.status for stage in model.worker.jobs[-1].requests[0].stages
    )
    assert "loading" not in capfd.readouterr().err


def listed(host, name):
    """State of a model in the server's list; "" where it is in none."""
    table = vv.remote_models(host)
    return "".join(table[table["model"] == name]["state"])


def test_several_jobs_stand_in_the_queue_together_and_none_blocks(there, tmp_path):
    wanted, told = state_of(there), []
    with held(there, tmp_path / "gate") as before:
        began = time.monotonic()
        jobs = [
            there.submit(lambda: there.generate(TEXT, max_new_tokens=12)),
            *(
                there.submit(lambda: state_of(there), on_progress=lambda _, text: told.append(text))
                for _ in range(2)
            ),
        ]
        assert time.monotonic() - began < 1
        wait_for(lambda: all(job.requests and job.requests[0].reached("queued") for job in jobs))
        assert not before.ended
    for job in jobs[1:]:
        np.testing.assert_allclose(job.result(SECONDS), wanted, atol=1e-5)
    jobs[0].result(SECONDS)
    first, second, third = (job.requests[0].stages for job in jobs)
    assert max(second[0].at, third[0].at) < first[-1].at
    assert any("queue, position" in text for text in told)


def test_what_two_jobs_need_is_measured_once(there):
    there.norms.clear()
    direction = vv.Direction(np.ones(576), "v", POINT)
    jobs = [
        there.submit(lambda: there.next_token(TEXT, vv.Steer(direction, 0.1), tokens=[" I"]))
        for _ in range(2)
    ]
    a, b = (job.result(SECONDS) for job in jobs)
    np.testing.assert_array_equal(a, b)
    assert sorted(len(job.requests) for job in jobs) == [1, 2]


def test_lines_of_the_server_that_are_no_tokens_reach_the_job_as_text(there):
    def body(lm, inputs, *, backend=None):
        with lm.trace(**inputs, backend=backend):
            print("<b>said on the server</b>")
            found = nnsight.save(lm.model.layers[0].output[:, -1].clone())
        return found  # noqa: RET504 - nnsight hands saved values back by name

    inputs = {"input_ids": right_padded([[1, 2, 3]], 0)["input_ids"], "use_cache": False}
    job = there.submit(lambda: there.run(Request(body, (inputs,), 3)))
    assert job.result(SECONDS).shape == (1, 576)
    assert [line.text for line in job.requests[0].log] == ["<b>said on the server</b>"]


# -- left there ------------------------------------------------------------------------------


LEAVES = f"""
import os, sys, time
import volvelle as vv
model = vv.load("smollm2", remote=sys.argv[1])
job = model.submit(lambda: model.generate({TEXT!r}, max_new_tokens=24), detached=True)
while not job.ids:
    if job.ended:
        job.result()
    time.sleep(0.01)
print(*job.ids, flush=True)
os._exit(9)  # as a kernel dies
"""

TAKES_UP = f"""
import sys
import volvelle as vv
model = vv.load("smollm2", remote=sys.argv[1])
work = lambda: model.generate({TEXT!r}, max_new_tokens=24)
job = model.attach(sys.argv[2], work)
print(job.result({SECONDS}).ids.tolist())
print(job.ids[0], job.requests[0].sent, sys.argv[2] in model.left()["id"].tolist())
"""


def run(script, *args):
    return subprocess.run(
        [sys.executable, "-c", script, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_a_job_outlives_its_kernel_and_is_taken_up_by_id(host, here):
    left = run(LEAVES, host)
    assert left.returncode == 9, left.stderr
    name = left.stdout.strip()
    taken = run(TAKES_UP, host, name)
    assert taken.returncode == 0, taken.stderr
    ids, facts = taken.stdout.splitlines()
    wanted = here.generate(TEXT, max_new_tokens=24)
    assert ids == str(wanted.ids.tolist())
    assert facts == f"{name} 0 True"


def test_without_the_work_one_sees_what_the_server_saved(there):
    wanted = state_of(there)
    job = there.submit(lambda: state_of(there), detached=True)
    job.result(SECONDS)
    saved = there.attach(job.ids[0]).result(SECONDS)
    np.testing.assert_allclose(saved["states"][0][0], wanted, atol=1e-5)
    assert there.left()["id"].iloc[-1] == job.ids[0]


def test_other_work_than_what_was_left_is_refused_and_sends_nothing(there):
    job = there.submit(lambda: state_of(there), detached=True)
    job.result(SECONDS)
    other = there.attach(job.ids, lambda: there.capture("Another text.", POINT, "last"))
    with pytest.raises(ValueError, match=r"was left at .* by other work"):
        other.result(SECONDS)
    assert not other.requests
    with pytest.raises(ValueError, match="was not left at"):
        there.attach("no-such-id", lambda: state_of(there))


def test_an_id_the_server_does_not_know_is_said_to_be_unknown(there, monkeypatch):
    from volvelle.models.remote import left as remote_left

    monkeypatch.setattr(remote_left, "UNKNOWN", 1.0)
    with pytest.raises(vv.RemoteFailure, match="knows no request 'no-such-id'"):
        there.attach("no-such-id").result(SECONDS)


def test_a_server_that_goes_away_and_comes_back_is_asked_again(here, there, tmp_path):
    with door(18021) as second:
        model = vv.load("smollm2", remote=second.address)
        with held(there, tmp_path / "gate"):
            job = model.submit(lambda: state_of(model), detached=True)
            wait_for(lambda: job.ids)
            second.kill()
            wait_for(lambda: job.requests[0].status == "away")
            second.open()
        found = job.result(SECONDS)
    np.testing.assert_allclose(found, state_of(here), atol=1e-4)
    # and, behind it, the proof of a model at an address that is new
    assert len(job.requests) == 2


def test_stop_leaves_a_job_that_can_be_taken_up(there, here, tmp_path):
    with held(there, tmp_path / "gate"):
        job = there.submit(lambda: state_of(there), detached=True)
        wait_for(lambda: job.ids)
        job.cancel()
        with pytest.raises(Cancelled, match="fetches what it returns"):
            job.result(SECONDS)
    found = there.attach(job.ids, lambda: state_of(there)).result(SECONDS)
    np.testing.assert_allclose(found, state_of(here), atol=1e-4)


# -- one job, one estimate -------------------------------------------------------------------


def test_an_estimate_weighs_the_request_and_sends_nothing(there):
    direction = vv.Direction(np.arange(576.0), "v", POINT)
    verb = lambda: vv.steer(there, TEXT, direction, (0, 1), placebo=1, max_new_tokens=4)  # noqa: E731
    there.norms.clear()
    before = latest(there.worker)
    estimate = there.estimate(verb)
    assert len(since(there.worker, before)) == 1
    assert not any(record.requests for record in since(there.worker, before))
    job = there.submit(verb)
    job.result(SECONDS)
    sent = [request.sent for request in job.requests]
    assert min(abs(estimate.sent - size) for size in sent) < 0.05 * estimate.sent
    assert estimate.new_tokens == 3 * 4
    assert "writes at most 12" in str(estimate)


SWEEPS = {
    "dose": lambda m, steer: vv.dose(m, "I feel", steer, (0, 1, 2), (" happy", " sad")),
    "steer": lambda m, steer: vv.steer(
        m, "I feel", steer, (-1, 0, 1), placebo=2, watch=" happy", max_new_tokens=4
    ),
}


@pytest.mark.parametrize("verb", SWEEPS)
def test_a_sweep_is_one_request(there, verb):
    direction = vv.Direction(np.arange(576.0), "v", POINT)
    there.norm(POINT)
    job = there.submit(lambda: SWEEPS[verb](there, vv.Steer(direction, 0.2)))
    job.result(SECONDS)
    assert len(job.requests) == 1


def test_attaching_is_for_models_on_a_server(here):
    with pytest.raises(ValueError, match="smollm2 is here"):
        here.attach("an-id")
    with pytest.raises(ValueError, match="smollm2 is here"):
        here.submit(lambda: None, detached=True)
    with pytest.raises(ValueError, match="smollm2 is here"):
        here.estimate(lambda: None)
