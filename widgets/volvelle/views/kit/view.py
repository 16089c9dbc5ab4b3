"""What every view does: run work off the notebook's thread, report, stop, export."""

from __future__ import annotations

import contextlib
import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from traitlets import Bool, List, TraitError, Unicode, default

from volvelle.arguments.call import checked_in
from volvelle.arguments.said import came
from volvelle.models.work.turn import turn
from volvelle.names import unknown
from volvelle.views.kit.bundle import LOADER, watched
from volvelle.views.kit.choice import Choice
from volvelle.views.kit.job_line import JobLine
from volvelle.views.kit.layout import LateLayout
from volvelle.views.kit.messages import Messages
from volvelle.views.kit.numbers import Float, finite
from volvelle.views.kit.texts import Dict, WholeText
from volvelle.views.kit.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from volvelle.models.model import Model

P = ParamSpec("P")
T = TypeVar("T")
ViewT = TypeVar("ViewT", bound="View")

# More letters than this are no message: traitlets prints all of what came.
LONGEST = 400
# Traits of ipywidgets and anywidget: neither ours to suggest, nor part of an export.
HOST_TRAITS = frozenset(
    {"layout", "tabbable", "tooltip", "comm", "keys", "log"}
    | {"_dom_classes", "_esm", "_css", "_anywidget_id", "_bundle", "_over"}
    | {f"_{what}_{part}" for what in ("model", "view") for part in ("name", "module")}
    | {f"_{what}_{part}" for what in ("model", "view") for part in ("module_version", "count")}
)


def reported(method: Callable[P, None]) -> Callable[P, None]:
    """Let a failure of an observer land in the view's `error` trait and the log.

    The observer and the writing of results take turns: neither sees the other's half-written
    traits.
    """

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        view: Any = args[0]
        with view._work.reporting():  # noqa: SLF001
            method(*args, **kwargs)

    return guarded


