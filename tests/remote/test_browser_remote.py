"""Views of a model on a real NDIF server, in a real JupyterLab."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from browser.conftest import SIZE, chrome, server  # noqa: F401 - fixtures
from browser.notebook import Notebook
from browser.waits import passing, shown
from remote.conftest import SECONDS
from remote.doors import door

from volvelle.models.load import smollm2

pytestmark = pytest.mark.usefixtures("nothing_left")
MODEL = """
import os
from IPython.display import display
import volvelle as vv
model = vv.load("smollm2", remote=os.environ["NDIF_HOST"])
a = vv.demo_sae("a")
jobs = vv.Jobs(model)
def show(v):
    global view
    view = v
    display(jobs, view)
"""
CIRCLE = """
import numpy as np
names = ["happy", "angry", "sad", "calm"]
draw = np.random.default_rng(0)
circle = vv.fit_circle(vv.Dictionary(draw.normal(size=(4, 576)), names, "resid_post.14"), n_null=10)
"""
TEXT = "The old sailor laughed. He had never seen Paris."


@pytest.fixture(scope="module")
def lab(chrome, server):  # noqa: F811 - the fixture above
    with chrome.new_context(viewport=SIZE, permissions=["clipboard-write"]) as fresh:
        notebook = Notebook(fresh, server)
        notebook.run(MODEL)
        yield notebook
        notebook.kill_kernel()


@pytest.fixture
def live(lab):
    lab.tell("for record in model.worker.jobs: model.worker.drop(record)")
    lab.clear()
    lab.tell("jobs = vv.Jobs(model)")
    yield lab
    assert lab.console == [], "errors in the browser's console"
    assert lab.outside == [], "requests that left the machine"


class Shown:
    """A view below the list of jobs, both found in one cell."""

    def __init__(self, live, source, name):
        self.live = live
        # by number: the list keeps its last fifty
        self.before = live.ask("max((r.number for r in model.worker.jobs), default=0)")
        within = live.run(source).view
        self.jobs = within.locator(".vv-jobs")
        self.root = within.locator(f".vv-{name}")
        self.line = self.root.locator(".vv-status")
        shown(self.root)

    @property
    def sent(self):
        """How many requests have been made since the view is there."""
        jobs = f"(r for r in model.worker.jobs if r.number > {self.before})"
        return self.live.ask(f"sum(len(r.requests) for r in {jobs})")

    def press(self, name="Run"):
        self.root.get_by_role("button", name=name, exact=True).first.click()

    def says(self, text):
        """Wait until the view's own line says something."""
        self.line.get_by_text(re.compile(text)).first.wait_for(timeout=SECONDS * 1e3)

    @contextmanager
    def sending_nothing(self, told):
        """Hold what is done inside to no request, once Python has been told the last of it."""
        before = self.sent
        yield
        answered = "view._answered == view._request.get('serial', 0)"
        self.live.until(f"({told}) and {answered}", expected=True)
        self.live.page.wait_for_timeout(600)  # longer than the page waits for a hand to rest
        assert self.live.ask("view.status") == "idle"
        assert self.sent == before

    def running(self):
        """Wait until a request is at work on the server."""
        row = self.jobs.locator(".vv-job[data-state=running]")
        row.filter(has=self.live.page.locator(".vv-wire")).wait_for(timeout=SECONDS * 1e3)

    def done(self):
        self.says(r"last run: .*sent.*back.*on the server")


def test_feature_activations_run_only_when_asked_and_show_their_own_line(live):
    source = f"show(vv.FeatureActivations(model, a, {TEXT!r}))"
    page = Shown(live, source, "feature_activations")
    page.says("Run sends 11 tokens to read to http://127")
    page.root.get_by_text("not run yet").wait_for()
    before = page.sent
    page.press()
    page.done()
    chips = page.root.locator(".vv-chip")
    assert chips.count() == 11
    assert page.sent == before + 1
    live.picture(page.root, "remote-activations")
    # hover, select, filter and write: nothing is sent
    with page.sending_nothing("view.text.endswith('Nor had we.')"):
        chips.nth(2).hover()
        chips.nth(3).click()
        page.root.get_by_role("searchbox").fill("sea")
        page.press("Edit")
        page.root.locator("textarea").fill(f"{TEXT} Nor had we.")
        page.says("The text has changed. Run sends 1[2-9] tokens")
    assert page.sent == before + 1
    assert chips.count() == 11
    page.press()
    live.until("view._shown.n_tokens", 15, SECONDS)
    assert page.sent == before + 2


