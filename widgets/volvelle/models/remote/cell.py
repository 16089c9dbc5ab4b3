"""A server's failure in a notebook's cell: the line it came from, one sentence, the rest folded."""

from __future__ import annotations

import traceback
from typing import Any

# What IPython calls the code of a cell: in a terminal, and in a notebook's kernel.
CELLS = ("<ipython-input", "ipykernel_")
RED, END = "\x1b[31m", "\x1b[0m"


def lines(failure: Exception, server_said: str) -> list[str]:
    """Return what a cell shows of a failure, which no line of the notebook is at fault for.

    All of it where the cell asks with ``%tb``.

    Parameters
    ----------
    failure : RemoteFailure
    server_said : str
        The server's own traceback, "" where there is none.
    """
    if _asked_for_all():
        return _whole(failure)
    frames = traceback.extract_tb(failure.__traceback__)
    own = [frame for frame in frames if any(name in frame.filename for name in CELLS)]
    shown = [f"----> {frame.lineno} {frame.line}" for frame in own[:1] if frame.line]
    said = "%tb shows the full traceback"
    if server_said:
        said += ", .remote_traceback of the exception the server's own words"
    return [*shown, f"{RED}{type(failure).__name__}{END}: {failure}", f"({said}.)"]


def _asked_for_all() -> bool:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    typed = getattr(getattr(shell, "history_manager", None), "input_hist_raw", None) or [""]
    return typed[-1].strip().startswith("%tb")


def _whole(failure: Exception) -> list[str]:
    """Return IPython's own rendering of the exception."""
    from IPython.core.getipython import get_ipython

    drawn: Any = getattr(get_ipython(), "InteractiveTB")  # noqa: B009 - there is a shell
    kind, own = type(failure), failure.__traceback__
    return list(drawn.structured_traceback(kind, failure, own, tb_offset=drawn.tb_offset))
