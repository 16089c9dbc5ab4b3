"""What must never be in a tracked file."""

import json
import re

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