def test_the_circle_runs_only_when_asked(live):
    live.tell(CIRCLE)
    page = Shown(live, "show(vv.EmotionCircle(model, circle))", "emotion_circle")
    before = page.sent
    page.says("Run sends the next word after 2 prompts")
    hand = page.root.get_by_role("slider").first
    hand.focus()
    with page.sending_nothing("view.prompt == 'I woke up and felt'"):
        for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
            live.page.keyboard.press(key)
        page.root.get_by_role("button", name="placebo: random plane").click()
        page.root.get_by_role("textbox", name="prompt").fill("I woke up and felt")
    assert page.sent == before
    page.press()
    page.done()
    assert page.root.locator(".vv-words li").count() >= 3
    assert page.sent > before
    live.picture(page.root, "remote-circle")


def test_steering_writes_on_the_server_and_streams(live):
    source = (
        "show(vv.Steering(model, [vv.Steer(a.feature(9), 0.3)], 'The letter said', "
        "watch=[' that'], placebo=1, max_new_tokens=8))"
    )
    page = Shown(live, source, "steering")
    before = page.sent
    page.says("Run sends 4 rows of 8 tokens to write")
    with page.sending_nothing("max(view.strengths.values()) > 0.3"):
        page.root.get_by_role("slider").first.press("ArrowRight")
    assert page.sent == before
    page.press()
    page.done()
    assert "placebo" in live.ask("view.result.summary()") or live.ask("len(view.to_pandas())") >= 4
    assert page.root.locator(".vv-summary").inner_text()
    live.picture(page.root, "remote-steering")


def test_jobs_show_states_bytes_cost_and_id_and_stop_tells_the_truth(live):
    source = (
        "show(vv.Steering(model, [vv.Steer(a.feature(9), 0.3)], 'The letter said', "
        "placebo=1, max_new_tokens=60))"
    )
    page = Shown(live, source, "steering")
    page.press()
    page.running()
    row = page.jobs.locator(".vv-job").first
    assert "Steering" in row.inner_text()
    stop = row.get_by_role("button", name="Stop Steering")
    assert "no way to cancel" in stop.get_attribute("title")
    live.picture(page.jobs, "remote-jobs-running")
    stop.click()
    row.locator(".vv-sign[data-state=left]").wait_for()
    assert "may still run on the server" in row.inner_text()
    live.until("view.status", "idle")
    with passing(row, "row => row.textContent.includes('copied')"):
        row.get_by_role("button", name="Copy id").click()
    row.locator("summary").click()
    states = row.locator(".vv-stages li").all_inner_texts()
    assert any("running" in state for state in states)
    assert live.ask("jobs.records[-1].ids[-1]") in row.inner_text()
    live.picture(page.jobs, "remote-jobs-open")


def test_a_cold_model_says_that_it_is_being_loaded(live, tmp_path):
    copy = tmp_path / "smollm2-again"
    copy.symlink_to(smollm2.folder())
    live.tell(f"cold = vv.load({str(copy)!r}, remote=os.environ['NDIF_HOST'])")
    live.tell("jobs = vv.Jobs(cold)")
    page = Shown(live, "show(vv.FeatureActivations(cold, a, 'The sea.'))", "feature_activations")
    page.press()
    page.says("the server is (loading the model|making room)")
    sign = page.jobs.locator(".vv-sign[data-state=deploying]")
    sign.wait_for()
    live.picture(page.jobs, "remote-jobs-deploying", themes=("light",))
    page.done()
    assert page.root.locator(".vv-chip").count() == 3


def test_a_server_killed_mid_job_is_said_and_the_view_goes_on(live):
    with door(18031) as second:
        live.tell(f"there = vv.load('smollm2', remote={second.address!r})")
        live.tell("jobs = vv.Jobs(there)")
        source = (
            "show(vv.Steering(there, [vv.Steer(a.feature(9), 0.3)], 'The letter said', "
            "placebo=0, max_new_tokens=6))"
        )
        page = Shown(live, source, "steering")
        page.press()
        page.done()
        text = live.ask("view.result.row(1.0).text")
        live.tell("view.max_new_tokens = 60")
        page.press()
        page.running()
        second.kill()
        error = page.line.get_by_role("alert")
        error.wait_for(timeout=SECONDS * 1e3)
        sentence = error.locator("span").first.inner_text()
        assert "vv.remote_models()" in sentence
        assert second.address in sentence
        assert "running on the server" in sentence
        page.says(r"failed after .* sent")
        assert "\n" not in sentence
        fold = error.locator("details")
        assert fold.get_attribute("open") is None
        live.picture(page.root, "remote-killed")
        fold.locator("summary").click()
        fold.get_by_text("RemoteFailure").first.wait_for()
        # the last result stays, and another run works once the server is back
        assert live.ask("view.result.row(1.0).text") == text
        assert page.jobs.locator(".vv-sign[data-state=failed]").count() == 1
        second.open()
        live.tell("view.max_new_tokens = 4")
        page.press()
        page.done()
        assert live.ask("view.error") == ""
