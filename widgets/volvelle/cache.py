"""Where volvelle keeps what it can make again."""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path

# Raised when the layout of what is stored changes: older folders are then left unread.
CACHE_VERSION = "1"
SETTING = "VOLVELLE_CACHE"


def cache_dir() -> Path:
    """Return the folder of volvelle's caches, made on first use.

    Everything below it is safe to delete: converted models, layouts, circles are made again.

    Returns
    -------
    pathlib.Path
        ``$VOLVELLE_CACHE`` where set, else the user's cache folder; below it one folder
        per version of the layout. Where that cannot be made, `spare_dir`, with a warning.
    """
    import platformdirs

    base = os.environ.get(SETTING) or platformdirs.user_cache_dir("volvelle")
    try:
        folder = Path(base).expanduser() / f"v{CACHE_VERSION}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        cannot_keep(error)
        return spare_dir()
    return folder


@cache
def spare_dir() -> Path:
    """Return a folder that lasts as long as this process, for what can be kept nowhere else."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="volvelle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def cannot_keep(error: Exception) -> None:
    """Warn, once a process for one folder, that results are made again each time."""
    base = os.environ.get(SETTING)
    where = f"{SETTING}={base}" if base else "the user's cache folder"
    reason = getattr(error, "strerror", None) or str(error)
    _warn(
        f"{where} cannot be written ({reason}): what is made is not kept for the next time. Set "
        f"{SETTING} to a folder with room that can be written"
    )
