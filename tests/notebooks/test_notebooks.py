"""Every notebook runs from top to bottom on the demo model, without a browser or a network."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SECONDS_PER_CELL = 300
MOST_CODE_CELLS = 20  # an essay of a few cells, not a manual


def executed(path, folder, monkeypatch):
    """Run a notebook in an empty folder; the notebook with its outputs."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", resources=resources
    ).execute()
    return notebook


def needs_a_server(path):
    """Whether a notebook sends its work to an NDIF server."""
    return "NDIF_HOST" in path.read_text(encoding="utf-8")


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_errors_or_warnings(path, tmp_path, monkeypatch):
    if needs_a_server(path) and not os.environ.get("NDIF_HOST"):
        pytest.skip("needs an NDIF server at NDIF_HOST; `make test-remote` runs it on one")
    notebook = executed(path, tmp_path, monkeypatch)
    said = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    )
    assert not re.search("warning|error", said, re.IGNORECASE), said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_an_essay_of_a_few_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    prose = [cell for cell in cells if cell.cell_type == "markdown"]
    assert prose
    assert cells[0].cell_type == "markdown"
    assert len(code) <= MOST_CODE_CELLS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asks_for_the_standard_kernel(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
