"""Stop and Ctrl-C reach every verb that may be long: half a second, whatever it was asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.models.work.worker import Cancelled, Worker

POINT = "resid_post.1"
# Seconds until it rests. Of a machine that others use the processor's own seconds count, beside
# what is spent between two looks.
REST = 0.5
LOOKING = 0.1
# Far more than any case needs to begin, and far less than any would run.
SOON = 0.7

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def side():
    worker = Worker("aside")
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def circle(model):
    return vv.fit_circle(named(12, model.d_model), around(12), n_null=10)


def named(n, width, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, width))
    return vv.Dictionary(vectors, [f"n{i}" for i in range(n)], POINT)


def around(n):
    return {f"n{i}": 360 * i / n for i in range(n)}


def toy_sae(width, n=64):
    drawn = np.random.default_rng(3).normal(size=(n, width)).astype(np.float32)
    tensors = {"W_enc": drawn.T.copy(), "W_dec": drawn}
    tensors |= {"b_enc": np.zeros(n, np.float32), "b_dec": np.zeros(width, np.float32)}
    return vv.SAE.load(tensors, point=POINT, k=8, name="toy")


def steer_of(model):
    return vv.Steer(vv.Direction(np.arange(1.0, model.d_model + 1), "up", POINT), 0.2)


SENTENCES = [f"a text of some words, number {n}" for n in range(40_000)]
MANY = np.ones((400_000, 32), np.float32)
LONG = " ".join(SENTENCES)[:1_000_000]

# with a model, on its thread
ON_A_MODEL = {
    "steer, next words": lambda m, c: vv.steer(
        m, "ab", steer_of(m), placebo={"words": 10_000, "texts": 0}, watch=["y"]
    ),
    "steer, texts": lambda m, c: vv.steer(
        m, "ab", steer_of(m), placebo={"words": 0, "texts": 5000}, max_new_tokens=100
    ),
    "dose": lambda m, c: vv.dose(m, "ab", steer_of(m), answers=("y", "n"), placebo=10_000),
    "encode, a long text": lambda m, c: vv.encode(m, LONG, toy_sae(m.d_model)),
    "encode, many texts": lambda m, c: vv.encode(m, SENTENCES, toy_sae(m.d_model)),
    "capture": lambda m, c: m.capture(SENTENCES, POINT, "last"),
    "capture_windows": lambda m, c: m.capture_windows(LONG, POINT),
    "next_token": lambda m, c: m.next_token(SENTENCES, tokens=["y"]),
    "unembed": lambda m, c: m.unembed(MANY),
    "tokens": lambda m, c: m.tokens(LONG),
    "tokens of ids": lambda m, c: m.tokens([5] * 400_000),
    "emotion_circle": lambda m, c: vv.emotion_circle(m, n_null=100_000, cache=False),
    "emotion_circle, many texts": lambda m, c: vv.emotion_circle(
        m, stimuli=[f"{n} {{w}} " + "x" * 80 for n in range(150)], cache=False
    ),
    "check_circle": lambda m, c: vv.check_circle(m, c, n_splits=10_000, n_null=20_000),
    "steer_around": lambda m, c: vv.steer_around(
        m, c, placebo=1000, words=[""], prompts=["ab", "cd"]
    ),
    "steer_around, texts": lambda m, c: vv.steer_around(
        m, c, samples=400, placebo=0, words=[""], prompts=["ab", "cd"]
    ),
    "from_pairs": lambda m, c: vv.Dictionary.from_pairs(
        m, SENTENCES[:20_000], SENTENCES[20_000:], point=POINT, progress=None
    ),
}
# without one, in the caller's thread
BY_THEMSELVES = {
    "fit_circle": lambda: vv.fit_circle(named(25, 64), around(25), n_null=100_000),
    "fit_circle, ridge": lambda: vv.fit_circle(named(25, 64), around(25), "ridge", n_null=100_000),
    "fit_circle, many names": lambda: vv.fit_circle(named(300, 400), around(300), n_null=100_000),
    "dual_layout": lambda: vv.dual_layout(named(6000, 256), named(6000, 256, 1), cache=False),
    "dual_layout, many epochs": lambda: vv.dual_layout(
        named(800, 32), named(800, 32, 1), n_epochs=10_000, cache=False
    ),
    "stability": lambda: small_layout().stability(n_seeds=1000),
}


def small_layout():
    return vv.dual_layout(named(800, 32), named(800, 32, 1), cache=False)


def stopped(worker, work):
    """Begin work, stop it after a moment, and return how long it goes on."""
    job = worker.submit(work)
    until = time.monotonic() + SOON
    while not job.ended and time.monotonic() < until:
        time.sleep(0.01)
    assert not job.ended, f"it was no long work: {job}, {job.error!r}"
    wall, busy = time.monotonic(), time.process_time()
    job.cancel()
    with pytest.raises(Cancelled):
        job.result(60)
    return min(time.monotonic() - wall, time.process_time() - busy + LOOKING)


@pytest.fixture(autouse=True)
def _one_thread_of_torch():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("verb", ON_A_MODEL)
def test_a_verb_on_a_model_rests_soon_after_stop(model, circle, verb):
    assert stopped(model.worker, lambda: ON_A_MODEL[verb](model, circle)) < REST
    assert model.next_token("ab").shape == (1, model.vocabulary)  # and the model goes on


@pytest.mark.parametrize("verb", BY_THEMSELVES)
def test_a_verb_without_a_model_rests_soon_after_stop(side, verb):
    assert stopped(side, BY_THEMSELVES[verb]) < REST


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal to one thread")
@pytest.mark.parametrize("verb", [*BY_THEMSELVES, "tokens", "tokens of ids"])
def test_an_interrupt_ends_a_verb_in_the_cell_soon(model, verb):
    work = BY_THEMSELVES.get(verb) or (lambda: ON_A_MODEL[verb](model, None))
    sent = []

    def interrupt():
        sent.append((time.monotonic(), time.process_time()))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(SOON, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        work()
    (wall, busy), *_ = sent
    assert min(time.monotonic() - wall, time.process_time() - busy + LOOKING) < REST


# -- counts have a bound, said before any work ---------------------------------------------------

REFUSED = {
    "steer, placebo": (
        lambda m, c: vv.steer(m, "ab", steer_of(m), placebo=300_000),
        "placebo=300000 must be a whole number, 0 to 10,000",
    ),
    "steer, labels": (
        lambda m, c: vv.steer(m, "ab", steer_of(m), placebo={"labels": 10**9}),
        "placebo 'labels'=1000000000 must be a whole number, 0 to 10,000",
    ),
    "steer, all together": (
        lambda m, c: vv.steer(
            m, "ab", steer_of(m), range(100), placebo={"texts": 1000}, max_new_tokens=9
        ),
        "99,100 texts would be run, at most 50,000 are: 99 strengths, 1,000 placebos, 1 samples",
    ),
    "steer, samples": (
        lambda m, c: vv.steer(m, "ab", steer_of(m), samples=10**7, temperature=1.0),
        "samples=10000000 must be a whole number, 1 to 50,000",
    ),
    "steer, strengths": (
        lambda m, c: vv.steer(m, "ab", steer_of(m), strengths=range(1000)),
        "strengths holds 1,000 numbers, at most 200",
    ),
    "steer, next words": (
        lambda m, c: vv.steer(
            m, "ab", steer_of(m), range(100), placebo={"words": 10_000, "texts": 0}, watch=["y"]
        ),
        "next words would be run, at most 1,000,000 are",
    ),
    "steer, tokens": (
        lambda m, c: vv.steer(m, "ab", steer_of(m), max_new_tokens=10**9),
        "max_new_tokens=1000000000 exceed llama's context of 128",
    ),
    "dose, placebo": (
        lambda m, c: vv.dose(m, "ab", steer_of(m), answers=("y", "n"), placebo=300_000),
        "placebo=300000 must be a whole number, 0 to 10,000",
    ),
    "steer_around, placebo": (
        lambda m, c: vv.steer_around(m, c, placebo=300_000),
        "placebo 'random'=300000 must be a whole number, 0 to 1,000",
    ),
    "steer_around, text_placebo": (
        lambda m, c: vv.steer_around(m, c, samples=1, text_placebo=300_000),
        "placebo 'span'=300000 must be a whole number, 0 to 1,000",
    ),
    "steer_around, samples": (
        lambda m, c: vv.steer_around(m, c, samples=10**6),
        "samples=1000000 must be a whole number, 0 to 50,000",
    ),
    "steer_around, all together": (
        lambda m, c: vv.steer_around(m, c, samples=50_000, placebo=0, words=[""]),
        "texts would be run, at most 50,000 are",
    ),
    "fit_circle, n_null": (
        lambda m, c: vv.fit_circle(named(12, 32), around(12), n_null=10**9),
        "n_null=1000000000 must be a whole number, 1 to 100,000",
    ),
    "fit_circle, names": (
        lambda m, c: vv.fit_circle(named(5000, 32), around(5000)),
        "dictionary holds 5,000 names, a circle needs 4 to 400",
    ),
    "emotion_circle, n_null": (
        lambda m, c: vv.emotion_circle(m, n_null=10**9),
        "n_null=1000000000 must be a whole number, 1 to 100,000",
    ),
    "emotion_circle, texts": (
        lambda m, c: vv.emotion_circle(m, stimuli=["{w} " + "x" * n for n in range(1000)]),
        "stimuli are 25,000 texts, at most 4,000",
    ),
    "check_circle, n_splits": (
        lambda m, c: vv.check_circle(m, c, n_splits=10**9),
        "n_splits=1000000000 must be a whole number, 1 to 10,000",
    ),
    "check_circle, n_null": (
        lambda m, c: vv.check_circle(m, c, n_null=10**9),
        "n_null=1000000000 must be a whole number, 1 to 100,000",
    ),
    "dual_layout, n_epochs": (
        lambda m, c: vv.dual_layout(named(50, 8), n_epochs=10**9),
        "n_epochs=1000000000 must be a whole number, 1 to 10,000",
    ),
    "dual_layout, n_neighbors": (
        lambda m, c: vv.dual_layout(named(50, 8), n_neighbors=10**9),
        "n_neighbors=1000000000 must be a whole number, 2 to 500",
    ),
    "stability, n_seeds": (
        lambda m, c: vv.dual_layout(named(50, 8), cache=False).stability(n_seeds=10**9),
        "n_seeds=1000000000 must be a whole number, 1 to 1,000",
    ),
    "capture_windows, window": (
        lambda m, c: m.capture_windows("ab", POINT, window=10**9),
        "window=1000000000 must be a whole number, 2 to 128",
    ),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_a_count_above_its_bound_is_refused_before_any_work(model, circle, asked):
    ask, said = REFUSED[asked]
    busy = time.process_time()
    with pytest.raises(ValueError, match=said):
        ask(model, circle)
    if "stability" not in asked:  # which lays something out first
        assert time.process_time() - busy < REST


def test_placebos_that_would_fill_the_memory_are_refused(model, monkeypatch):
    from volvelle.experiments.steering import placebos

    monkeypatch.setattr(placebos, "MOST_BYTES", 2**20)
    with pytest.raises(ValueError, match=r"placebo: 10,000 words .* ask for at most"):
        vv.steer(model, "ab", steer_of(model), placebo={"words": 10_000}, watch=["y"])


LEAVE = """
import threading, time
import torch
from volvelle.progress import aside, wanted

def product():
    begun.set()
    return torch.ones(3000, 3000) @ torch.ones(3000, 3000)

def check():
    if begun.is_set():
        raise InterruptedError

begun = threading.Event()
torch.set_num_threads(1)
try:
    with wanted(check):
        aside(lambda: [product() for _ in range(3)])
except InterruptedError:
    print("left")
"""


def test_python_ends_in_peace_while_what_was_left_still_runs():
    ended = subprocess.run(
        [sys.executable, "-c", LEAVE], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left\n", "")
