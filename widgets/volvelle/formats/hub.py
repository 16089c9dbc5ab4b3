"""Repositories on the Hugging Face hub: only the files that are asked for are fetched."""

from __future__ import annotations

import re
from pathlib import Path

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(/[\w./=-]+)?")


def is_repository(text: str) -> bool:
    """Return whether a text reads as ``org/name`` or ``org/name/sub/folder``."""
    return bool(_REPOSITORY.fullmatch(text)) and not {".", ".."} & set(text.split("/"))


def fetch(
    text: str, files: tuple[str, ...], *, subfolder: str | None, revision: str | None
) -> Path:
    """Fetch the named files of one folder of a repository.

    Parameters
    ----------
    text : str
        ``org/name`` or ``org/name/sub/folder``.
    files : tuple of str
        File names wanted from that folder, where they exist.
    subfolder, revision : str or None

    Returns
    -------
    Path
        The local folder, in the hub's own cache.

    Raises
    ------
    ValueError
        For a repository or folder that cannot be had, with the hub's reason.
    """
    # its progress bar, tqdm's, has no types
    from huggingface_hub import snapshot_download  # pyright: ignore[reportUnknownVariableType]
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    org, name, *rest = text.split("/")
    folder = "/".join(part for part in (*rest, subfolder or "") if part)
    patterns = [f"{folder}/{file}" if folder else file for file in files]
    if not folder:  # so that a repository of several SAEs can list them
        patterns.append("**/cfg.json")
    try:
        local = snapshot_download(
            repo_id=f"{org}/{name}", revision=revision, allow_patterns=patterns
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"there is no folder {text!r} here, and the hub gave no repository "
            f"'{org}/{name}': {error}"
        ) from error
    return Path(local) / folder