@checked_in
class View(Messages, LateLayout):
    """Base of the anywidgets.

    A subclass sets ``_esm = bundle("<file name>")``, overrides `run`, `to_pandas` and
    `_export_title`, starts work with `_start`, decorates its observers with `reported`, and
    answers the browser's requests in ``_on_<kind>(self, field: type, ...)``.

    Parameters
    ----------
    **traits
        Initial values. An unknown name raises `TypeError` naming the closest one.
    """

    status = Choice(["idle", "queued", "running", "failed"], "idle").tag(sync=True, page=False)
    """What the view's work is doing now."""
    error = WholeText("").tag(sync=True, page=False)
    """The last failure in a sentence, empty when there is none. The last good result stays."""
    progress = Float(0.0).tag(sync=True, page=False)
    """Fraction of the running work that is done, 0...1."""
    _stage = WholeText("").tag(sync=True)
    """What the running work is at, in words: ``"window 3 of 12"``."""
    _job_line = Dict().tag(sync=True, of=JobLine)
    """Where the work is on a server: state, place in the queue, bytes, cost; empty for work here.
    Stays when the work is done, until the next begins."""
    _plan = WholeText("").tag(sync=True)
    """What Run will send to a server, about; empty for a model that is here."""
    _traceback = WholeText("").tag(sync=True)
    """All of the last failure's traceback, for those who unfold it. Not exported."""
    _live = Bool(True).tag(sync=True)
    """False in an exported file, where no kernel will ever answer."""

    _bundle = Unicode().tag(sync=True)
    """The text of the view's front end, which the `LOADER` in ``_esm`` reads."""
    _over = List(Unicode()).tag(sync=True)
    """Traits that the page lets go of when the view is closed; empty until then."""
    _bundle_text = ""

    @staticmethod
    def _trait_to_json(x: Any, self: Any) -> Any:  # noqa: ARG004  (ipywidgets' signature)
        """Return a trait as a page has it, in a notebook or a file: see `finite`."""
        return finite(x)

    def __init_subclass__(cls, **options: Any) -> None:
        built = cls.__dict__.get("_esm")
        if isinstance(built, Path) and not watched():
            # of a path anywidget makes a signal that holds every view there ever was
            cls._bundle_text, cls._esm = built.read_text(encoding="utf-8"), LOADER
        super().__init_subclass__(**options)
        checked_in(cls)

    def __init__(self, **traits: Any) -> None:
        # first, because a view that is refused below is closed like any other
        self._lock = turn
        self._work = Work(self, self._fail)
        self._quiet = True  # whether traits are being filled, not asked for
        known = [name for name in self.trait_names() if name not in HOST_TRAITS]
        own = [name for name in inspect.signature(type(self)).parameters if name != "traits"]
        public = dict.fromkeys([*own, *(name for name in known if not name.startswith("_"))])
        for name in traits:
            if name not in known and name not in ("layout", "tooltip", "tabbable"):
                raise TypeError(f"{type(self).__name__}(): {unknown('argument', name, public)}")
        try:
            super().__init__(**traits)
        except RecursionError:  # traitlets says what came, member by member
            raise TraitError(f"one of {', '.join(traits)} is nested too deep") from None
        self._quiet = False

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a trait or an attribute; a public name that is neither is a slip, and refused."""
        made = not self.__dict__.get("_quiet", True)
        known = name.startswith("_") or hasattr(type(self), name) or name in self.__dict__
        if made and not known:
            traits = [one for one in self.trait_names() if one not in HOST_TRAITS]
            public = [one for one in traits if not one.startswith("_")]
            raise AttributeError(f"{type(self).__name__}: {unknown('trait', name, public)}")
        try:
            super().__setattr__(name, value)
        except RecursionError:  # traitlets says what came, member by member
            raise TraitError(f"{name} is nested too deep, or holds itself") from None
        except TraitError as error:
            if len(str(error)) <= LONGEST:
                raise
            info = type(self).class_traits()[name].info()
            raise TraitError(came(name, value, str(info))) from None

    @default("_bundle")
    def _own_bundle(self) -> str:
        return self._bundle_text

    # -- work -----------------------------------------------------------------------------

    def _start(
        self,
        model: Model,
        work: Callable[[Callable[[float, str], None]], T],
        done: Callable[[T], None],
    ) -> None:
        """Run `work` on the model's worker thread, then `done`; see `Work.start`."""
        self._work.start(model, work, done)

    def _fail(self, error: BaseException) -> None:
        """Show a failure in the view and log it; override to put it in better words."""
        self._work.fail(error)

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Fill traits without their observers taking it for a wish; they look at `_quiet`."""
        with self._lock:
            before, self._quiet = self._quiet, True
            try:
                yield
            finally:
                self._quiet = before

    # -- what the user calls --------------------------------------------------------------

    def run(self) -> Self:
        """Do the view's work again with its present traits. Returns at once."""
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until nothing of this view is queued or running.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits as long as it takes.

        Returns
        -------
        View
            Itself. A failure is in `error`; waiting does not raise it.

        Raises
        ------
        TimeoutError
            When the work is not done in time; it goes on.
        KeyboardInterrupt
            When interrupted; the work is stopped.
        """
        self._work.wait(timeout)
        return self

    def stop(self) -> Self:
        """Drop queued and running work; the last result stays."""
        self._work.stop()
        return self

    def close(self) -> None:
        """Leave the notebook; what the view has queued and running is dropped."""
        if hasattr(self, "_work"):  # else it was refused before it was made
            self._work.close()
            if self.comm is not None:
                own = [name for name in self.keys if name not in HOST_TRAITS]
                self._over = ["_bundle", *own]
        super().close()

    def to_pandas(self) -> pd.DataFrame:
        """Return what the view shows as a data frame."""
        raise NotImplementedError

    def to_html(self, path: str | Path, title: str | None = None) -> Path:
        """Write one self-contained HTML file that works offline and without a kernel.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to; an existing file is replaced.
        title : str, optional
            Of the page. Default: what the view shows.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        FileNotFoundError, IsADirectoryError, OSError
            Where there is no such folder, or the path is a folder, a named pipe, a device. An
            earlier file is as it was, whatever fails.
        TypeError, ValueError
            For what is no path.
        """
        from volvelle.views.kit.export import write_html

        name = type(self).__module__.rpartition(".")[2]  # the bundle is named like the module
        return write_html(path, name, self.export_state(), title or self._export_title())

    def _export_title(self) -> str:
        return type(self).__name__

    def export_state(self) -> dict[str, Any]:
        """Return the traits an exported file holds; override to let it hold more."""
        return {key: value for key, value in self.get_state().items() if key not in HOST_TRAITS}

    def __repr__(self) -> str:
        return f"{self._export_title()} ({self.status})"
