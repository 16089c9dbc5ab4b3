"""Whether what came of a call is right: it returned, or it said what is wrong with an argument."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import threading
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import traitlets

import volvelle

HOME = str(Path(volvelle.__file__).parent)
# A call of odd arguments that has not come back by then does not.
LIMIT_S = 20
# More than this nobody reads.
LONGEST = 600
CLEAN = (TypeError, ValueError, LookupError, OSError, volvelle.RemoteFailure)
FRAME = re.compile(r'^\s*File "(?P<file>.+)", line \d+')
# How deep a result is looked into for what is not a number.
DEPTH = 3


class Hangs(KeyboardInterrupt):
    """Raised in a call that does not come back; as an interrupt, so that its job is stopped."""


class Given(RuntimeError):  # noqa: N818 - what a function given raises, not what is wrong
    """Raised by a function that was given to be called: whoever called sees it as it is."""


class Shown(Exception):  # noqa: N818 - what a view shows, not what a call raises
    """A failure that a view shows in place of raising it."""

    def __init__(self, view: Any) -> None:
        super().__init__(view.error)
        self.traceback: str = view._traceback


@contextlib.contextmanager
def limited(seconds: float):
    """Interrupt what takes longer, where the system can; pytest's own limit runs on."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not _main():
        yield
        return

    def ring(_number, _frame):
        raise Hangs

    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)


def _main() -> threading.Thread:
    return threading.main_thread()


def fault(call, names: tuple[str, ...], holes: frozenset[str] | None = frozenset()) -> str:
    """Return what is wrong with how a call takes its argument, ``""`` where nothing is.

    Parameters
    ----------
    call : callable
        Without arguments.
    names : tuple of str
        Of which an error names one: the parameter's first.
    holes : frozenset of str
        Parts of a right result that hold NaN, as `holes_of` returns them; None where any may.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with limited(LIMIT_S):
                result = call()
        except Hangs:
            return f"hangs: over {LIMIT_S} s"
        except BaseException as error:  # noqa: BLE001 - whatever comes is judged
            said = of_error(error, names)
        else:
            new = frozenset() if holes is None else holes_of(result) - holes
            said = f"NaN in {', '.join(sorted(new))}" if new else ""
    of_numpy = [str(one.message) for one in warned if issubclass(one.category, RuntimeWarning)]
    return said or (f"RuntimeWarning: {of_numpy[0]}" if of_numpy else "")


def of_error(error: BaseException, names: tuple[str, ...]) -> str:  # noqa: PLR0911 - a reason each
    """Return what is wrong with an error, ``""`` where it says what is wrong with the argument."""
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - a stranger's
        return f"{type(error).__name__} that cannot be shown: {type(worse).__name__}"
    kind = type(error).__name__
    if isinstance(error, Given) or _of_a_stranger(error):
        return ""
    if isinstance(error, Shown):
        where = _end_of_text(error.traceback)
    elif isinstance(error, traitlets.TraitError):
        where = ""
    elif isinstance(error, CLEAN):
        where = _end(error)
    else:
        return f"{kind}: {_short(text)} at {_end(error) or 'a raise'}"
    if where:
        return f"raw {kind}: {_short(text)} at {where}"
    if len(text) > LONGEST:
        return f"{kind} of {len(text):,} characters: {_short(text)}"
    if not any(_names(text, name) for name in names):
        return f"{kind} does not name it: {_short(text)}"
    return ""


def _of_a_stranger(error: BaseException) -> bool:
    """Whether an odd value raised it by itself: what its ``__iter__`` raises is not ours to say."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).name == "odd.py"


def _names(text: str, name: str) -> bool:
    """Whether a text has the name of an argument in it, or of one of several."""
    return re.search(rf"\b_?{re.escape(name.removesuffix('s'))}", text, re.IGNORECASE) is not None


def _end(error: BaseException) -> str:
    """Return where an error comes from, ``""`` where a statement of the package raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return _place(frames[-1].filename, frames[-1].line or "", frames) if frames else "nowhere"


def _end_of_text(told: str) -> str:
    """Return the same of a traceback that is a text."""
    lines = told.splitlines()
    at = [n for n, line in enumerate(lines) if FRAME.match(line)]
    if not at:
        return ""
    file = FRAME.match(lines[at[-1]])["file"]
    source = lines[at[-1] + 1] if at[-1] + 1 < len(lines) else ""
    return _place(file, source, [])


def _place(file: str, source: str, frames: list[Any]) -> str:
    if file.startswith(HOME) and source.strip().startswith("raise"):
        return ""
    own = [one for one in frames if one.filename.startswith(HOME)]
    last = own[-1] if own else None
    name = f"{Path(file).name}: {source.strip()[:60]}"
    return f"{last.filename.removeprefix(HOME)}:{last.lineno} ({name})" if last else name


def _short(text: str) -> str:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def holes_of(value: Any, name: str = "result", depth: int = DEPTH) -> frozenset[str]:  # noqa: PLR0911
    """Return the names of the parts of a result that hold NaN."""
    if isinstance(value, float):
        return frozenset([name] if value != value else [])  # noqa: PLR0124 - NaN alone differs
    if isinstance(value, (np.ndarray, np.generic)):
        holed = value.dtype.kind in "fc" and bool(np.isnan(value).any())
        return frozenset([name] if holed else [])
    if isinstance(value, torch.Tensor):
        holed = value.is_floating_point() and not value.is_meta and bool(value.isnan().any())
        return frozenset([name] if holed else [])
    if isinstance(value, pd.DataFrame):
        numbers = value.select_dtypes("number")
        return frozenset(f"{name}[{key!r}]" for key in numbers if numbers[key].isna().any())
    if depth == 0:
        return frozenset()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    elif isinstance(value, Mapping):
        parts = dict(value)
    elif isinstance(value, (list, tuple)):
        return frozenset().union(*(holes_of(one, name, depth - 1) for one in value[:100]))
    else:
        return frozenset()
    return frozenset().union(
        *(holes_of(one, f"{name}.{key}", depth - 1) for key, one in parts.items())
    )


def of_view(view: Any) -> Any:
    """Wait for a view, and raise what it shows; what it holds can be exported and sent."""
    view.wait(LIMIT_S)
    if view.error:
        raise Shown(view)
    json.dumps(view._trait_to_json(view.export_state(), view), default=_as_bytes)
    repr(view)
    return view


def _as_bytes(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes"
    raise TypeError(f"a trait holds {type(value).__name__}, which no page can be sent")
