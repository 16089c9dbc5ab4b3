"""What must never be in a tracked file."""

import json
import re
from pathlib import Path

import pytest
from house.tree import ROOT, files

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")

# Spelled with classes so that this file does not find itself.
MACHINE = re.compile(r"(?<![\w.~])/(?:[w]ork|[r]oot|[h]ome|[U]sers|[o]pt)/\w|\b[A-Z]:\\[U]sers\b")
INDEX = re.compile(
    r"--(?:extra-)?[i]ndex-url|--[f]ind-links|[r]egistry\.npmjs|[f]iles\.pythonhosted|"
    r"[a]rtifactory|\b[n]exus\b"
)
BINARY = {".png", ".jpg", ".safetensors", ".npz", ".npy", ".gz", ".gguf", ".woff2", ".ico"}
LARGEST_MB = 10.0
# `make demo CHECK=1` in a sentence; a line of its own in a script or in a page's block of commands
QUOTED = re.compile(r"`make ([^`]+)`")
COMMAND = re.compile(r"^ *(?:\$ )?make ([^#\n]+)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# views/arrays.py, js/src/lib/wire/arrays.ts: a file of this repository, from a root of its own
ROOTS = (ROOT, ROOT / "widgets/volvelle", ROOT / "js")
NAMED = re.compile(
    r"(?<![\w/.{])(?:js|src|widgets|tests|docs|views|experiments|models|formats|compute|formulas)"
    r"/[\w/.-]*\w\.(?:py|tsx?|css|mjs|sh|md)\b"
)
SCRIPTS = {".sh", ".yml", ".yaml", ""}


def hits(pattern):
    found = []
    for path in files():
        if path.suffix in BINARY:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    return found


def targets_named(name, text):
    """Every target of make that a file tells its reader to run."""
    told = QUOTED.findall(text)
    if Path(name).suffix in SCRIPTS:
        told += COMMAND.findall(text)
    for block in BLOCK.findall(text):
        told += COMMAND.findall(block)
    return {word for words in told for word in re.findall(r"(?<!\S)[a-z][\w-]*(?!\S)", words)}


def test_no_file_names_a_path_of_somebodys_machine():
    assert hits(MACHINE) == []


def test_no_file_names_a_package_index():
    assert hits(INDEX) == []


def test_no_file_is_larger_than_10_mb():
    large = [p.relative_to(ROOT) for p in files() if p.stat().st_size > LARGEST_MB * 1e6]
    assert large == []


def test_notebooks_are_kept_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), path.name
            assert cell.get("execution_count") is None, path.name


def test_every_make_target_that_a_file_names_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    missing = {
        str(path.relative_to(ROOT)): wrong
        for path in files()
        if path.suffix not in BINARY
        and (wrong := targets_named(path.name, path.read_text("utf-8", "replace")) - targets)
    }
    assert missing == {}


def test_every_file_that_another_names_exists():
    dead = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files()
        if path.suffix not in BINARY and path.parent != ROOT / "tests/house"  # these make some up
        for name in NAMED.findall(path.read_text("utf-8", "replace"))
        if not any((root / name).exists() for root in ROOTS)
    }
    assert dead == set()


@pytest.mark.parametrize(
    ("name", "text", "targets"),
    [
        ("page.md", "Then `make demo CHECK=1` stops; views make one more.", {"demo"}),
        (
            "page.md",
            "```\nmake test test-remote  # what CI runs\n```\nmake no mistake\n",
            {"test", "test-remote"},
        ),
        ("run", "make lint\n", {"lint"}),
        ("room.py", "    make it again\n# `make bench-remote` has one", {"bench-remote"}),
    ],
)
def test_a_make_target_is_found_where_a_reader_would_run_it(name, text, targets):
    assert targets_named(name, text) == targets
