"""Jobs of the real model in a real JupyterLab, above a view whose job it shows."""

import pytest
from browser.waits import shown

MADE = """
from IPython.display import display
jobs = vv.Jobs(model)
view = vv.FeatureActivations(model, a, "The old sailor laughed.").wait()
display(jobs, view)
"""
HELD = """
import threading
from volvelle.models.work.job import current_job
gate, began = threading.Event(), threading.Event()
def work():
    current_job().report(0.4, "layer 4 of 10")
    began.set()
    gate.wait(600)  # until the test is over
    current_job().check()
job = model.submit(work, name="held")
assert began.wait(60)
"""


class Page:
    """The list, found below a locator."""

    def __init__(self, within):
        self.root = within.locator(".vv-jobs")
        self.rows = self.root.locator(".vv-job")
        shown(self.root)

    def row(self, name):
        return self.rows.filter(has_text=name).first


@pytest.fixture
def page(live):
    yield Page(live.run(MADE).view)
    live.tell("globals().get('gate') and gate.set()")


def test_a_views_work_is_listed_with_its_name_and_time(live, page):
    row = page.row("FeatureActivations")
    row.locator("[data-state=done]").first.wait_for()
    assert "done" in row.inner_text()
    assert " s" in row.locator(".vv-times").inner_text()
    assert "in this kernel" in page.root.locator(".vv-head").inner_text()


def test_progress_is_shown_and_stop_stops(live, page):
    live.tell(HELD)
    row = page.row("held")
    row.locator("[role=progressbar][aria-valuenow='40']").wait_for()
    assert "layer 4 of 10" in row.inner_text()
    live.picture(page.root, "jobs-running")
    row.get_by_role("button", name="Stop held").focus()
    live.page.keyboard.press("Enter")
    live.until("job.cancelled", True)
    live.tell("gate.set()")
    row.locator(".vv-sign[data-state=stopped]").wait_for()


def test_a_view_that_waits_is_listed_behind_and_run_again(live, page):
    live.tell(HELD)
    live.tell("view.run()")
    waiting = page.rows.nth(1)
    waiting.locator(".vv-sign[data-state=waiting]").wait_for()
    waiting.get_by_role("button", name="Stop FeatureActivations").click()
    live.until("view.status", "idle")
    live.tell("gate.set()")
    live.until("any(r.status in ('queued', 'running') for r in jobs.records)", expected=False)
    # by number: a list that holds its last fifty jobs grows no longer
    before = live.ask("jobs.records[-1].number")
    page.rows.get_by_role("button", name="Run again FeatureActivations").first.click()
    live.until(f"jobs.records[-1].number > {before}", expected=True)
    live.until("jobs.records[-1].status", "done")


def test_details_open_by_key_and_tell_python(live, page):
    row = page.row("FeatureActivations")
    row.locator("summary").focus()
    live.page.keyboard.press("Enter")
    live.until("len(jobs.opened)", 1)
    row.get_by_text("waited here").wait_for()
    # the first line keeps clear of the buttons beside it
    times, buttons = (row.locator(name).bounding_box() for name in (".vv-times", ".vv-actions"))
    assert times["x"] + times["width"] <= buttons["x"]
    live.picture(page.root, "jobs-open")
    live.tell("jobs.opened = []")
    row.get_by_text("waited here").wait_for(state="hidden")


def test_an_exported_file_still_lists_and_opens(live, page, exported):
    alone = Page(exported(live, "jobs", color_scheme="dark").locator("body"))
    alone.row("FeatureActivations").locator("summary").click()
    alone.row("FeatureActivations").get_by_text("waited here").wait_for()
    assert alone.root.get_by_role("button", name="Run again").count() == 0


@pytest.mark.parametrize("pixels", [600, 1200])
def test_nothing_is_cut_off(live, page, pixels):
    with live.width(pixels):
        assert page.root.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
        assert page.root.bounding_box()["height"] < 420
