"""Where volvelle keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

# Raised when the layout of what is stored changes: older folders are then left unread.
CACHE_VERSION = "1"


def cache_dir() -> Path:
    """Return the folder of volvelle's caches, made on first use.

    Everything below it is safe to delete: converted models, layouts, circles are made again.

    Returns
    -------
    pathlib.Path
        ``$VOLVELLE_CACHE`` where set, else the user's cache folder; below it one folder
        per version of the layout.
    """
    import platformdirs

    base = os.environ.get("VOLVELLE_CACHE") or platformdirs.user_cache_dir("volvelle")
    folder = Path(base).expanduser() / f"v{CACHE_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
