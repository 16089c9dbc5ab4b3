"""A model here and the same one on the server that `stack.sh` has started."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import NamedTuple

import nnsight
import pytest

import volvelle as vv
from volvelle.models.remote.request import Request
from volvelle.models.verbs.capture import right_padded

HOST = os.environ.get("NDIF_HOST", "")
# The longest wait for a request, a server or a state. A busy machine is late, not wrong.
SECONDS = 300
TABLE: list[Trip] = []


class Trip(NamedTuple):
    """One verb, run here and there."""

    verb: str
    difference: float
    information: int
    sent: int
    received: int
    here: float
    there: float
    requests: int


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(900))
        if not HOST:
            item.add_marker(pytest.mark.skip(reason="needs the server of `make test-remote`"))


@pytest.fixture(scope="session")
def host():
    return HOST


@pytest.fixture(scope="session")
def here():
    import torch

    torch.set_num_threads(2)
    return vv.load("smollm2")


@pytest.fixture(scope="session")
def there(host):
    return vv.load("smollm2", remote=host)


@pytest.fixture
def nothing_left(there):
    """Let the server end what a test has left there: the next one would stand in its queue."""
    yield
    # first in, first out: when this one is answered, all before it are done
    there.submit(lambda: there.next_token("No", tokens=[" I"])).result(SECONDS)


@pytest.fixture(scope="session")
def both(here, there):
    """Run a verb on both, the same seed and arguments; returns what each gave."""

    def run(name, verb, numbers):
        started = time.perf_counter()
        a = verb(here)
        between = time.perf_counter()
        job = there.submit(lambda: verb(there))
        b = job.result()
        ended = time.perf_counter()
        arrays = list(zip(numbers(a), numbers(b), strict=True))
        difference = max((gap(x, y) for x, y in arrays), default=0.0)
        TABLE.append(
            Trip(
                name,
                difference,
                sum(getattr(x, "nbytes", 8) for x, _ in arrays),
                sum(r.sent for r in job.requests),
                sum(r.received for r in job.requests),
                between - started,
                ended - between,
                len(job.requests),
            )
        )
        return a, b, difference, job

    return run


@contextmanager
def held(model, gate):
    """Keep the server at work inside, so that what comes next waits, and let it go at the end.

    Writing text would do so for as long as it takes, which is not known, and there is no way to
    stop it afterwards.
    """
    inputs = {"input_ids": right_padded([[1, 2, 3]], 0)["input_ids"], "use_cache": False}
    job = model.submit(lambda: model.run(Request(_until, (inputs, str(gate)), 3)), name="held")
    try:
        wait_for(lambda: job.ended or (job.requests and job.requests[0].reached("running")))
        assert not job.ended, job.error
        yield job
    finally:
        gate.touch()
    job.result(SECONDS)


def _until(lm, inputs, gate, *, backend=None):
    with lm.trace(**inputs, backend=backend):
        # on the server, which is on this machine
        while not __import__("os").path.exists(gate):
            __import__("time").sleep(0.02)
        found = nnsight.save(lm.model.layers[0].output[:, -1].clone())
    return found  # noqa: RET504 - nnsight hands saved values back by name


def latest(worker):
    """Number of the newest job. A list that keeps its last fifty grows no longer."""
    return max((record.number for record in worker.jobs), default=0)


def since(worker, number):
    """Records of the jobs asked for after a number."""
    return [record for record in worker.jobs if record.number > number]


def wait_for(condition, seconds=SECONDS):
    """Wait until a state is reached that no event tells of, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def gap(x, y):
    """Largest difference of two arrays; infinite where they are not of one shape and kind."""
    import numpy as np

    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        return float("inf")
    if x.dtype.kind in "OUSb":
        return 0.0 if (x == y).all() else float("inf")
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0.0, np.abs(x - y)).max(initial=0.0))


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    write = terminalreporter.write_line
    write("")
    write(
        f"{'verb':26} {'difference':>10} {'kB asked':>9} {'kB sent':>8} {'kB back':>8} "
        f"{'s here':>7} {'s there':>8} {'requests':>8}"
    )
    for row in TABLE:
        write(
            f"{row.verb:26} {row.difference:10.1e} {row.information / 1e3:9.1f} "
            f"{row.sent / 1e3:8.1f} {row.received / 1e3:8.1f} {row.here:7.2f} {row.there:8.2f} "
            f"{row.requests:8d}"
        )
