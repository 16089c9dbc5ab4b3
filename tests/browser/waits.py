"""Waits for what a page shows: on a busy machine that is late, not wrong, so none is for a while.

A step of a test that needs a state of the page waits for this very state; one that measures places
or says that nothing happened waits until the page is at rest.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Locator, Page

T = TypeVar("T")

SECONDS = 60.0
FRAMES = 4  # of the screen in which nothing has moved
# What may move: the window, the notebook's place in it, the views and their pictures, the focus.
AT_REST = """async ([frames, limit]) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const moving = () => document.getAnimations().some(a => a.playState === 'running'
    && a.effect.getComputedTiming().endTime !== Infinity);
  const places = () => [innerWidth, innerHeight, document.activeElement?.className,
    ...[...document.querySelectorAll('.jp-LabShell, .jp-NotebookPanel, .vv, .vv canvas, .vv svg')]
      .flatMap(e => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; }),
  ].join();
  const until = performance.now() + limit;
  let before = '';
  for (let still = 0; still < frames;) {
    await frame();
    const now = places();
    still = now === before && !moving() ? still + 1 : 0;
    before = now;
    if (performance.now() > until) throw Error(`the page moves after ${limit} ms: ${now}`);
  }
}"""
# Each state is a function of the element; they come in this order, however short each one is.
WATCH = """root => {
  const holds = [STATES];
  let at = 0;
  root.volvellePassed = new Promise(done => {
    const look = () => {
      while (at < holds.length && holds[at](root)) at++;
      if (at < holds.length) return;
      watcher.disconnect();
      done();
    };
    const watcher = new MutationObserver(look);
    watcher.observe(root, {
      subtree: true, childList: true, characterData: true, attributes: true });
  });
  root.volvelleAt = () => at;
}"""
PASSED = """(root, limit) => Promise.race([root.volvellePassed, new Promise((_, no) =>
  setTimeout(() => no(Error(`only ${root.volvelleAt()} of the states came`)), limit))])"""


def patient(context: BrowserContext) -> BrowserContext:
    """Let a profile wait for an element as long as everything here waits."""
    context.set_default_timeout(SECONDS * 1e3)
    return context


def until(look: Callable[[], T], holds: Callable[[T], bool] = bool, seconds: float = SECONDS) -> T:
    """Look again and again until what is seen holds; what was seen then.

    Parameters
    ----------
    look : callable
        Reads the page.
    holds : callable
        Whether what it gave is what is waited for.
    seconds : float
        After which the test fails with what was seen last.
    """
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"after {seconds:g} s it is still {seen!r}"
        time.sleep(0.02)
    return seen


def at_rest(page: Page) -> None:
    """Wait until nothing on the page moves: laid out at its width, scrolled, drawn, faded in."""
    page.evaluate(AT_REST, [FRAMES, SECONDS * 1e3])


def shown(view: Locator) -> None:
    """Wait until a view, or a part of it, is on the page and stays where it is."""
    view.wait_for()
    at_rest(view.page)


@contextmanager
def passing(root: Locator, *states: str) -> Iterator[None]:
    """Hold what happens inside to states of an element that come and go.

    Parameters
    ----------
    root : playwright Locator
        The element; what is below it counts.
    *states : str
        JavaScript functions of the element, true in this order one after the other. They hold
        for moments that a look from outside would miss.
    """
    element = root.element_handle()
    element.evaluate(WATCH.replace("STATES", ", ".join(states)))
    yield
    element.evaluate(PASSED, SECONDS * 1e3)
